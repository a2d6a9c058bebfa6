/* SPDX-License-Identifier: MIT */
/*
 * Many threads have had a kernel thread of their own, given by another or by themselves, and have ended, or given it back. Then a
 * few block in calls: they need a kernel thread each, and no more.
 */
#include "filelock.h"
#include "kthreads.h"
#include "shared.h"
#include <sched.h>
#include <semaphore.h>

enum { CHANGED = 90, BLOCKED = 8, MORE = 24 };

static sem_t go;
static cpu_set_t all;
static _Atomic int started, got;

static void *
waits(void *arg)
{
	while(sem_wait(&go) != 0)
		;
	return arg;
}

static void *
changes(void *arg)
{
	OK(pthread_setaffinity_np(pthread_self(), sizeof all, &all));
	return arg;
}

/* A lock that other processes know the owner of: the kernel thread is the owner's until it is given back. */
static pthread_mutex_t shared;

static void *
locks(void *arg)
{
	OK(pthread_mutex_lock(&shared));
	sched_yield();
	OK(pthread_mutex_unlock(&shared));
	return arg;
}

static void
change(int i)
{
	pthread_t t = spawn(i % 3 == 0 ? waits : i % 3 == 1 ? changes : locks, NULL);

	if(i % 3 == 0) {
		if(i % 2)
			EQ(pthread_setschedparam(t, 77, &(struct sched_param){ 0 }), EINVAL);
		OK(pthread_setaffinity_np(t, sizeof all, &all));
		sem_post(&go);
	}
	join(t);
}

static void *
blocks(void *arg)
{
	started++;
	lockwait();
	got++;
	return arg;
}

int
main(void)
{
	pthread_t t[BLOCKED];
	int most = 0;

	lockinit();
	locktake();
	EQ(sched_getaffinity(0, sizeof all, &all), 0);
	OK(sem_init(&go, 0, 0));
	sharedrobust(&shared);
	for(int i = 0; i < CHANGED; i++)
		change(i);
	for(int i = 0; i < 2000 && kthreads() > MORE; i++)
		msleep(10); /* those that end take their time */
	for(intptr_t i = 0; i < BLOCKED; i++)
		t[i] = spawn(blocks, (void *)i);
	while(started < BLOCKED)
		msleep(1);
	for(int i = 0; i < 100; i++) {
		msleep(2);
		if(kthreads() > most)
			most = kthreads();
	}
	EQ(got, 0);
	if(most > BLOCKED + MORE)
		fprintf(stderr, "%d kernel threads\n", most);
	CHECK(most <= BLOCKED + MORE);
	lockrelease();
	for(intptr_t i = 0; i < BLOCKED; i++)
		CHECK(join(t[i]) == (void *)i);
	lockend();
	puts("ok");
	return 0;
}
