/* SPDX-License-Identifier: MIT */
/*
 * What every test program shares: checks that name the line and end the
 * process, times, and the scale of the loops. Nothing here knows of heddle.
 *
 * A program prints only what is the same in every run, on stdout; it ends
 * with 0 when all is well, 77 when the machine cannot run it (say why on
 * stderr), and anything else is a failure.
 */
#ifndef PROG_H
#define PROG_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* Fails the program unless cond holds. */
#define CHECK(cond) do { \
	if(!(cond)) { \
		dprintf(2, "%s:%d: CHECK(%s) failed (errno %d)\n", \
		    __FILE__, __LINE__, #cond, errno); \
		_exit(1); \
	} \
} while(0)

/* Fails the program unless the two integers are equal; prints both. */
#define EQ(got, want) do { \
	long long got_ = (long long)(got), want_ = (long long)(want); \
	if(got_ != want_) { \
		dprintf(2, "%s:%d: %s is %lld, want %s = %lld (errno %d)\n", \
		    __FILE__, __LINE__, #got, got_, #want, want_, errno); \
		_exit(1); \
	} \
} while(0)

/* Fails the program unless a call that returns an error number returns 0. */
#define OK(call) EQ(call, 0)

/* Ends the program as "cannot run here". */
#define SKIP(why) do { \
	dprintf(2, "%s: skipped: %s\n", __FILE__, why); \
	_exit(77); \
} while(0)

/* n times TEST_SCALE (default 1): the length of a loop. */
UNUSED static int
scale(int n)
{
	const char *s = getenv("TEST_SCALE");
	int k = s != NULL ? atoi(s) : 1;

	return k > 1 ? n * k : n;
}

/* The clock's time in nanoseconds. */
UNUSED static int64_t
clockns(clockid_t id)
{
	struct timespec ts;

	if(clock_gettime(id, &ts) != 0)
		abort();
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

UNUSED static int64_t
nowns(void)
{
	return clockns(CLOCK_MONOTONIC);
}

/* The time ns nanoseconds (may be negative) from now on the given clock. */
UNUSED static struct timespec
deadline(clockid_t id, int64_t ns)
{
	int64_t t = clockns(id) + ns;
	struct timespec ts;

	ts.tv_sec = t / 1000000000;
	ts.tv_nsec = t % 1000000000;
	return ts;
}

#define MS 1000000LL
#define SEC 1000000000LL

/* Sleeps ms milliseconds. */
UNUSED static void
msleep(int ms)
{
	struct timespec ts;

	ts.tv_sec = ms / 1000;
	ts.tv_nsec = ms % 1000 * MS;
	while(nanosleep(&ts, &ts) != 0 && errno == EINTR)
		;
}

/* What the process has in memory, in KiB. */
UNUSED static long
rsskb(void)
{
	long size, rss = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f != NULL && fscanf(f, "%ld %ld", &size, &rss) == 2);
	fclose(f);
	return rss * (sysconf(_SC_PAGESIZE) / 1024);
}

/* For programs that lower their priority and know by how much: begins with the usual one. */
UNUSED static void
usualnice(void)
{
	if(getpriority(PRIO_PROCESS, 0) != 0 && setpriority(PRIO_PROCESS, 0, 0) != 0)
		SKIP("has begun with less than the usual priority, and may not have that");
}

/* Recurses until the stack is full, from n = 0 on. */
UNUSED static int
deeper(int n)
{
	volatile char frame[512];

	frame[n % 512] = n;
	return deeper(n + 1) + frame[n % 512];
}

/* A small generator, one state a thread: xorshift64. */
UNUSED static uint64_t
rnd(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* Starts a thread with default attributes. */
UNUSED static pthread_t
spawn(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	OK(pthread_create(&t, NULL, fn, arg));
	return t;
}

/* Joins a thread and returns its result. */
UNUSED static void *
join(pthread_t t)
{
	void *r;

	OK(pthread_join(t, &r));
	return r;
}

#endif
