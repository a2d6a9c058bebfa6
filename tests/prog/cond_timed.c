/* SPDX-License-Identifier: MIT */
/* pthread_cond_timedwait and clockwait on both clocks, condattr_setclock: never early, past and bad deadlines, success. */
#include "prog.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c;
static int flag;

static void *
setter(void *arg)
{
	msleep((intptr_t)arg);
	OK(pthread_mutex_lock(&m));
	flag = 1;
	OK(pthread_cond_signal(&c));
	OK(pthread_mutex_unlock(&m));
	return NULL;
}

/* A wait by clock id: clockwait, or timedwait of a cond made for that clock. */
static int
timed(int clockwait, clockid_t id, const struct timespec *ts)
{
	int rc = clockwait ? pthread_cond_clockwait(&c, &m, id, ts) : pthread_cond_timedwait(&c, &m, ts);

	if(rc != EINVAL)
		EQ(pthread_mutex_trylock(&m), EBUSY);
	return rc;
}

static void
all(int clockwait, clockid_t id)
{
	struct timespec ts;
	pthread_t t;
	int64_t t0;
	int rc;

	OK(pthread_mutex_lock(&m));
	for(int us = 1; us < 20000; us *= 3) {
		t0 = clockns(id);
		ts = deadline(id, us * 1000);
		while((rc = timed(clockwait, id, &ts)) == 0)
			;
		EQ(rc, ETIMEDOUT);
		CHECK(clockns(id) - t0 >= us * 1000);
	}
	ts = deadline(id, -SEC);
	EQ(timed(clockwait, id, &ts), ETIMEDOUT);
	ts.tv_sec = 0;
	ts.tv_nsec = 0;
	EQ(timed(clockwait, id, &ts), ETIMEDOUT);
	ts.tv_sec = -1;
	EQ(timed(clockwait, id, &ts), ETIMEDOUT);
	ts = deadline(id, SEC);
	ts.tv_nsec = -1;
	EQ(timed(clockwait, id, &ts), EINVAL);
	ts.tv_nsec = 1000000000;
	EQ(timed(clockwait, id, &ts), EINVAL);
	if(clockwait)
		EQ(timed(1, CLOCK_PROCESS_CPUTIME_ID, &ts), EINVAL);
	EQ(pthread_mutex_trylock(&m), EBUSY);	/* an invalid wait keeps the mutex */

	flag = 0;
	t = spawn(setter, (void *)20);
	ts = deadline(id, 20 * SEC);
	t0 = nowns();
	while(!flag)
		OK(timed(clockwait, id, &ts));
	CHECK(nowns() - t0 < 15 * SEC);
	OK(pthread_mutex_unlock(&m));
	join(t);
}

static void *
thread(void *arg)
{
	static const clockid_t ids[] = { CLOCK_REALTIME, CLOCK_MONOTONIC };

	for(int i = 0; i < 2; i++) {
		pthread_condattr_t a;
		clockid_t got;

		OK(pthread_condattr_init(&a));
		OK(pthread_condattr_getclock(&a, &got));
		EQ(got, CLOCK_REALTIME);
		OK(pthread_condattr_setclock(&a, ids[i]));
		OK(pthread_condattr_getclock(&a, &got));
		EQ(got, ids[i]);
		EQ(pthread_condattr_setclock(&a, CLOCK_PROCESS_CPUTIME_ID), EINVAL);
		OK(pthread_cond_init(&c, &a));
		OK(pthread_condattr_destroy(&a));
		all(0, ids[i]);
		all(1, CLOCK_REALTIME);
		all(1, CLOCK_MONOTONIC);
		OK(pthread_cond_destroy(&c));
	}
	return arg;
}

int
main(void)
{
	thread(NULL);
	join(spawn(thread, NULL));
	puts("ok");
	return 0;
}
