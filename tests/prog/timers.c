/* SPDX-License-Identifier: MIT */
/* Sleeps of all kinds in many threads: none ends early, all end, and in the order of their deadlines when those differ clearly. */
#include "prog.h"
#include <poll.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/select.h>

#define N 100

static _Atomic int order[8], norder;
static struct timespec when[8];

static void *
work(void *arg)
{
	uint64_t seed = (intptr_t)arg + 1;
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	struct timespec ts;
	struct timeval tv;
	sem_t s;

	sem_init(&s, 0, 0);
	for(int i = 0; i < 24; i++) {
		int64_t us = 1 + rnd(&seed) % (i % 6 == 0 ? 20000 : 2000), t0 = nowns();

		switch(i % 8) {
		case 0:
			EQ(usleep(us), 0);
			break;
		case 1:
			ts = deadline(CLOCK_MONOTONIC, us * 1000);
			OK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL));
			break;
		case 2:
			ts.tv_sec = 0;
			ts.tv_nsec = us * 1000;
			OK(clock_nanosleep(CLOCK_REALTIME, 0, &ts, NULL));
			break;
		case 3:
			tv.tv_sec = 0;
			tv.tv_usec = us;
			EQ(select(0, NULL, NULL, NULL, &tv), 0);
			break;
		case 4:
			ts.tv_sec = 0;
			ts.tv_nsec = us * 1000;
			EQ(ppoll(NULL, 0, &ts, NULL), 0);
			break;
		case 5:
			ts = deadline(CLOCK_MONOTONIC, us * 1000);
			EQ(sem_clockwait(&s, CLOCK_MONOTONIC, &ts), -1);
			break;
		case 6:
			ts = deadline(CLOCK_MONOTONIC, us * 1000);
			OK(pthread_mutex_lock(&m));
			while(pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &ts) == 0)
				;
			OK(pthread_mutex_unlock(&m));
			break;
		case 7:
			ts.tv_sec = 0;
			ts.tv_nsec = us * 1000;
			EQ(nanosleep(&ts, NULL), 0);
			break;
		}
		CHECK(nowns() - t0 >= us * 1000);
	}
	return NULL;
}

static void *
inorder(void *arg)
{
	struct timespec *ts = arg;

	OK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, ts, NULL));
	order[norder++] = ts - when;
	return NULL;
}

/* Do eight that begin to sleep against the order of their deadlines end in it? */
static bool
ordered(void)
{
	pthread_t t[8];
	bool is = true;

	norder = 0;
	for(int i = 0; i < 8; i++)
		when[i] = deadline(CLOCK_MONOTONIC, (8 - i) * 60 * MS);
	for(int i = 0; i < 8; i++)
		t[i] = spawn(inorder, &when[i]);
	for(int i = 0; i < 8; i++)
		join(t[i]);
	EQ(norder, 8);
	for(int i = 0; i < 8; i++)
		is &= order[i] == 7 - i;
	return is;
}

int
main(void)
{
	pthread_t t[N];
	struct timespec ts[1];
	int tries = 0;

	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	for(int i = 0; i < N; i++)
		join(t[i]);
	/* On a busy machine, which lets the process wait for longer than lies between two deadlines, both may be over at once. */
	while(!ordered())
		CHECK(++tries < 20);

	ts[0].tv_sec = 0;
	ts[0].tv_nsec = 1000000000;
	EQ(nanosleep(&ts[0], NULL), -1);
	EQ(errno, EINVAL);
	ts[0].tv_nsec = -1;
	EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts[0], NULL), EINVAL);
	ts[0].tv_sec = -1;
	ts[0].tv_nsec = 0;
	EQ(nanosleep(&ts[0], NULL), -1);
	EQ(errno, EINVAL);
	EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts[0], NULL), EINVAL);
	ts[0] = deadline(CLOCK_MONOTONIC, -SEC);
	OK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts[0], NULL));
	puts("ok");
	return 0;
}
