/* SPDX-License-Identifier: MIT */
/* Threads that libc makes by itself (SIGEV_THREAD) and the program's own wait for each other, both ways. */
#include "foreign.h"
#include <semaphore.h>

enum { TICKS = 100 };

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ticked = PTHREAD_COND_INITIALIZER, answered = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static sem_t toforeign, toown;
static long ticks, answers, shared;
static _Atomic int over;

/* On a thread of libc's. */
static void
tick(union sigval v)
{
	struct timespec ts;
	long mine;

	if(over)
		return;
	OK(pthread_mutex_lock(&m));
	mine = ++ticks;
	OK(pthread_cond_broadcast(&ticked));
	while(answers < mine && !over){
		ts = deadline(CLOCK_REALTIME, 10 * SEC);
		OK(pthread_cond_timedwait(&answered, &m, &ts));
	}
	OK(pthread_mutex_unlock(&m));

	EQ(sem_post(&toown), 0);
	while(sem_wait(&toforeign) != 0)
		;
	OK(pthread_rwlock_wrlock(&rw));
	shared++;
	OK(pthread_rwlock_unlock(&rw));
	(void)v;
}

static void *
answer(void *arg)
{
	OK(pthread_mutex_lock(&m));
	while(answers < TICKS){
		while(ticks <= answers)
			OK(pthread_cond_wait(&ticked, &m));
		answers++;
		OK(pthread_cond_broadcast(&answered));
	}
	OK(pthread_mutex_unlock(&m));
	return arg;
}

static void *
give(void *arg)
{
	for(int i = 0; i < TICKS; i++){
		while(sem_wait(&toown) != 0)
			;
		EQ(sem_post(&toforeign), 0);
	}
	return arg;
}

/* Keeps the locks busy meanwhile. */
static void *
hold(void *arg)
{
	while(!over){
		OK(pthread_mutex_lock(&m));
		sched_yield();
		OK(pthread_mutex_unlock(&m));
		OK(pthread_rwlock_rdlock(&rw));
		sched_yield();
		OK(pthread_rwlock_unlock(&rw));
	}
	return arg;
}

int
main(void)
{
	pthread_t t[4];
	timer_t timer;
	long seen;

	EQ(sem_init(&toforeign, 0, 0), 0);
	EQ(sem_init(&toown, 0, 0), 0);
	t[0] = spawn(answer, NULL);
	t[1] = spawn(give, NULL);
	t[2] = spawn(hold, NULL);
	t[3] = spawn(hold, NULL);
	timer = foreignthreads(tick, 1 * MS, 1 * MS);
	join(t[0]);
	join(t[1]);
	do{
		OK(pthread_rwlock_rdlock(&rw));
		seen = shared;
		OK(pthread_rwlock_unlock(&rw));
		msleep(1);
	}while(seen < TICKS);
	over = 1;
	EQ(timer_delete(timer), 0);
	join(t[2]);
	join(t[3]);
	puts("ok");
	fflush(stdout);
	_exit(0); /* ticks that came after the last one may wait for an answer still */
}
