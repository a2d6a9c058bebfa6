/* SPDX-License-Identifier: MIT */
/* status: 37 */
/* exit() from a thread that is not main, while others are in all kinds of states. */
#include "prog.h"
#include <poll.h>
#include <semaphore.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t bar;
static sem_t sem;
static pthread_t mainid;
static _Atomic int started;
static int fds[2];

static void
bye1(void)
{
	puts("first registered, last run");
}

static void
bye2(void)
{
	puts("last registered, first run");
}

static void *
inmutex(void *a)
{
	started++;
	pthread_mutex_lock(&held);
	return a;
}

static void *
incond(void *a)
{
	pthread_mutex_lock(&m);
	started++;
	for(;;)
		pthread_cond_wait(&c, &m);
	return a;
}

static void *
inrw(void *a)
{
	started++;
	pthread_rwlock_rdlock(&rw);
	return a;
}

static void *
insem(void *a)
{
	started++;
	while(sem_wait(&sem) != 0)
		;
	return a;
}

static void *
inbarrier(void *a)
{
	started++;
	pthread_barrier_wait(&bar);
	return a;
}

static void *
insleep(void *a)
{
	started++;
	sleep(1000);
	return a;
}

static void *
inread(void *a)
{
	char x;

	started++;
	EQ(read(fds[0], &x, 1), 1);
	return a;
}

static void *
inpoll(void *a)
{
	started++;
	poll(NULL, 0, -1);
	return a;
}

static void *
inloop(void *a)
{
	started++;
	for(volatile long i = 0;; i++)
		;
	return a;
}

static void *
inyield(void *a)
{
	started++;
	for(;;)
		sched_yield();
	return a;
}

static void *
injoin(void *a)
{
	started++;
	pthread_join(mainid, NULL);
	return a;
}

static void *
leaver(void *a)
{
	while(started < 11 * 3)
		sched_yield();
	msleep(20);
	puts("leaving");
	exit(37);
	return a;
}

int
main(void)
{
	void *(*fn[])(void *) = { inmutex, incond, inrw, insem, inbarrier, insleep, inread, inpoll, inloop, inyield };

	atexit(bye1);
	atexit(bye2);
	mainid = pthread_self();
	EQ(pipe(fds), 0);
	sem_init(&sem, 0, 0);
	pthread_barrier_init(&bar, NULL, 100);
	pthread_mutex_lock(&held);
	pthread_rwlock_wrlock(&rw);
	for(int k = 0; k < 3; k++) {
		for(size_t i = 0; i < sizeof(fn) / sizeof(fn[0]); i++)
			spawn(fn[i], NULL);
		if(k == 0)
			spawn(injoin, NULL);
		else
			spawn(inmutex, NULL);
	}
	spawn(leaver, NULL);
	sleep(1000);
	return 1;
}
