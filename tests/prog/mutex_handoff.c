/* SPDX-License-Identifier: MIT */
/* No waiter of a mutex is lost: a convoy in which each holder sleeps, yields, blocks or computes while others queue. */
#include "prog.h"

#define THREADS 60

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static long total;

static void *
work(void *arg)
{
	int loops = scale(12);

	for(int i = 0; i < loops; i++) {
		OK(pthread_mutex_lock(&m));
		long before = total;
		switch((i + (intptr_t)arg) % 4) {
		case 0: usleep(10); break;
		case 1: sched_yield(); break;
		case 2: for(volatile int k = 0; k < 3000; k++) ; break;
		case 3: close(dup(2)); break;
		}
		EQ(total, before);
		total = before + 1;
		OK(pthread_mutex_unlock(&m));
	}
	return NULL;
}

int
main(void)
{
	pthread_t t[THREADS];

	for(intptr_t i = 0; i < THREADS; i++)
		t[i] = spawn(work, (void *)i);
	for(int i = 0; i < THREADS; i++)
		join(t[i]);
	EQ(total, (long)THREADS * scale(12));
	puts("ok");
	return 0;
}
