/* SPDX-License-Identifier: MIT */
/*
 * A signal is never spent on a waiter that reports a time-out: per round one waiter without a
 * time-out and several that time out at about the moment of the one signal. If all the timed ones
 * say ETIMEDOUT, the signal must have reached the untimed one.
 */
#include "prog.h"

#define TIMED 4

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t start, end;
static int waiting, signalled, rounds, timedwoken, plainwoken, release;
static struct timespec when;

static void *
timed(void *arg)
{
	for(int r = 0; r < rounds; r++) {
		pthread_barrier_wait(&start);
		OK(pthread_mutex_lock(&m));
		waiting++;
		int rc = pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &when);
		CHECK(rc == 0 || rc == ETIMEDOUT);
		if(rc == 0 && signalled)
			timedwoken++;
		OK(pthread_mutex_unlock(&m));
		pthread_barrier_wait(&end);
	}
	return arg;
}

static void *
plain(void *arg)
{
	for(int r = 0; r < rounds; r++) {
		pthread_barrier_wait(&start);
		OK(pthread_mutex_lock(&m));
		waiting++;
		while(!signalled)
			OK(pthread_cond_wait(&c, &m));
		if(!release)
			plainwoken++;
		OK(pthread_mutex_unlock(&m));
		pthread_barrier_wait(&end);
	}
	return arg;
}

int
main(void)
{
	pthread_t t[TIMED], p;
	uint64_t seed = 5;

	rounds = scale(300);
	pthread_barrier_init(&start, NULL, TIMED + 2);
	pthread_barrier_init(&end, NULL, TIMED + 2);
	for(int i = 0; i < TIMED; i++)
		t[i] = spawn(timed, NULL);
	p = spawn(plain, NULL);
	for(int r = 0; r < rounds; r++) {
		int64_t after = 300000 + rnd(&seed) % 200000;

		waiting = signalled = timedwoken = plainwoken = release = 0;
		when = deadline(CLOCK_MONOTONIC, after);
		pthread_barrier_wait(&start);
		for(;;) {
			OK(pthread_mutex_lock(&m));
			if(waiting == TIMED + 1)
				break;
			OK(pthread_mutex_unlock(&m));
			sched_yield();
		}
		OK(pthread_mutex_unlock(&m));
		while(nowns() < when.tv_sec * SEC + when.tv_nsec - 20000 + (int64_t)(rnd(&seed) % 40000))
			;
		OK(pthread_mutex_lock(&m));
		signalled = 1;
		OK(pthread_cond_signal(&c));
		OK(pthread_mutex_unlock(&m));
		/* The timed ones return in any case; then the one signal must show somewhere. */
		for(int64_t t0 = nowns();;) {
			OK(pthread_mutex_lock(&m));
			int seen = timedwoken + plainwoken;
			OK(pthread_mutex_unlock(&m));
			if(seen > 0)
				break;
			CHECK(nowns() - t0 < 20 * SEC);
			sched_yield();
		}
		OK(pthread_mutex_lock(&m));
		release = 1;
		OK(pthread_cond_broadcast(&c));
		OK(pthread_mutex_unlock(&m));
		pthread_barrier_wait(&end);
	}
	for(int i = 0; i < TIMED; i++)
		join(t[i]);
	join(p);
	puts("ok");
	return 0;
}
