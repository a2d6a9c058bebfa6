/* SPDX-License-Identifier: MIT */
/* Storms of signals and broadcasts, with timed waiters that come and go: every item is taken once, no waiter is lost. */
#include "prog.h"

#define CONSUMERS 24
#define PRODUCERS 6
#define ROOM 8

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t notempty = PTHREAD_COND_INITIALIZER, notfull = PTHREAD_COND_INITIALIZER;
static long queue[ROOM], in, out;
static int closed, each;
static _Atomic long sum, taken, timeouts;

static void *
producer(void *arg)
{
	uint64_t seed = (intptr_t)arg + 1;

	for(int i = 0; i < each; i++) {
		OK(pthread_mutex_lock(&m));
		while(in - out == ROOM)
			OK(pthread_cond_wait(&notfull, &m));
		queue[in++ % ROOM] = (intptr_t)arg * 100000 + i;
		switch(rnd(&seed) % 4) {
		case 0:
			OK(pthread_cond_broadcast(&notempty));
			OK(pthread_mutex_unlock(&m));
			break;
		case 1:
			OK(pthread_mutex_unlock(&m));
			OK(pthread_cond_signal(&notempty));
			break;
		default:
			OK(pthread_cond_signal(&notempty));
			OK(pthread_mutex_unlock(&m));
			break;
		}
	}
	return NULL;
}

static void *
consumer(void *arg)
{
	uint64_t seed = (intptr_t)arg + 99;
	struct timespec ts;
	int rc;

	OK(pthread_mutex_lock(&m));
	for(;;) {
		while(in == out && !closed) {
			if((intptr_t)arg % 2 == 0) {
				OK(pthread_cond_wait(&notempty, &m));
				continue;
			}
			ts = deadline(CLOCK_MONOTONIC, rnd(&seed) % 200000);
			rc = pthread_cond_clockwait(&notempty, &m, CLOCK_MONOTONIC, &ts);
			CHECK(rc == 0 || rc == ETIMEDOUT);
			/*
			 * A signal may have been spent on a waiter that timed out at the same moment; POSIX
			 * says that it then did not time out. Either way what there is to take is seen here.
			 */
			timeouts += rc == ETIMEDOUT;
		}
		if(in == out)
			break;
		sum += queue[out++ % ROOM];
		taken++;
		OK(pthread_cond_signal(&notfull));
		if(rnd(&seed) % 8 == 0) {
			OK(pthread_mutex_unlock(&m));
			sched_yield();
			OK(pthread_mutex_lock(&m));
		}
	}
	OK(pthread_mutex_unlock(&m));
	return NULL;
}

int
main(void)
{
	pthread_t p[PRODUCERS], c[CONSUMERS];
	long want = 0;

	each = scale(1500);
	for(intptr_t i = 0; i < CONSUMERS; i++)
		c[i] = spawn(consumer, (void *)i);
	for(intptr_t i = 0; i < PRODUCERS; i++)
		p[i] = spawn(producer, (void *)i);
	for(int i = 0; i < PRODUCERS; i++)
		join(p[i]);
	OK(pthread_mutex_lock(&m));
	closed = 1;
	OK(pthread_cond_broadcast(&notempty));
	OK(pthread_mutex_unlock(&m));
	for(int i = 0; i < CONSUMERS; i++)
		join(c[i]);
	for(long i = 0; i < PRODUCERS; i++)
		for(int k = 0; k < each; k++)
			want += i * 100000 + k;
	EQ(taken, (long)PRODUCERS * each);
	EQ(sum, want);
	OK(pthread_cond_destroy(&notempty));
	OK(pthread_cond_destroy(&notfull));
	puts("ok");
	return 0;
}
