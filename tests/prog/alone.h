/* SPDX-License-Identifier: MIT */
/* Waiting until main's kernel thread is the only one, as it is natively soon after the last join. */
#ifndef ALONE_H
#define ALONE_H

#include "kthreads.h"
#include <sched.h>

static void *
nothing(void *arg)
{
	return arg;
}

static void *
naps(void *arg)
{
	usleep(100);
	return arg;
}

static void
someend(int n, void *(*fn)(void *))
{
	pthread_t th[16];

	for(int i = 0; i < n; i++)
		OK(pthread_create(&th[i], NULL, fn, NULL));
	for(int i = 0; i < n; i++)
		OK(pthread_join(th[i], NULL));
}

/* As libc's own tests do it. */
static void
waitalone(void)
{
	while(kthreads() != 1)
		usleep(5000);
}

/* The kernel says so; it changes nothing. Natively a thread that has been joined may yet be there for a moment. */
static void
askalone(void)
{
	while(unshare(CLONE_THREAD) != 0) {
		EQ(errno, EINVAL);
		usleep(50);
	}
	EQ(kthreads(), 1);
}

#endif
