/* SPDX-License-Identifier: MIT */
/* Robust mutexes: EOWNERDEAD after the owner ended, made consistent or not recoverable; and priority inheritance ones. */
#include "prog.h"

static pthread_mutex_t m;

static void *
die(void *arg)
{
	OK(pthread_mutex_lock(&m));
	return arg;
}

static void *
waitdead(void *arg)
{
	int rc = pthread_mutex_lock(&m);

	if(rc == EOWNERDEAD) {
		OK(pthread_mutex_consistent(&m));
		OK(pthread_mutex_unlock(&m));
	} else if(rc == 0)
		OK(pthread_mutex_unlock(&m));
	return (void *)(intptr_t)(arg != NULL ? rc : -1);
}

static void
make(int robust, int proto, int type)
{
	pthread_mutexattr_t a;
	int got;

	OK(pthread_mutexattr_init(&a));
	OK(pthread_mutexattr_setrobust(&a, robust));
	OK(pthread_mutexattr_getrobust(&a, &got));
	EQ(got, robust);
	OK(pthread_mutexattr_setprotocol(&a, proto));
	OK(pthread_mutexattr_settype(&a, type));
	OK(pthread_mutex_init(&m, &a));
	OK(pthread_mutexattr_destroy(&a));
}

static pthread_barrier_t bar;

static void *
diewaited(void *arg)
{
	OK(pthread_mutex_lock(&m));
	pthread_barrier_wait(&bar);
	msleep(30);		/* the others are waiting by now */
	return arg;
}

static long count;

static void *
add(void *arg)
{
	for(int i = 0; i < 300; i++) {
		OK(pthread_mutex_lock(&m));
		long was = count;
		if(i % 20 == 0)
			sched_yield();
		count = was + 1;
		OK(pthread_mutex_unlock(&m));
	}
	return arg;
}

static void
contend(void)
{
	pthread_t t[8];

	count = 0;
	for(int i = 0; i < 8; i++)
		t[i] = spawn(add, NULL);
	for(int i = 0; i < 8; i++)
		join(t[i]);
	EQ(count, 8 * 300);
}

int
main(void)
{
	pthread_t t[5], d;
	int dead;

	for(int proto = 0; proto < 2; proto++) {
		int p = proto ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE;

		make(PTHREAD_MUTEX_ROBUST, p, PTHREAD_MUTEX_NORMAL);
		for(int k = 0; k < 3; k++) {
			join(spawn(die, NULL));
			EQ(k % 2 ? pthread_mutex_trylock(&m) : pthread_mutex_lock(&m), EOWNERDEAD);
			OK(pthread_mutex_consistent(&m));
			OK(pthread_mutex_unlock(&m));
			OK(pthread_mutex_lock(&m));
			OK(pthread_mutex_unlock(&m));
		}
		contend();

		/* Waiters are told when the owner dies: one gets EOWNERDEAD, the others the lock. */
		OK(pthread_barrier_init(&bar, NULL, 2));
		d = spawn(diewaited, NULL);
		pthread_barrier_wait(&bar);
		for(int i = 0; i < 5; i++)
			t[i] = spawn(waitdead, &m);
		dead = 0;
		for(int i = 0; i < 5; i++) {
			int rc = (intptr_t)join(t[i]);

			CHECK(rc == 0 || rc == EOWNERDEAD);
			dead += rc == EOWNERDEAD;
		}
		EQ(dead, 1);
		join(d);
		OK(pthread_barrier_destroy(&bar));

		/* Not made consistent: lost for good. */
		join(spawn(die, NULL));
		EQ(pthread_mutex_lock(&m), EOWNERDEAD);
		OK(pthread_mutex_unlock(&m));
		EQ(pthread_mutex_lock(&m), ENOTRECOVERABLE);
		EQ(pthread_mutex_trylock(&m), ENOTRECOVERABLE);
		OK(pthread_mutex_destroy(&m));

		make(PTHREAD_MUTEX_STALLED, p, PTHREAD_MUTEX_ERRORCHECK);
		OK(pthread_mutex_lock(&m));
		EQ(pthread_mutex_lock(&m), EDEADLK);
		OK(pthread_mutex_unlock(&m));
		EQ(pthread_mutex_unlock(&m), EPERM);
		contend();
		OK(pthread_mutex_destroy(&m));

		make(PTHREAD_MUTEX_ROBUST, p, PTHREAD_MUTEX_RECURSIVE);
		OK(pthread_mutex_lock(&m));
		OK(pthread_mutex_lock(&m));
		OK(pthread_mutex_unlock(&m));
		OK(pthread_mutex_unlock(&m));
		EQ(pthread_mutex_unlock(&m), EPERM);
		OK(pthread_mutex_destroy(&m));
	}
	puts("ok");
	return 0;
}
