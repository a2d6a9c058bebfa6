/* SPDX-License-Identifier: MIT */
/* The signal mask of a new thread: inherited, from its attributes, from the default ones. And kill() with a thread's tid. */
#include "prog.h"
#include <signal.h>
#include <threads.h>

static _Atomic int handled;

static int
blocked(void *arg UNUSED)
{
	sigset_t s;

	OK(pthread_sigmask(SIG_BLOCK, NULL, &s));
	return sigismember(&s, SIGUSR1) + 2 * sigismember(&s, SIGUSR2);
}

static void *
pblocked(void *arg)
{
	return (void *)(intptr_t)blocked(arg);
}

static int
posix(const pthread_attr_t *attr)
{
	pthread_t t;

	OK(pthread_create(&t, attr, pblocked, NULL));
	return (int)(intptr_t)join(t);
}

static int
c11(void)
{
	thrd_t t;
	int r;

	EQ(thrd_create(&t, blocked, NULL), thrd_success);
	EQ(thrd_join(t, &r), thrd_success);
	return r;
}

static void
handler(int sig UNUSED)
{
	handled++;
}

static void *
killed(void *arg UNUSED)
{
	EQ(kill(gettid(), 0), 0);
	EQ(kill(gettid(), SIGUSR2), 0);
	while(!handled)
		sched_yield();
	return NULL;
}

int
main(void)
{
	pthread_attr_t attr, plain;
	sigset_t one, two;

	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	sigemptyset(&two);
	sigaddset(&two, SIGUSR2);
	OK(pthread_attr_init(&plain));
	OK(pthread_attr_init(&attr));
	EQ(posix(NULL), 0);
	OK(pthread_sigmask(SIG_SETMASK, &one, NULL));
	EQ(posix(NULL), 1);
	EQ(posix(&attr), 1);
	EQ(c11(), 1);
	OK(pthread_attr_setsigmask_np(&attr, &two));
	EQ(posix(&attr), 2);
	EQ(posix(NULL), 1);
	OK(pthread_setattr_default_np(&attr));
	EQ(posix(NULL), 2);
	EQ(c11(), 2);
	EQ(posix(&plain), 1);
	OK(pthread_setattr_default_np(&plain));
	EQ(posix(NULL), 1);
	EQ(c11(), 1);

	signal(SIGUSR2, handler);
	join(spawn(killed, NULL));
	puts("ok");
	return 0;
}
