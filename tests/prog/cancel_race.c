/* SPDX-License-Identifier: MIT */
/* Cancels that race with wakeups, time-outs and ends: the thread is cancelled or finishes, and no post or lock is lost. */
#include "prog.h"
#include <semaphore.h>

#define N 8

static sem_t s;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int flag;

static void *
onsem(void *arg)
{
	while(sem_wait(&s) != 0)
		;
	return arg;
}

static void
unlock(void *arg)
{
	OK(pthread_mutex_unlock(&m));
}

static void *
oncond(void *arg)
{
	struct timespec ts = deadline(CLOCK_REALTIME, 200000);

	OK(pthread_mutex_lock(&m));
	pthread_cleanup_push(unlock, NULL);
	while(!flag)
		pthread_cond_timedwait(&c, &m, &ts);
	pthread_cleanup_pop(1);
	return arg;
}

int
main(void)
{
	int rounds = scale(150), got, cancelled = 0, v;
	pthread_t t[N];
	uint64_t seed = 4;

	sem_init(&s, 0, 0);
	for(int r = 0; r < rounds; r++) {
		for(int i = 0; i < N; i++)
			t[i] = spawn(onsem, &s);
		if(r % 3 == 0)
			sched_yield();
		if(r % 7 == 0)
			usleep(100);
		/* N/2 posts and N/2 cancels in any order; then a post for each that may be left. */
		for(int i = 0; i < N / 2; i++) {
			if(rnd(&seed) % 2) {
				EQ(sem_post(&s), 0);
				OK(pthread_cancel(t[i]));
			} else {
				OK(pthread_cancel(t[i]));
				EQ(sem_post(&s), 0);
			}
		}
		for(int i = N / 2; i < N; i++)
			EQ(sem_post(&s), 0);
		got = 0;
		for(int i = 0; i < N; i++) {
			void *res = join(t[i]);

			CHECK(res == &s || (res == PTHREAD_CANCELED && i < N / 2));
			got += res == &s;
			cancelled += res != &s;
		}
		/* What was posted and not taken is still there. */
		EQ(sem_getvalue(&s, &v), 0);
		EQ(got + v, N);
		while(sem_trywait(&s) == 0)
			;

		flag = 0;
		for(int i = 0; i < N; i++)
			t[i] = spawn(oncond, &c);
		for(int i = 0; i < N; i += 2)
			OK(pthread_cancel(t[i]));
		OK(pthread_mutex_lock(&m));
		flag = 1;
		OK(pthread_cond_broadcast(&c));
		OK(pthread_mutex_unlock(&m));
		for(int i = 0; i < N; i++) {
			void *res = join(t[i]);

			CHECK(res == &c || (res == PTHREAD_CANCELED && i % 2 == 0));
		}
		OK(pthread_mutex_trylock(&m));
		OK(pthread_mutex_unlock(&m));
	}
	CHECK(cancelled > 0);
	puts("ok");
	return 0;
}
