/* SPDX-License-Identifier: MIT */
/* timeout: 60 */
/* 3,000 threads in sleeps, timed waits, joins of one another and yields at once; all end, with the right sum. */
#include "prog.h"
#include <poll.h>
#include <semaphore.h>

#define N 3000

static pthread_t t[N];
static sem_t created, never;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

static void *
work(void *arg)
{
	intptr_t i = (intptr_t)arg;
	struct timespec ts;

	switch(i % 6) {
	case 0:			/* ends early; joined by the next */
		usleep(i % 1000);
		return arg;
	case 1:
		while(sem_wait(&created) != 0)
			;
		CHECK(join(t[i - 1]) == (void *)(i - 1));
		break;
	case 2:
		ts = deadline(CLOCK_REALTIME, i % 50 * MS);
		while(sem_timedwait(&never, &ts) != 0 && errno != ETIMEDOUT)
			;
		break;
	case 3:
		ts = deadline(CLOCK_REALTIME, i % 50 * MS);
		OK(pthread_mutex_lock(&m));
		while(pthread_cond_timedwait(&c, &m, &ts) == 0)
			;
		OK(pthread_mutex_unlock(&m));
		break;
	case 4:
		for(int k = 0; k < 20; k++)
			sched_yield();
		break;
	case 5:
		EQ(poll(NULL, 0, i % 40), 0);
		break;
	}
	return arg;
}

int
main(void)
{
	long sum = 0;

	sem_init(&created, 0, 0);
	sem_init(&never, 0, 0);
	for(intptr_t i = 0; i < N; i++) {
		int rc = pthread_create(&t[i], NULL, work, (void *)i);

		if(rc == EAGAIN)
			SKIP("not so many threads here");
		OK(rc);
	}
	for(int i = 0; i < N / 6; i++)
		sem_post(&created);
	for(intptr_t i = 0; i < N; i++)
		if(i % 6 != 0)
			sum += (intptr_t)join(t[i]);
	for(long i = 0; i < N; i++)
		if(i % 6 != 0)
			sum -= i;
	EQ(sum, 0);
	puts("ok");
	return 0;
}
