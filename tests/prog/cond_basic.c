/* SPDX-License-Identifier: MIT */
/* Condition variables: signal wakes one, broadcast all, the mutex is held on return, relays in order. */
#include "prog.h"

#define N 30

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER, back = PTHREAD_COND_INITIALIZER;
static int waiting, tickets, woken, inside;

static void *
taker(void *arg)
{
	OK(pthread_mutex_lock(&m));
	waiting++;
	OK(pthread_cond_signal(&back));
	while(tickets == 0)
		OK(pthread_cond_wait(&c, &m));
	EQ(inside++, 0);
	EQ(pthread_mutex_trylock(&m), EBUSY);
	tickets--;
	woken++;
	sched_yield();
	EQ(--inside, 0);
	OK(pthread_cond_signal(&back));
	OK(pthread_mutex_unlock(&m));
	return arg;
}

static pthread_cond_t turnc[N];
static int turn;

static void *
relay(void *arg)
{
	int me = (intptr_t)arg;

	for(int lap = 0; lap < 20; lap++) {
		OK(pthread_mutex_lock(&m));
		while(turn != lap * N + me)
			OK(pthread_cond_wait(&turnc[me], &m));
		turn++;
		OK(pthread_cond_signal(&turnc[(me + 1) % N]));
		OK(pthread_mutex_unlock(&m));
	}
	return NULL;
}

static void *
deepwait(void *rec)
{
	for(int i = 0; i < 3; i++)
		OK(pthread_mutex_lock(rec));
	OK(pthread_mutex_lock(&m));
	turn = -1;
	OK(pthread_cond_signal(&back));
	OK(pthread_mutex_unlock(&m));
	OK(pthread_cond_wait(&c, rec));
	for(int i = 0; i < 3; i++)
		OK(pthread_mutex_unlock(rec));
	EQ(pthread_mutex_unlock(rec), EPERM);
	return NULL;
}

int
main(void)
{
	pthread_t t[N];
	pthread_mutex_t rec = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
	struct timespec ts;

	for(int i = 0; i < N; i++)
		t[i] = spawn(taker, NULL);
	OK(pthread_mutex_lock(&m));
	while(waiting < N)
		OK(pthread_cond_wait(&back, &m));
	EQ(woken, 0);
	/* One ticket and one signal at a time. */
	for(int i = 1; i <= N / 2; i++) {
		tickets = 1;
		OK(pthread_cond_signal(&c));
		while(woken < i)
			OK(pthread_cond_wait(&back, &m));
		EQ(woken, i);
		EQ(tickets, 0);
	}
	/* The rest at once; signalled without the mutex. */
	tickets = N - N / 2;
	OK(pthread_mutex_unlock(&m));
	OK(pthread_cond_broadcast(&c));
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(woken, N);
	EQ(tickets, 0);

	/* With nobody waiting they are forgotten. */
	OK(pthread_cond_signal(&c));
	OK(pthread_cond_broadcast(&c));
	OK(pthread_mutex_lock(&m));
	ts = deadline(CLOCK_REALTIME, 20 * MS);
	EQ(pthread_cond_timedwait(&c, &m, &ts), ETIMEDOUT);
	OK(pthread_mutex_unlock(&m));

	for(int i = 0; i < N; i++)
		OK(pthread_cond_init(&turnc[i], NULL));
	for(intptr_t i = N - 1; i >= 0; i--)
		t[i] = spawn(relay, (void *)i);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(turn, 20 * N);
	for(int i = 0; i < N; i++)
		OK(pthread_cond_destroy(&turnc[i]));

	/* A wait with a recursive mutex held once. */
	OK(pthread_mutex_lock(&rec));
	ts = deadline(CLOCK_REALTIME, 5 * MS);
	EQ(pthread_cond_timedwait(&c, &rec, &ts), ETIMEDOUT);
	OK(pthread_mutex_lock(&rec));
	OK(pthread_mutex_unlock(&rec));
	OK(pthread_mutex_unlock(&rec));
	EQ(pthread_mutex_unlock(&rec), EPERM);

	/* With one held several times only one is given back: it stays locked, and a signal still ends the wait. */
	t[0] = spawn(deepwait, &rec);
	OK(pthread_mutex_lock(&m));
	while(turn != -1)
		OK(pthread_cond_wait(&back, &m));
	OK(pthread_mutex_unlock(&m));
	msleep(20);
	EQ(pthread_mutex_trylock(&rec), EBUSY);
	OK(pthread_cond_signal(&c));
	join(t[0]);
	OK(pthread_mutex_trylock(&rec));
	OK(pthread_cond_destroy(&c));
	puts("ok");
	return 0;
}
