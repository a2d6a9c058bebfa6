/* SPDX-License-Identifier: MIT */
/*
 * A second thread for every process: preloaded, it makes one before main, and in the child of each fork. It is detached, has all
 * signals blocked and waits for ever. So a program that makes no thread of its own, for which heddle would only pass calls on,
 * runs on the whole runtime. Natively a few programs notice the thread (those that count them, or call what
 * a process of several threads may not); everything else has to work as before.
 *
 * Where the thread cannot be made the program goes on without: tests that allow themselves no memory or threads get their way.
 */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

enum { STACK = 128 << 10 };

static void *
parked(void *arg)
{
	pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

	pthread_mutex_lock(&never);
	for(;;)
		pthread_cond_wait(&cond, &never);
	return arg;
}

static void
start(void)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t th;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_create(&th, &attr, parked, NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

__attribute__((constructor)) static void
init(void)
{
	start();
	pthread_atfork(NULL, NULL, start);
}
