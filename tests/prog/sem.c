/* SPDX-License-Identifier: MIT */
/* Unnamed semaphores: values, limits, trywait, timed waits on both clocks, ping-pong and a crowd at one gate. */
#include "prog.h"
#include <limits.h>
#include <semaphore.h>

#define N 40

static sem_t s, ping, pong, gate;
static _Atomic int inside, most, passed;

static int
wait_(sem_t *p)
{
	int rc;

	while((rc = sem_wait(p)) != 0 && errno == EINTR)
		;
	return rc;
}

static void *
player(void *arg)
{
	int n = (intptr_t)arg;

	for(int i = 0; i < n; i++) {
		EQ(wait_(&ping), 0);
		EQ(sem_post(&pong), 0);
	}
	return NULL;
}

static void *
crowd(void *arg)
{
	struct timespec ts;

	for(int i = 0; i < 60; i++) {
		if(i % 3 == 0) {
			EQ(wait_(&gate), 0);
		} else if(i % 3 == 1) {
			do
				ts = deadline(CLOCK_REALTIME, 20 * SEC);
			while(sem_timedwait(&gate, &ts) != 0);
		} else {
			while(sem_trywait(&gate) != 0) {
				EQ(errno, EAGAIN);
				sched_yield();
			}
		}
		int now = ++inside;
		CHECK(now <= 5);
		if(now > most)
			most = now;
		if(i % 4 == 0)
			usleep(20);
		else
			sched_yield();
		inside--;
		passed++;
		EQ(sem_post(&gate), 0);
	}
	return arg;
}

static void
timed(clockid_t id)
{
	struct timespec ts;
	int64_t t0;

	for(int us = 1; us < 20000; us *= 4) {
		t0 = clockns(id);
		ts = deadline(id, us * 1000);
		EQ(sem_clockwait(&s, id, &ts), -1);
		EQ(errno, ETIMEDOUT);
		CHECK(clockns(id) - t0 >= us * 1000);
	}
	ts = deadline(id, -SEC);
	EQ(sem_clockwait(&s, id, &ts), -1);
	EQ(errno, ETIMEDOUT);
	ts.tv_nsec = -1;
	EQ(sem_clockwait(&s, id, &ts), -1);
	EQ(errno, EINVAL);
	ts.tv_nsec = 1000000000;
	EQ(sem_clockwait(&s, id, &ts), -1);
	EQ(errno, EINVAL);
	ts = deadline(id, SEC);
	EQ(sem_clockwait(&s, CLOCK_PROCESS_CPUTIME_ID, &ts), -1);
	EQ(errno, EINVAL);
	/* What is there is taken whatever the (past) deadline says. */
	EQ(sem_post(&s), 0);
	ts = deadline(id, -SEC);
	EQ(sem_clockwait(&s, id, &ts), 0);
}

static void *
poster(void *arg)
{
	msleep(20);
	EQ(sem_post(arg), 0);
	return NULL;
}

static void *
basics(void *arg)
{
	struct timespec ts;
	pthread_t t;
	int v;

	EQ(sem_init(&s, 0, (unsigned)SEM_VALUE_MAX + 1), -1);
	EQ(errno, EINVAL);
	EQ(sem_init(&s, 0, SEM_VALUE_MAX), 0);
	EQ(sem_getvalue(&s, &v), 0);
	EQ(v, SEM_VALUE_MAX);
	EQ(sem_post(&s), -1);
	EQ(errno, EOVERFLOW);
	EQ(sem_destroy(&s), 0);
	EQ(sem_init(&s, 0, 3), 0);
	for(int i = 3; i > 0; i--) {
		EQ(sem_getvalue(&s, &v), 0);
		EQ(v, i);
		EQ(i % 2 ? wait_(&s) : sem_trywait(&s), 0);
	}
	EQ(sem_trywait(&s), -1);
	EQ(errno, EAGAIN);
	timed(CLOCK_REALTIME);
	timed(CLOCK_MONOTONIC);
	t = spawn(poster, &s);
	ts = deadline(CLOCK_REALTIME, 20 * SEC);
	EQ(sem_timedwait(&s, &ts), 0);
	join(t);
	EQ(sem_getvalue(&s, &v), 0);
	EQ(v, 0);
	EQ(sem_destroy(&s), 0);
	return arg;
}

int
main(void)
{
	pthread_t t[N];
	int n = scale(4000), v;

	basics(NULL);
	join(spawn(basics, NULL));

	sem_init(&ping, 0, 0);
	sem_init(&pong, 0, 0);
	for(int i = 0; i < 4; i++)
		t[i] = spawn(player, (void *)(intptr_t)(n / 4));
	for(int i = 0; i < n / 4 * 4; i++) {
		EQ(sem_post(&ping), 0);
		EQ(wait_(&pong), 0);
	}
	for(int i = 0; i < 4; i++)
		join(t[i]);

	sem_init(&gate, 0, 5);
	for(int i = 0; i < N; i++)
		t[i] = spawn(crowd, NULL);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(passed, N * 60);
	EQ(inside, 0);
	EQ(sem_getvalue(&gate, &v), 0);
	EQ(v, 5);
	puts("ok");
	return 0;
}
