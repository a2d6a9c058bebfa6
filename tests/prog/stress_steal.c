/* SPDX-License-Identifier: MIT */
/* Bursts of work that all start in one place and must spread, run once each, and finish, again and again from idle. */
#include "prog.h"

#define BURST 200

static _Atomic int ran[BURST];
static _Atomic int left;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

static void *
work(void *arg)
{
	intptr_t i = (intptr_t)arg;

	for(volatile int k = 0; k < (i % 10) * 100; k++)
		;
	if(i % 7 == 0)
		sched_yield();
	if(i % 50 == 0)
		usleep(1);
	ran[i]++;
	if(--left == 0) {
		OK(pthread_mutex_lock(&m));
		OK(pthread_cond_signal(&c));
		OK(pthread_mutex_unlock(&m));
	}
	return NULL;
}

/* One of the burst's makers: half of the threads are made by threads. */
static void *
maker(void *arg)
{
	intptr_t from = (intptr_t)arg;
	pthread_t t;

	for(intptr_t i = from; i < from + BURST / 4; i++) {
		t = spawn(work, (void *)i);
		OK(pthread_detach(t));
	}
	return NULL;
}

int
main(void)
{
	int rounds = scale(25);
	pthread_t t[BURST], k[2];

	for(int r = 1; r <= rounds; r++) {
		left = BURST;
		for(intptr_t i = 0; i < 2; i++)
			k[i] = spawn(maker, (void *)(BURST / 2 + i * BURST / 4));
		for(intptr_t i = 0; i < BURST / 2; i++)
			t[i] = spawn(work, (void *)i);
		OK(pthread_mutex_lock(&m));
		while(left > 0)
			OK(pthread_cond_wait(&c, &m));
		OK(pthread_mutex_unlock(&m));
		for(int i = 0; i < BURST / 2; i++)
			join(t[i]);
		join(k[0]);
		join(k[1]);
		for(int i = 0; i < BURST; i++)
			EQ(ran[i], r);
		if(r % 5 == 0)
			msleep(2);	/* everything idle */
	}
	puts("ok");
	return 0;
}
