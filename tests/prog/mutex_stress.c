/* SPDX-License-Identifier: MIT */
/* Mutual exclusion: many threads, every kind of mutex, every way to lock; the counters must come out right. */
#include "prog.h"

#define THREADS 24

static struct {
	pthread_mutex_t m;
	int inside;
	long count;
} box[4];
static int loops;

static int
lockone(pthread_mutex_t *m, int how)
{
	struct timespec ts;

	switch(how % 4) {
	case 0:
		return pthread_mutex_lock(m);
	case 1:
		while(pthread_mutex_trylock(m) == EBUSY)
			sched_yield();
		return 0;
	case 2:
		ts = deadline(CLOCK_REALTIME, 20 * SEC);
		return pthread_mutex_timedlock(m, &ts);
	default:
		ts = deadline(CLOCK_MONOTONIC, 20 * SEC);
		return pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &ts);
	}
}

static void *
work(void *arg)
{
	uint64_t seed = (intptr_t)arg * 7919 + 1;

	for(int i = 0; i < loops; i++) {
		int k = rnd(&seed) % 4;

		OK(lockone(&box[k].m, rnd(&seed) % 4));
		EQ(box[k].inside++, 0);
		box[k].count++;
		if(i % 16 == 0)
			sched_yield();
		if(i % 256 == 0)
			usleep(50);
		EQ(--box[k].inside, 0);
		OK(pthread_mutex_unlock(&box[k].m));
	}
	return NULL;
}

int
main(void)
{
	static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
	    PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP };
	pthread_t t[THREADS];
	long sum = 0;

	loops = scale(1500);
	for(int k = 0; k < 4; k++) {
		pthread_mutexattr_t a;

		OK(pthread_mutexattr_init(&a));
		OK(pthread_mutexattr_settype(&a, types[k]));
		OK(pthread_mutex_init(&box[k].m, &a));
	}
	for(intptr_t i = 0; i < THREADS; i++)
		t[i] = spawn(work, (void *)i);
	for(int i = 0; i < THREADS; i++)
		join(t[i]);
	for(int k = 0; k < 4; k++) {
		sum += box[k].count;
		OK(pthread_mutex_destroy(&box[k].m));
	}
	EQ(sum, (long)THREADS * loops);
	puts("ok");
	return 0;
}
