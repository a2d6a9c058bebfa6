/* SPDX-License-Identifier: MIT */
/*
 * The priority that another thread sets is what the ceilings of PTHREAD_PRIO_PROTECT mutexes are held against, whatever the
 * thread had before: while it has one, while it has none, and while it comes and goes.
 */
#include "prog.h"
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { CEILING = 4, ROUNDS = 300 };

static pthread_mutex_t m;
static sem_t step, done;
static atomic_bool over;

static void
await(sem_t *s)
{
	while(sem_wait(s) != 0)
		;
}

/* The other thread's turn. */
static void
turn(void)
{
	sem_post(&step);
	await(&done);
}

static void
next(void)
{
	sem_post(&done);
	await(&step);
}

/* What the kernel says of the caller. */
static int
kernels(void)
{
	struct sched_param sp;

	EQ(sched_getparam(0, &sp), 0);
	return sp.sched_priority;
}

static int
noted(pthread_t t)
{
	struct sched_param sp;
	int policy;

	OK(pthread_getschedparam(t, &policy, &sp));
	EQ(policy, SCHED_FIFO);
	return sp.sched_priority;
}

static void
set(pthread_t t, int prio)
{
	OK(pthread_setschedparam(t, SCHED_FIFO, &(struct sched_param){ .sched_priority = prio }));
}

static void
lockable(int prio)
{
	EQ(kernels(), prio);
	OK(pthread_mutex_lock(&m));
	EQ(kernels(), CEILING);
	EQ(noted(pthread_self()), prio);
	OK(pthread_mutex_unlock(&m));
	EQ(kernels(), prio);
}

/* main: 5, 3; while it has the mutex 1, 6, with a bad policy, 2; then 3 by setschedprio */
static void *
thread(void *arg)
{
	if(arg != NULL) {
		set(pthread_self(), 2);
		lockable(2);
	}
	next();
	EQ(kernels(), 5);
	EQ(pthread_mutex_lock(&m), EINVAL);
	EQ(pthread_mutex_trylock(&m), EINVAL);
	next();
	lockable(3);
	OK(pthread_mutex_lock(&m));
	next();
	EQ(kernels(), CEILING);
	EQ(noted(pthread_self()), 1);
	OK(pthread_mutex_unlock(&m));
	EQ(kernels(), 1);
	OK(pthread_mutex_lock(&m));
	next();
	EQ(kernels(), 6);
	OK(pthread_mutex_unlock(&m));
	EQ(kernels(), 6);
	EQ(pthread_mutex_lock(&m), EINVAL);
	next();
	lockable(2);
	next();
	lockable(3);
	set(pthread_self(), 1);
	lockable(1);
	sem_post(&done);
	return arg;
}

static void
commands(pthread_t t)
{
	await(&done);
	set(t, 5);
	EQ(noted(t), 5);
	turn();
	set(t, 3);
	turn();
	EQ(noted(t), 3);
	set(t, 1);
	EQ(noted(t), 1);
	turn();
	EQ(noted(t), 1);
	set(t, 6);
	EQ(noted(t), 6);
	turn();
	EQ(pthread_setschedparam(t, 77, &(struct sched_param){ 0 }), EINVAL);
	EQ(pthread_setschedparam(t, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1000 }), EINVAL);
	EQ(noted(t), 6);
	set(t, 2);
	turn();
	OK(pthread_setschedprio(t, 3));
	EQ(noted(t), 3);
	turn();
}

/* Takes the mutex all the time, while others change its priority. The last word counts. */
static void *
comesandgoes(void *arg)
{
	set(pthread_self(), 1);
	next();
	while(!over) {
		OK(pthread_mutex_lock(&m));
		EQ(kernels(), CEILING);
		OK(pthread_mutex_unlock(&m));
		usleep(50);
	}
	lockable(2);
	return arg;
}

static void
storm(void)
{
	pthread_t t = spawn(comesandgoes, NULL);

	await(&done);
	sem_post(&step);
	for(int i = 0; i < ROUNDS; i++) {
		set(t, 1 + i % 3);
		EQ(noted(t), 1 + i % 3);
		if(i % 7 == 0)
			usleep(100);
	}
	OK(pthread_setschedprio(t, 2));
	over = 1;
	join(t);
}

/* Nothing of it is left for those who come after. */
static void *
plain(void *arg)
{
	struct sched_param sp;
	int policy;

	OK(pthread_getschedparam(pthread_self(), &policy, &sp));
	EQ(policy, SCHED_OTHER);
	EQ(sp.sched_priority, 0);
	return arg;
}

int
main(void)
{
	pthread_mutexattr_t a;
	pthread_t t;

	if(sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 }) != 0)
		SKIP("may not have a real-time priority");
	EQ(sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 }), 0);
	OK(pthread_mutexattr_init(&a));
	OK(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT));
	OK(pthread_mutexattr_setprioceiling(&a, CEILING));
	OK(pthread_mutex_init(&m, &a));
	OK(sem_init(&step, 0, 0));
	OK(sem_init(&done, 0, 0));
	for(int i = 0; i < 4; i++) {
		t = spawn(thread, i % 2 ? &m : NULL);
		commands(t);
		join(t);
		for(int k = 0; k < 4; k++)
			join(spawn(plain, NULL));
	}
	storm();
	puts("ok");
	return 0;
}
