/* SPDX-License-Identifier: MIT */
/* The sleeping calls: never early, in the order of their times, with the errors that POSIX names. */
#include "io_util.h"
#include <sys/select.h>

enum { KINDS = 11 };

static int64_t
clockns(clockid_t c)
{
	struct timespec ts;
	OK(clock_gettime(c, &ts));
	return ts.tv_sec * SEC + ts.tv_nsec;
}

static void
snooze(int kind, int64_t ns)
{
	struct timespec ts = tspec(ns), rem = { 99, 99 };
	struct timeval tv = { ns / SEC, ns % SEC / 1000 };
	switch(kind % KINDS) {
	case 0: EQ(nanosleep(&ts, &rem), 0); EQ(rem.tv_sec, 99); break;
	case 1: EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL), 0); break;
	case 2: EQ(clock_nanosleep(CLOCK_REALTIME, 0, &ts, NULL), 0); break;
	case 3: {
		int64_t at = clockns(CLOCK_MONOTONIC) + ns;
		ts = tspec(at);
		EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL), 0);
		CHECK(clockns(CLOCK_MONOTONIC) >= at);
		break;
	}
	case 4: {
		int64_t at = clockns(CLOCK_REALTIME) + ns;
		ts = tspec(at);
		EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL), 0);
		CHECK(clockns(CLOCK_REALTIME) >= at);
		break;
	}
	case 5: EQ(usleep(ns / 1000), 0); break;
	case 6: EQ(poll(NULL, 0, ns / MS), 0); break;
	case 7: EQ(select(0, NULL, NULL, NULL, &tv), 0); break;
	case 8: EQ(pselect(0, NULL, NULL, NULL, &ts, NULL), 0); EQ(ts.tv_nsec, ns % SEC); break;
	case 9: EQ(ppoll(NULL, 0, &ts, NULL), 0); break;
	case 10: {
		int64_t at = clockns(CLOCK_BOOTTIME) + ns;
		ts = tspec(at);
		EQ(clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &ts, NULL), 0);
		CHECK(clockns(CLOCK_BOOTTIME) >= at);
		break;
	}
	}
}

static void *
sleeper(void *arg)
{
	int i = (intptr_t)arg;
	int64_t ns = (5 + i % 40) * MS, t0 = now();
	snooze(i, ns);
	TOOK(t0, ns, ns);
	return NULL;
}

/* Each kind of call, from many threads at once. */
static void
many(void)
{
	int n = KINDS * 30;
	int64_t t0 = now();
	joinall(spawnall(n, sleeper), n);
	TOOK(t0, 44 * MS, 44 * MS);
	pass("many sleepers");
}

static atomic_int rank;
static atomic_bool disorder;

static void *
ordered(void *arg)
{
	int i = (intptr_t)arg;
	struct timespec ts = tspec((i + 1) * 20 * MS);
	OK(nanosleep(&ts, NULL));
	if(rank++ != i)
		disorder = true;
	return NULL;
}

/*
 * Sleeps that end far apart end in their order, whatever the order of their
 * start.  A thread may be held up by the machine between its sleep and its
 * note, so that one of many trials is enough.
 */
static void
order(void)
{
	enum { N = 6 };
	pthread_t t[N];
	for(int trial = 0; trial < 50; trial++) {
		rank = 0;
		disorder = false;
		for(int i = N - 1; i >= 0; i--)
			t[i] = spawn(ordered, (void *)(intptr_t)i);
		for(int i = 0; i < N; i++)
			join(t[i]);
		EQ(rank, N);
		if(!disorder) {
			pass("order");
			return;
		}
	}
	CHECK(!"in order");
}

/* Short sleeps, one after another: none early, none lost. */
static void *
shorts(void *arg)
{
	for(int i = 0, n = scale(100); i < n; i++) {
		int64_t ns = 1000 * (1 + i % 200), t0 = now();
		struct timespec ts = tspec(ns);
		OK(nanosleep(&ts, NULL));
		TOOK(t0, ns, ns);
	}
	return NULL;
}

static void
edges(void)
{
	struct timespec bad = { 0, 1000000000 }, neg = { -1, 0 }, z = { 0, 0 }, past = { 1, 0 };
	int64_t t0 = now();
	FAILS(nanosleep(&bad, NULL), EINVAL);
	FAILS(nanosleep(&neg, NULL), EINVAL);
	FAILS(nanosleep(HIDE((struct timespec *)NULL), NULL), EFAULT);
	EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL), EINVAL);
	EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &bad, NULL), EINVAL);
	EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &z, NULL), EINVAL);
	EQ(clock_nanosleep(77, 0, &z, NULL), EINVAL);
	EQ(nanosleep(&z, NULL), 0);
	EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL), 0);
	EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &z, NULL), 0);
	EQ(usleep(0), 0);
	EQ(sleep(0), 0);
	EQ(poll(NULL, 0, 0), 0);
	struct timeval tv = { -1, 0 };
	FAILS(select(0, NULL, NULL, NULL, &tv), EINVAL);
	FAILS(ppoll(NULL, 0, &bad, NULL), EINVAL);
	FAILS(pselect(0, NULL, NULL, NULL, &neg, NULL), EINVAL);
	TOOK(t0, 0, 0);
	pass("edges");
}

static void *
onesecond(void *arg)
{
	int64_t t0 = now();
	EQ(sleep(1), 0);
	TOOK(t0, SEC, SEC);
	return NULL;
}

int
main(void)
{
	pthread_t s = spawn(onesecond, NULL); /* beside all the others */
	edges();
	many();
	order();
	joinall(spawnall(20, shorts), 20);
	pass("short sleeps");
	join(s);
	pass("sleep");
	return 0;
}
