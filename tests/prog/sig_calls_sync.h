/* SPDX-License-Identifier: MIT */
/* Of the calls in sig_calls.h those of threads that wait for threads: never EINTR. */
#ifndef SIG_CALLS_SYNC_H
#define SIG_CALLS_SYNC_H

#include "sig_calls_ipc.h"

static pthread_mutex_t mu;
static pthread_cond_t cond;
static pthread_rwlock_t rw;
static pthread_barrier_t bar;
static pthread_t other;
static sem_t has, let;
static bool flag;

static void
mkcond(int pshared)
{
	pthread_mutexattr_t ma;
	pthread_condattr_t ca;

	EQ(pthread_mutexattr_init(&ma), 0);
	EQ(pthread_condattr_init(&ca), 0);
	EQ(pthread_mutexattr_setpshared(&ma, pshared), 0);
	EQ(pthread_condattr_setpshared(&ca, pshared), 0);
	EQ(pthread_mutex_init(&mu, &ma), 0);
	EQ(pthread_cond_init(&cond, &ca), 0);
	flag = false;
}

static void mkcondprivate(void) { mkcond(PTHREAD_PROCESS_PRIVATE); }
static void mkcondshared(void) { mkcond(PTHREAD_PROCESS_SHARED); }
static void rmcond(void) { EQ(pthread_cond_destroy(&cond), 0); EQ(pthread_mutex_destroy(&mu), 0); }

static void
signalcond(void)
{
	EQ(pthread_mutex_lock(&mu), 0);
	flag = true;
	EQ(pthread_cond_signal(&cond), 0);
	EQ(pthread_mutex_unlock(&mu), 0);
}

/* A wait returns because it is signalled, not because a handler has run. */
static int
waitcond(bool timed)
{
	struct timespec ts = far(CLOCK_REALTIME);
	int e = 0, n = 0;

	EQ(pthread_mutex_lock(&mu), 0);
	for(; !flag && e == 0; n++)
		e = timed ? pthread_cond_timedwait(&cond, &mu, &ts) : pthread_cond_wait(&cond, &mu);
	EQ(pthread_mutex_unlock(&mu), 0);
	return n > 1 ? EAGAIN : e;
}

static int docond(void) { return waitcond(false); }
static int docondtimed(void) { return waitcond(true); }

/* Another thread, which blocks all signals, has the mutex and the rwlock until it is let go. */
static void *
holder(void *arg)
{
	EQ(pthread_mutex_lock(&mu), 0);
	EQ(pthread_rwlock_wrlock(&rw), 0);
	OK(sem_post(&has));
	OK(sem_wait(&let));
	EQ(pthread_rwlock_unlock(&rw), 0);
	EQ(pthread_mutex_unlock(&mu), 0);
	return arg;
}

static void
mkheld(void)
{
	sigset_t all, old;

	EQ(pthread_mutex_init(&mu, NULL), 0);
	EQ(pthread_rwlock_init(&rw, NULL), 0);
	EQ(pthread_barrier_init(&bar, NULL, 2), 0);
	OK(sem_init(&has, 0, 0));
	OK(sem_init(&let, 0, 0));
	sigfillset(&all);
	EQ(pthread_sigmask(SIG_SETMASK, &all, &old), 0);
	other = spawn(holder, NULL);
	OK(sem_wait(&has));
	EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}

static void letgo(void) { OK(sem_post(&let)); }
static void meet(void) { int e = pthread_barrier_wait(&bar); CHECK(e == 0 || e == PTHREAD_BARRIER_SERIAL_THREAD); letgo(); }
static void rmjoined(void) { EQ(pthread_mutex_destroy(&mu), 0); EQ(pthread_rwlock_destroy(&rw), 0); EQ(pthread_barrier_destroy(&bar), 0); }
static void rmheld(void) { join(other); rmjoined(); }

static int unmu(int e) { return e != 0 ? e : pthread_mutex_unlock(&mu); }
static int unrw(int e) { return e != 0 ? e : pthread_rwlock_unlock(&rw); }
static int domutex(void) { return unmu(pthread_mutex_lock(&mu)); }
static int domutextimed(void) { struct timespec ts = far(CLOCK_REALTIME); return unmu(pthread_mutex_timedlock(&mu, &ts)); }
static int dordlock(void) { return unrw(pthread_rwlock_rdlock(&rw)); }
static int dowrlock(void) { return unrw(pthread_rwlock_wrlock(&rw)); }
static int dowrtimed(void) { struct timespec ts = far(CLOCK_REALTIME); return unrw(pthread_rwlock_timedwrlock(&rw, &ts)); }
static int dobarrier(void) { int e = pthread_barrier_wait(&bar); return e == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : e; }
static int dojoin(void) { return pthread_join(other, NULL); }
static int dojointimed(void) { struct timespec ts = far(CLOCK_REALTIME); return pthread_timedjoin_np(other, NULL, &ts); }

#endif
