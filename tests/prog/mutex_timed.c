/* SPDX-License-Identifier: MIT */
/* pthread_mutex_timedlock and clocklock: never early, deadlines in the past, bad ones, and success after a wait. */
#include "prog.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t bar;

static void *
holder(void *arg)
{
	OK(pthread_mutex_lock(&m));
	pthread_barrier_wait(&bar);
	msleep((intptr_t)arg);
	OK(pthread_mutex_unlock(&m));
	return NULL;
}

static void *
waiter(void *arg)
{
	clockid_t id = (intptr_t)arg;
	struct timespec ts;
	int64_t t0;

	/* Times out: not a nanosecond early. */
	for(int ms = 0; ms < 30; ms += 7) {
		t0 = clockns(id);
		ts = deadline(id, ms * MS);
		EQ(pthread_mutex_clocklock(&m, id, &ts), ETIMEDOUT);
		CHECK(clockns(id) - t0 >= ms * MS);
	}
	ts = deadline(id, -SEC);
	EQ(pthread_mutex_clocklock(&m, id, &ts), ETIMEDOUT);
	ts.tv_sec = -5;
	EQ(pthread_mutex_clocklock(&m, id, &ts), ETIMEDOUT);
	ts.tv_sec = 0;
	ts.tv_nsec = 0;
	EQ(pthread_mutex_clocklock(&m, id, &ts), ETIMEDOUT);

	/* Bad only when it must wait. */
	ts = deadline(id, SEC);
	ts.tv_nsec = -1;
	EQ(pthread_mutex_clocklock(&m, id, &ts), EINVAL);
	ts.tv_nsec = 1000000000;
	EQ(pthread_mutex_clocklock(&m, id, &ts), EINVAL);
	ts = deadline(id, 10 * MS);
	EQ(pthread_mutex_clocklock(&m, CLOCK_PROCESS_CPUTIME_ID, &ts), EINVAL);
	return NULL;
}

int
main(void)
{
	static const clockid_t ids[] = { CLOCK_REALTIME, CLOCK_MONOTONIC };
	struct timespec ts;
	pthread_t t;
	int64_t t0;

	OK(pthread_barrier_init(&bar, NULL, 2));

	/* Free: the deadline does not matter, even a bad one. */
	ts.tv_sec = 0;
	ts.tv_nsec = -1;
	OK(pthread_mutex_timedlock(&m, &ts));
	for(int i = 0; i < 2; i++)
		join(spawn(waiter, (void *)(intptr_t)ids[i]));
	OK(pthread_mutex_unlock(&m));

	for(int i = 0; i < 2; i++) {
		/* Got within the time. */
		t = spawn(holder, (void *)30);
		pthread_barrier_wait(&bar);
		ts = deadline(ids[i], 20 * SEC);
		t0 = nowns();
		OK(pthread_mutex_clocklock(&m, ids[i], &ts));
		CHECK(nowns() - t0 < 15 * SEC);
		OK(pthread_mutex_unlock(&m));
		join(t);

		/* Given up, and the mutex still works for others. */
		t = spawn(holder, (void *)60);
		pthread_barrier_wait(&bar);
		ts = deadline(ids[i], 10 * MS);
		EQ(pthread_mutex_clocklock(&m, ids[i], &ts), ETIMEDOUT);
		OK(pthread_mutex_lock(&m));
		OK(pthread_mutex_unlock(&m));
		join(t);
	}
	puts("ok");
	return 0;
}
