/* SPDX-License-Identifier: MIT */
/* build: -lrt */
/*
 * One arena for everybody: threads, the threads that libc makes for timers, children of fork; with signals in between. The lock inside
 * malloc is waited for by all kinds of threads, and nobody waits for ever.
 */
#include "io_util.h"
#include <malloc.h>

enum { N = 12 };

static atomic_int timers, signals;

static void
churn(uint64_t seed, int loops)
{
	void *p[40] = { 0 };

	for(int i = 0; i < loops; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		int k = (int)(seed >> 33) % 40;

		free(p[k]);
		p[k] = malloc(1100 + (seed >> 40) % 3000); /* beyond tcache's and fastbins' sizes */
		CHECK(p[k]);
		memset(p[k], i, 1100);
	}
	for(int k = 0; k < 40; k++)
		free(p[k]);
}

static void *
work(void *arg)
{
	churn((intptr_t)arg + 9, scale(3000));
	return NULL;
}

/* On a kernel thread of libc's own. */
static void
expired(union sigval v)
{
	churn(77, 200);
	timers++;
}

static void
handler(int sig)
{
	signals++;
}

static void *
forker(void *arg)
{
	int st;

	for(int k = 0; k < scale(8); k++) {
		pid_t pid = OK(fork());
		if(pid == 0) {
			/* the child has one thread, then several */
			alarm(20);
			churn(k, 300);
			joinall(spawnall(3, work), 3);
			fprintf(stderr, "%s", "");
			exit(0);
		}
		EQ(OK(waitpid(pid, &st, 0)), pid);
		EQ(st, 0);
	}
	return NULL;
}

int
main(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = expired };
	struct itimerspec it = { { 0, 3 * MS }, { 0, 3 * MS } };
	timer_t tm;

	EQ(mallopt(M_ARENA_MAX, 1), 1);
	signal(SIGUSR1, handler);
	joinall(spawnall(N, work), N);
	pass("threads");
	OK(timer_create(CLOCK_MONOTONIC, &ev, &tm));
	OK(timer_settime(tm, 0, &it, NULL));
	joinall(spawnall(N, work), N);
	while(timers == 0)
		usleep(1000);
	pass("and libc's threads");
	pthread_t *f = spawnall(2, forker);
	joinall(spawnall(N, work), N);
	joinall(f, 2);
	pass("and forks");
	OK(timer_delete(tm));
	pthread_t *t = spawnall(N, work);
	for(int k = 0; k < 50; k++) {
		for(int i = 0; i < N; i++)
			pthread_kill(t[i], SIGUSR1);
		usleep(500);
	}
	joinall(t, N);
	CHECK(signals > 0);
	pass("and signals");
	return 0;
}
