/* SPDX-License-Identifier: MIT */
/* The kernel refuses to make threads: pthread_create says EAGAIN or the thread runs all the same; nothing in between. */
#include "deny.h"
#include <linux/sched.h>

static _Atomic int ran;

static void *
work(void *arg)
{
	usleep(100);
	ran++;
	return arg;
}

static void *
waits(void *arg)
{
	struct timespec ts = deadline(CLOCK_REALTIME, 10 * MS);
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

	OK(pthread_mutex_lock(&m));
	while(pthread_cond_timedwait(&c, &m, &ts) == 0)
		;
	OK(pthread_mutex_unlock(&m));
	ran++;
	return arg;
}

int
main(void)
{
	static const int clone3[] = { SYS_clone3 }, clone[] = { SYS_clone };
	pthread_t t[20];
	int made = 0;

	/* Its flags are in memory, where a filter cannot look; libc then takes clone. */
	deny(clone3, 1, ENOSYS, 0);
	deny(clone, 1, EAGAIN, CLONE_THREAD);
	for(int i = 0; i < 20; i++) {
		int rc = pthread_create(&t[made], NULL, i % 2 ? work : waits, &ran);

		CHECK(rc == 0 || rc == EAGAIN);
		made += rc == 0;
	}
	for(int i = 0; i < made; i++)
		CHECK(join(t[i]) == &ran);
	EQ(ran, made);
	usleep(1000);
	puts("ok");
	return 0;
}
