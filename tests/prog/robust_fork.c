/* SPDX-License-Identifier: MIT */
/*
 * A process dies with a shared robust mutex, and the next owner is told, when the mutex was locked before the process had threads,
 * when one was held at the fork that made the process, and when others have been unlocked since. It has threads by then, and
 * the one that holds the mutex has waited a while.
 */
#include "shared.h"

enum { N = 3, THREADS = 4 };

static pthread_mutex_t *m; /* shared */

static void *
run(void *arg)
{
	for(int i = 0; i < 20; i++){
		usleep(100);
		sched_yield();
	}
	return arg;
}

static void
threads(void)
{
	pthread_t t[THREADS];

	for(int i = 0; i < THREADS; i++)
		t[i] = spawn(run, NULL);
	run(NULL);
	for(int i = 0; i < THREADS; i++)
		join(t[i]);
}

static pthread_t first;

static void *
lastone(void *arg)
{
	join(first);
	_exit(0);
	return arg;
}

/* Each child dies with m[0] locked and no other. */
static void
early(void)
{
	OK(pthread_mutex_lock(&m[0]));
	threads();
}

static void
late(void)
{
	threads();
	OK(pthread_mutex_lock(&m[0]));
	run(NULL);
}

static void
unlocks(void)
{
	OK(pthread_mutex_lock(&m[1]));
	OK(pthread_mutex_lock(&m[0]));
	OK(pthread_mutex_lock(&m[2]));
	threads();
	OK(pthread_mutex_unlock(&m[2]));
	run(NULL);
	OK(pthread_mutex_lock(&m[2]));
	OK(pthread_mutex_unlock(&m[1]));
	run(NULL);
	OK(pthread_mutex_unlock(&m[2]));
	run(NULL);
}

/* As a thread only: the process goes on a little longer. */
static void
exits(void)
{
	early();
	first = pthread_self();
	spawn(lastone, NULL);
	pthread_exit(NULL);
}

static void
child(void (*fn)(void))
{
	pid_t pid = fork();
	int st;

	CHECK(pid >= 0);
	if(pid == 0){
		fn();
		_exit(0);
	}
	EQ(waitpid(pid, &st, 0), pid);
	EQ(st, 0);
	EQ(pthread_mutex_trylock(&m[0]), EOWNERDEAD);
	OK(pthread_mutex_consistent(&m[0]));
	for(int i = 0; i < N; i++){
		if(i > 0)
			OK(pthread_mutex_trylock(&m[i]));
		OK(pthread_mutex_unlock(&m[i]));
	}
}

static void
all(void)
{
	child(early);
	child(late);
	child(unlocks);
	child(exits);
}

/* What the parent has locked is not the child's, which may not even have its memory any more. */
static void
unmapped(void)
{
	pthread_mutex_t *parents, childs;
	pthread_mutexattr_t attr;
	pid_t pid;
	int st;

	parents = sharedmem(sizeof *parents);
	OK(pthread_mutexattr_init(&attr));
	OK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
	OK(pthread_mutex_init(parents, &attr));
	OK(pthread_mutex_init(&childs, &attr));
	OK(pthread_mutex_lock(parents));
	pid = fork();
	CHECK(pid >= 0);
	if(pid == 0){
		OK(munmap(parents, sizeof *parents));
		threads();
		OK(pthread_mutex_lock(&childs));
		OK(pthread_mutex_unlock(&childs));
		_exit(0);
	}
	EQ(waitpid(pid, &st, 0), pid);
	EQ(st, 0);
	OK(pthread_mutex_unlock(parents));
	OK(munmap(parents, sizeof *parents));
}

int
main(void)
{
	m = sharedmem(N * sizeof *m);
	for(int i = 0; i < N; i++)
		sharedrobust(&m[i]);
	all();
	unmapped();
	/* the parent has one: its child does not, and is as free */
	for(int i = 0; i < 2; i++){
		pthread_mutex_t other;

		sharedrobust(&other);
		OK(pthread_mutex_lock(&other));
		all();
		threads();
		all();
		unmapped();
		OK(pthread_mutex_unlock(&other));
		OK(pthread_mutex_destroy(&other));
	}
	puts("ok");
	return 0;
}
