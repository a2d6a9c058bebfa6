/* SPDX-License-Identifier: MIT */
/* timeout: 60 */
/* A ring of 1,000 threads: tokens go round by semaphores, each thread adds its number. */
#include "prog.h"
#include <semaphore.h>

#define N 1000
#define TOKENS 4

static struct {
	sem_t full, empty;
	long token;
} slot[N];
static int laps;

static void *
work(void *arg)
{
	intptr_t i = (intptr_t)arg;

	for(int k = 0; k < laps * TOKENS; k++) {
		while(sem_wait(&slot[i].full) != 0)
			;
		long v = slot[i].token;
		sem_post(&slot[i].empty);
		int next = (i + 1) % N;
		while(sem_wait(&slot[next].empty) != 0)
			;
		slot[next].token = v + i;
		sem_post(&slot[next].full);
	}
	return NULL;
}

int
main(void)
{
	static pthread_t t[N];
	pthread_attr_t a;
	long want;

	laps = scale(3);
	want = (long)laps * N * (N - 1) / 2;
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, 64 << 10));
	for(int i = 0; i < N; i++) {
		sem_init(&slot[i].full, 0, 0);
		sem_init(&slot[i].empty, 0, 1);
	}
	/* The tokens enter at different places, before they move: one that came late could find another in front of it. */
	for(int k = 0; k < TOKENS; k++) {
		int at = k * (N / TOKENS);
		while(sem_wait(&slot[at].empty) != 0)
			;
		slot[at].token = k * 1000000000L;
		sem_post(&slot[at].full);
	}
	for(intptr_t i = 0; i < N; i++)
		OK(pthread_create(&t[i], &a, work, (void *)i));
	for(int i = 0; i < N; i++)
		join(t[i]);
	/* Each came back to its place with every thread's number added per lap. */
	for(int k = 0; k < TOKENS; k++)
		EQ(slot[k * (N / TOKENS)].token, k * 1000000000L + want);
	puts("ok");
	return 0;
}
