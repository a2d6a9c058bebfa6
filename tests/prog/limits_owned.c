/* SPDX-License-Identifier: MIT */
/*
 * Threads that have a kernel thread of their own sleep; the user may have no more kernel threads; others block in the kernel, among
 * them one with its own. The process goes on all the same, and what it does then ends their calls.
 */
#include "filelock.h"
#include <sched.h>
#include <semaphore.h>
#include <sys/resource.h>

enum { OWNED = 6, BLOCKED = 16, TURNS = 50 };

static cpu_set_t all;
static sem_t go, end, ping, pong;
static _Atomic int started, blocking, got;

static void
await(sem_t *s)
{
	while(sem_wait(s) != 0)
		;
}

static void *
owned(void *arg)
{
	OK(pthread_setaffinity_np(pthread_self(), sizeof all, &all));
	started++;
	await(&end);
	return arg;
}

static void *
blocks(void *arg)
{
	if(arg == NULL)
		OK(pthread_setaffinity_np(pthread_self(), sizeof all, &all));
	started++;
	await(&go);
	blocking++;
	lockwait();
	got++;
	return arg;
}

static void *
partner(void *arg)
{
	started++;
	for(int i = 0; i < TURNS; i++) {
		await(&ping);
		usleep(100);
		sem_post(&pong);
	}
	return arg;
}

/* Some have been in a call at once before there is a limit: where threads share kernel threads, there are a few then. */
static void *
shares(void *arg)
{
	started++;
	lockwait();
	return arg;
}

static void
before(void)
{
	pthread_t t[4];

	locktake();
	for(int i = 0; i < 4; i++)
		t[i] = spawn(shares, NULL);
	while(started < 4)
		msleep(1);
	msleep(20);
	lockrelease();
	for(int i = 0; i < 4; i++)
		join(t[i]);
	started = 0;
}

int
main(void)
{
	struct rlimit lim = { 1, 1 };
	pthread_t o[OWNED], b[BLOCKED], p;

	lockinit();
	if(getuid() == 0 && setuid(65534) != 0)
		SKIP("cannot leave root, who has no limit");
	EQ(sched_getaffinity(0, sizeof all, &all), 0);
	OK(sem_init(&go, 0, 0));
	OK(sem_init(&end, 0, 0));
	OK(sem_init(&ping, 0, 0));
	OK(sem_init(&pong, 0, 0));
	for(int i = 0; i < OWNED; i++)
		o[i] = spawn(owned, NULL);
	for(intptr_t i = 0; i < BLOCKED; i++)
		b[i] = spawn(blocks, (void *)i);
	p = spawn(partner, NULL);
	while(started < OWNED + BLOCKED + 1)
		msleep(1);
	before();
	locktake();
	EQ(setrlimit(RLIMIT_NPROC, &lim), 0);
	for(int i = 0; i < BLOCKED; i++)
		sem_post(&go);
	for(int i = 0; i < TURNS; i++) {
		msleep(1);
		sem_post(&ping);
		await(&pong);
	}
	CHECK(blocking > 0);
	EQ(got, 0);
	lockrelease();
	for(intptr_t i = 0; i < BLOCKED; i++)
		CHECK(join(b[i]) == (void *)i);
	for(int i = 0; i < OWNED; i++)
		sem_post(&end);
	for(int i = 0; i < OWNED; i++)
		join(o[i]);
	join(p);
	lockend();
	puts("ok");
	return 0;
}
