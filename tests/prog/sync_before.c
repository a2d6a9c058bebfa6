/* SPDX-License-Identifier: MIT */
/* Objects that have been used, and some of them locked, before the process made its first thread. */
#include "prog.h"
#include <semaphore.h>
#include <threads.h>

static pthread_mutex_t normal = PTHREAD_MUTEX_INITIALIZER, adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP, check = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t inherit, robust, *all[] = {&normal, &adaptive, &recursive, &check, &inherit, &robust};
static pthread_rwlock_t rd = PTHREAD_RWLOCK_INITIALIZER, wr = PTHREAD_RWLOCK_INITIALIZER, idle = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t one;
static sem_t sem;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static mtx_t mtx;
static int inits, count, ready_, go;
static _Atomic int entered;

static void
init(void)
{
	inits++;
}

static void *
work(void *arg)
{
	for(size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		EQ(pthread_mutex_trylock(all[i]), EBUSY);
	EQ(pthread_rwlock_trywrlock(&rd), EBUSY);
	OK(pthread_rwlock_tryrdlock(&rd));
	OK(pthread_rwlock_unlock(&rd));
	EQ(pthread_rwlock_tryrdlock(&wr), EBUSY);
	entered++;

	/* Main unlocks them while we wait. */
	for(size_t i = 0; i < sizeof all / sizeof all[0]; i++){
		OK(pthread_mutex_lock(all[i]));
		count++;
		OK(pthread_mutex_unlock(all[i]));
	}
	OK(pthread_rwlock_wrlock(&rd));
	count++;
	OK(pthread_rwlock_unlock(&rd));
	OK(pthread_rwlock_rdlock(&wr));
	OK(pthread_rwlock_unlock(&wr));
	OK(pthread_rwlock_wrlock(&idle));
	OK(pthread_rwlock_unlock(&idle));
	EQ(mtx_lock(&mtx), thrd_success);
	EQ(mtx_unlock(&mtx), thrd_success);
	while(sem_wait(&sem) != 0)
		;
	OK(pthread_once(&once, init));
	EQ(pthread_barrier_wait(&one), PTHREAD_BARRIER_SERIAL_THREAD);

	OK(pthread_mutex_lock(&normal));
	ready_++;
	while(!go)
		OK(pthread_cond_wait(&cond, &normal));
	OK(pthread_mutex_unlock(&normal));
	return arg;
}

static void
before(void)
{
	pthread_mutexattr_t a;
	struct timespec ts;

	OK(pthread_mutexattr_init(&a));
	OK(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
	OK(pthread_mutex_init(&inherit, &a));
	OK(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_NONE));
	OK(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
	OK(pthread_mutex_init(&robust, &a));
	OK(pthread_barrier_init(&one, NULL, 1));
	EQ(mtx_init(&mtx, mtx_plain), thrd_success);
	EQ(sem_init(&sem, 0, 1), 0);
	for(int k = 0; k < 3; k++){
		OK(pthread_mutex_lock(&normal));
		/* Waits that time out leave traces in the object. */
		ts = deadline(CLOCK_REALTIME, k * MS);
		EQ(pthread_cond_timedwait(&cond, &normal, &ts), ETIMEDOUT);
		OK(pthread_mutex_unlock(&normal));
		OK(pthread_rwlock_wrlock(&idle));
		OK(pthread_rwlock_unlock(&idle));
		EQ(pthread_barrier_wait(&one), PTHREAD_BARRIER_SERIAL_THREAD);
		EQ(mtx_lock(&mtx), thrd_success);
		EQ(mtx_unlock(&mtx), thrd_success);
	}
	for(size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		OK(pthread_mutex_lock(all[i]));
	OK(pthread_mutex_lock(&recursive));
	OK(pthread_rwlock_rdlock(&rd));
	OK(pthread_rwlock_rdlock(&rd));
	OK(pthread_rwlock_wrlock(&wr));
	OK(pthread_once(&once, init));
	ts = deadline(CLOCK_REALTIME, MS);
	EQ(sem_trywait(&sem), 0);
	EQ(sem_timedwait(&sem, &ts), -1);
	EQ(errno, ETIMEDOUT);
}

enum { N = 8 };

int
main(void)
{
	pthread_t t[N];

	before();
	for(int i = 0; i < N; i++)
		t[i] = spawn(work, NULL);
	while(entered < N)
		sched_yield();
	msleep(5); /* most wait by now; the result does not depend on it */
	EQ(pthread_mutex_lock(&check), EDEADLK);
	EQ(pthread_rwlock_rdlock(&wr), EDEADLK);
	OK(pthread_rwlock_unlock(&wr));
	OK(pthread_rwlock_unlock(&rd));
	OK(pthread_mutex_unlock(&recursive));
	for(size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		OK(pthread_mutex_unlock(all[i]));
	OK(pthread_rwlock_unlock(&rd));
	for(int i = 0; i < N; i++)
		EQ(sem_post(&sem), 0);
	for(;;){
		OK(pthread_mutex_lock(&normal));
		if(ready_ == N)
			break;
		OK(pthread_mutex_unlock(&normal));
		sched_yield();
	}
	go = 1;
	OK(pthread_cond_broadcast(&cond));
	OK(pthread_mutex_unlock(&normal));
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(inits, 1);
	EQ(count, N * 7);
	OK(pthread_cond_destroy(&cond));
	OK(pthread_barrier_destroy(&one));
	for(size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		OK(pthread_mutex_destroy(all[i]));
	puts("ok");
	return 0;
}
