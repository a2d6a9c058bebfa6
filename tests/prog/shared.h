/* SPDX-License-Identifier: MIT */
/* For programs that fork: memory, and process-shared objects in it. */
#ifndef SHARED_H
#define SHARED_H

#include "prog.h"
#include <sys/mman.h>
#include <sys/wait.h>

/* size bytes that this process shares with those that it forks. */
UNUSED static void *
sharedmem(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* The attributes of mutexes, for whoever wants more than that. */
UNUSED static pthread_mutexattr_t
sharedattr(void)
{
	pthread_mutexattr_t a;
	int got;

	OK(pthread_mutexattr_init(&a));
	OK(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	OK(pthread_mutexattr_getpshared(&a, &got));
	EQ(got, PTHREAD_PROCESS_SHARED);
	return a;
}

UNUSED static void
sharedmutex(pthread_mutex_t *m)
{
	pthread_mutexattr_t a = sharedattr();

	OK(pthread_mutex_init(m, &a));
}

UNUSED static void
sharedrobust(pthread_mutex_t *m)
{
	pthread_mutexattr_t a = sharedattr();

	OK(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
	OK(pthread_mutex_init(m, &a));
}

UNUSED static void
sharedcond(pthread_cond_t *c)
{
	pthread_condattr_t a;

	OK(pthread_condattr_init(&a));
	OK(pthread_condattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	OK(pthread_cond_init(c, &a));
}

UNUSED static void
sharedrwlock(pthread_rwlock_t *rw)
{
	pthread_rwlockattr_t a;

	OK(pthread_rwlockattr_init(&a));
	OK(pthread_rwlockattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	OK(pthread_rwlock_init(rw, &a));
}

UNUSED static void
sharedbarrier(pthread_barrier_t *b, unsigned n)
{
	pthread_barrierattr_t a;

	OK(pthread_barrierattr_init(&a));
	OK(pthread_barrierattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	OK(pthread_barrier_init(b, &a, n));
}

#endif
