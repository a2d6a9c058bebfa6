/* SPDX-License-Identifier: MIT */
/* eventfd as counter and as semaphore, waiting for value and for room; timerfd. */
#include "io_util.h"
#include <sys/eventfd.h>
#include <sys/timerfd.h>

static int efd, nround;

static void *
adder(void *arg)
{
	for(int i = 0; i < nround; i++)
		OK(eventfd_write(efd, 1));
	return NULL;
}

/* All that four threads add is read, in as many portions as it takes. */
static void
counter(void)
{
	enum { T = 4 };
	uint64_t v, total = 0;
	nround = scale(2000);
	efd = OK(eventfd(0, EFD_CLOEXEC));
	pthread_t *t = spawnall(T, adder);
	while(total < (uint64_t)T * nround) {
		EQ(read(efd, &v, sizeof v), 8);
		CHECK(v > 0);
		total += v;
	}
	EQ(total, T * nround);
	joinall(t, T);
	FAILS(read(efd, &v, 7), EINVAL);
	v = UINT64_MAX;
	FAILS(write(efd, &v, 8), EINVAL);
	OK(close(efd));
	pass("counter");
}

static atomic_int taken;

static void *
taker(void *arg)
{
	uint64_t v;
	for(int i = 0; i < nround; i++) {
		EQ(read(efd, &v, sizeof v), 8);
		EQ(v, 1);
		taken++;
	}
	return NULL;
}

/* Semaphore mode: each read takes one, and every waiter gets its own. */
static void
semaphore(void)
{
	enum { T = 10 };
	uint64_t v = 10;
	nround = scale(200);
	efd = OK(eventfd(5, EFD_SEMAPHORE));
	pthread_t *t = spawnall(T, taker);
	int given = 5;
	for(; given + 10 <= T * nround; given += 10)
		EQ(write(efd, &v, 8), 8);
	v = T * nround - given;
	if(v > 0)
		EQ(write(efd, &v, 8), 8);
	joinall(t, T);
	EQ(taken, T * nround);
	OK(fcntl(efd, F_SETFL, O_NONBLOCK));
	FAILS(read(efd, &v, 8), EAGAIN);
	OK(close(efd));
	pass("semaphore");
}

static void *
drain(void *arg)
{
	uint64_t v;
	nudge();
	EQ(read(efd, &v, 8), 8);
	EQ(v, UINT64_MAX - 1);
	return NULL;
}

/* A write that would overflow waits for a read. */
static void
overflow(void)
{
	uint64_t v = UINT64_MAX - 1;
	efd = OK(eventfd(0, 0));
	EQ(write(efd, &v, 8), 8);
	pthread_t t = spawn(drain, NULL);
	v = 77;
	EQ(write(efd, &v, 8), 8);
	join(t);
	EQ(read(efd, &v, 8), 8);
	EQ(v, 77);
	OK(close(efd));
	pass("overflow");
}

static void *
ticker(void *arg)
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	int ms = 5 + (intptr_t)arg % 7;
	struct itimerspec it = { tspec(ms * MS), tspec(ms * MS) };
	int64_t t0 = now();
	uint64_t v, n = 0;
	OK(timerfd_settime(fd, 0, &it, NULL));
	while(n < 5) {
		EQ(read(fd, &v, 8), 8);
		CHECK(v >= 1);
		n += v;
		CHECK(now() - t0 >= (int64_t)n * ms * MS);
	}
	TOOK(t0, 5 * ms * MS, 5 * ms * MS);
	OK(close(fd));
	return NULL;
}

static int tfd;

static void *
expiry(void *arg)
{
	uint64_t v;
	int64_t t0 = *(int64_t *)arg;
	EQ(read(tfd, &v, 8), 8);
	EQ(v, 1);
	TOOK(t0, 30 * MS, 30 * MS);
	return NULL;
}

static void
timers(void)
{
	joinall(spawnall(20, ticker), 20);
	pass("periodic timers");

	/* Armed only when the reader may be waiting already; absolute. */
	int64_t t0 = now();
	tfd = OK(timerfd_create(CLOCK_MONOTONIC, 0));
	pthread_t t = spawn(expiry, &t0);
	nudge();
	struct itimerspec it = { { 0, 0 }, tspec(t0 + 30 * MS) };
	OK(timerfd_settime(tfd, TFD_TIMER_ABSTIME, &it, NULL));
	join(t);
	OK(close(tfd));

	uint64_t v;
	tfd = OK(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));
	FAILS(read(tfd, &v, 8), EAGAIN);
	OK(close(tfd));
	pass("one-shot timer");
}

int
main(void)
{
	counter();
	semaphore();
	overflow();
	timers();
	return 0;
}
