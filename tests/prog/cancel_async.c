/* SPDX-License-Identifier: MIT */
/* Asynchronous cancellation of threads that wait where deferred cancellation does not reach: for a mutex, a rwlock, a barrier, a
 * pthread_once; and in condition variables, which give the mutex back first. Of what they waited for others go on to use what can be used. */
#include "prog.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, cm = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t bar;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic int begun, cleaned, oncego;

static void
clean(void *arg UNUSED)
{
	cleaned++;
}

static void
unlock(void *arg UNUSED)
{
	EQ(pthread_mutex_trylock(&cm), EBUSY);
	OK(pthread_mutex_unlock(&cm));
}

#define WAITER(name, call)                                                   \
	static void *name(void *arg)                                         \
	{                                                                    \
		pthread_cleanup_push(clean, NULL);                           \
		OK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL)); \
		begun++;                                                     \
		call;                                                        \
		CHECK(!"cancelled");                                         \
		pthread_cleanup_pop(0);                                      \
		return arg;                                                  \
	}

static void
slow(void)
{
	while(!oncego)
		usleep(1000);
}

static void *
first(void *arg)
{
	begun++;
	OK(pthread_once(&once, slow));
	return arg;
}

WAITER(inmutex, pthread_mutex_lock(&m))
WAITER(inrecursive, pthread_mutex_lock(&recursive))
WAITER(inread, pthread_rwlock_rdlock(&rw))
WAITER(inbarrier, pthread_barrier_wait(&bar))
WAITER(inonce, pthread_once(&once, slow))

static void *
incond(void *arg)
{
	OK(pthread_mutex_lock(&cm));
	pthread_cleanup_push(clean, NULL);
	pthread_cleanup_push(unlock, NULL);
	OK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL));
	begun++;
	for(;;)
		pthread_cond_wait(&c, &cm);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return arg;
}

int
main(void)
{
	void *(*fns[])(void *) = { inmutex, inrecursive, inread, inbarrier, inonce, incond };
	enum { K = sizeof fns / sizeof fns[0] };
	pthread_t t[K], u;
	int rounds = 10;

	OK(pthread_barrier_init(&bar, NULL, 2));
	OK(pthread_mutex_lock(&m));
	OK(pthread_mutex_lock(&recursive));
	OK(pthread_rwlock_wrlock(&rw));
	u = spawn(first, NULL);
	while(begun < 1)
		sched_yield();
	msleep(5);	/* it runs slow() */
	for(int r = 0; r < rounds; r++){
		begun = cleaned = 0;
		for(int i = 0; i < K; i++)
			t[i] = spawn(fns[i], NULL);
		while(begun < K)
			sched_yield();
		msleep(5);
		OK(pthread_mutex_lock(&cm));	/* the cancelled waiter has to wait for it */
		for(int i = 0; i < K; i++)
			OK(pthread_cancel(t[i]));
		msleep(1);
		OK(pthread_mutex_unlock(&cm));
		for(int i = 0; i < K; i++)
			CHECK(join(t[i]) == PTHREAD_CANCELED);
		EQ(cleaned, K);
		/* glibc's is of no use any more */
		OK(pthread_barrier_init(&bar, NULL, 2));
	}
	OK(pthread_mutex_unlock(&m));
	OK(pthread_mutex_unlock(&recursive));
	OK(pthread_mutex_lock(&m));
	OK(pthread_mutex_lock(&recursive));
	OK(pthread_mutex_trylock(&cm));
	oncego = 1;
	CHECK(join(u) == NULL);
	puts("ok");
	return 0;
}
