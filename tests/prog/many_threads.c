/* SPDX-License-Identifier: MIT */
/* timeout: 120 */
/* 10,000 threads parked at once, then all woken by a broadcast, a semaphore, a barrier; each joined with its result. */
#include "prog.h"
#include <semaphore.h>

#define N 10000

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER, all = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static pthread_barrier_t bar;
static int parked, open_;
static _Atomic long sum;

static void *
work(void *arg)
{
	OK(pthread_mutex_lock(&m));
	if(++parked == N)
		OK(pthread_cond_signal(&all));
	while(!open_)
		OK(pthread_cond_wait(&c, &m));
	OK(pthread_mutex_unlock(&m));
	while(sem_wait(&sem) != 0)
		;
	sum += (intptr_t)arg;
	pthread_barrier_wait(&bar);
	return arg;
}

int
main(void)
{
	static pthread_t t[N];
	pthread_attr_t a;
	int rc;

	sem_init(&sem, 0, 0);
	pthread_barrier_init(&bar, NULL, N + 1);
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, 64 << 10));
	for(intptr_t i = 0; i < N; i++) {
		rc = pthread_create(&t[i], &a, work, (void *)i);
		if(rc == EAGAIN)
			SKIP("not so many threads here");
		OK(rc);
	}
	OK(pthread_mutex_lock(&m));
	while(parked < N)
		OK(pthread_cond_wait(&all, &m));
	open_ = 1;
	OK(pthread_cond_broadcast(&c));
	OK(pthread_mutex_unlock(&m));
	for(int i = 0; i < N; i++)
		EQ(sem_post(&sem), 0);
	pthread_barrier_wait(&bar);
	for(intptr_t i = 0; i < N; i++)
		CHECK(join(t[i]) == (void *)i);
	EQ(sum, (long)N * (N - 1) / 2);
	puts("ok");
	return 0;
}
