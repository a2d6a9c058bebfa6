/* SPDX-License-Identifier: MIT */
/* Cancellation: at every kind of cancellation point, with cleanups, keys and the mutex held again; deferred, disabled, asynchronous. */
#include "prog.h"
#include <poll.h>
#include <semaphore.h>
#include <sys/socket.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static sem_t never, started;
static pthread_key_t key;
static _Atomic int cleaned, keyed;
static int fds[2], socks[2];
static pthread_t sleeper;

static void
clean(void *arg)
{
	EQ((intptr_t)arg, 5);
	cleaned++;
}

static void
unlock(void *arg)
{
	EQ(pthread_mutex_trylock(arg), EBUSY);	/* a cancelled wait has it back */
	OK(pthread_mutex_unlock(arg));
	cleaned++;
}

static void
dropkey(void *arg)
{
	keyed++;
}

static void
begin(void)
{
	OK(pthread_setspecific(key, &key));
	EQ(sem_post(&started), 0);
}

#define CANCELLED_IN(name, call) \
static void * \
name(void *arg) \
{ \
	pthread_cleanup_push(clean, (void *)5); \
	begin(); \
	for(;;) { \
		call; \
	} \
	pthread_cleanup_pop(0); \
	return NULL; \
}

static char byte;
static struct timespec longtime = { 1000, 0 };

CANCELLED_IN(insleep, sleep(1000))
CANCELLED_IN(innanosleep, nanosleep(&longtime, NULL))
CANCELLED_IN(inclocksleep, clock_nanosleep(CLOCK_MONOTONIC, 0, &longtime, NULL))
CANCELLED_IN(insem, sem_wait(&never))
CANCELLED_IN(insemtimed, struct timespec ts = deadline(CLOCK_REALTIME, 1000 * SEC); sem_timedwait(&never, &ts))
CANCELLED_IN(injoin, pthread_join(sleeper, NULL))
CANCELLED_IN(inread, CHECK(read(fds[0], &byte, 1) < 0))
CANCELLED_IN(inrecv, CHECK(recv(socks[0], &byte, 1, 0) < 0))
CANCELLED_IN(inpoll, poll(NULL, 0, -1))
CANCELLED_IN(intest, pthread_testcancel(); sched_yield())

static void *
incond(void *arg)
{
	OK(pthread_mutex_lock(&m));
	pthread_cleanup_push(unlock, &m);
	begin();
	for(;;)
		OK(pthread_cond_wait(&c, &m));
	pthread_cleanup_pop(0);
	return arg;
}

static void *
incondtimed(void *arg)
{
	struct timespec ts = deadline(CLOCK_REALTIME, 1000 * SEC);

	OK(pthread_mutex_lock(&m));
	pthread_cleanup_push(unlock, &m);
	begin();
	for(;;)
		OK(pthread_cond_timedwait(&c, &m, &ts));
	pthread_cleanup_pop(0);
	return arg;
}

/* Asynchronous: cancelled in the midst of a computation. */
static void *
inloop(void *arg)
{
	int old;

	OK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old));
	EQ(old, PTHREAD_CANCEL_DEFERRED);
	pthread_cleanup_push(clean, (void *)5);
	begin();
	for(volatile long i = 0;; i++)
		;
	pthread_cleanup_pop(0);
	return arg;
}

static _Atomic int enable;

/* Disabled: the request waits. Then enabled: it acts at the next point. */
static void *
disabled(void *arg)
{
	int old;

	OK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old));
	EQ(old, PTHREAD_CANCEL_ENABLE);
	pthread_cleanup_push(clean, (void *)5);
	begin();
	while(!enable) {
		usleep(1000);
		pthread_testcancel();
	}
	OK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old));
	EQ(old, PTHREAD_CANCEL_DISABLE);
	sleep(1000);
	CHECK(!"cancelled");
	pthread_cleanup_pop(0);
	return arg;
}

/* Not a cancellation point: a mutex. */
static void *
inmutex(void *arg)
{
	begin();
	OK(pthread_mutex_lock(&m));
	OK(pthread_mutex_unlock(&m));
	return arg;
}

/* A handler popped with 1 runs; those of an inner function first. */
static void *
nested(void *arg)
{
	pthread_cleanup_push(clean, (void *)5);
	pthread_cleanup_push(clean, (void *)5);
	pthread_cleanup_push(clean, (void *)5);
	pthread_cleanup_pop(1);
	begin();
	sleep(1000);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return arg;
}

static void *
sleeps(void *arg)
{
	sleep(1000);
	return arg;
}

static void
start(pthread_t *t, void *(*fn)(void *))
{
	*t = spawn(fn, NULL);
	while(sem_wait(&started) != 0)
		;
}

int
main(void)
{
	void *(*fns[])(void *) = { insleep, innanosleep, inclocksleep, insem, insemtimed, injoin, inread, inrecv,
	    inpoll, intest, incond, incondtimed, inloop };
	enum { K = sizeof fns / sizeof fns[0] };
	pthread_t t[K], u;
	int rounds = 4;

	EQ(pipe(fds), 0);
	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	sem_init(&never, 0, 0);
	sem_init(&started, 0, 0);
	OK(pthread_key_create(&key, dropkey));
	sleeper = spawn(sleeps, NULL);
	for(int r = 0; r < rounds; r++) {
		for(int i = 0; i < K; i++)
			start(&t[i], fns[i]);
		if(r % 2)
			msleep(20);	/* well within their waits; else wherever they are */
		for(int i = 0; i < K; i++)
			OK(pthread_cancel(t[i]));
		for(int i = 0; i < K; i++)
			CHECK(join(t[i]) == PTHREAD_CANCELED);
		EQ(cleaned, K * (r + 1));
		EQ(keyed, K * (r + 1));
	}
	OK(pthread_mutex_trylock(&m));
	OK(pthread_mutex_unlock(&m));

	cleaned = 0;
	start(&u, disabled);
	OK(pthread_cancel(u));
	msleep(20);
	EQ(cleaned, 0);
	enable = 1;
	CHECK(join(u) == PTHREAD_CANCELED);
	EQ(cleaned, 1);

	OK(pthread_mutex_lock(&m));
	start(&u, inmutex);
	OK(pthread_cancel(u));
	msleep(20);
	EQ(pthread_tryjoin_np(u, NULL), EBUSY);
	OK(pthread_mutex_unlock(&m));
	CHECK(join(u) == NULL);	/* no point was reached after it */

	cleaned = 0;
	start(&u, nested);
	EQ(cleaned, 1);
	OK(pthread_cancel(u));
	CHECK(join(u) == PTHREAD_CANCELED);
	EQ(cleaned, 3);

	OK(pthread_cancel(sleeper));
	CHECK(join(sleeper) == PTHREAD_CANCELED);
	puts("ok");
	return 0;
}
