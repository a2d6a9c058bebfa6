/* SPDX-License-Identifier: MIT */
/*
 * Threads that compute and never call anything: the others still get their
 * turn, and what the hogs compute is right, whatever registers it lives in.
 */
#include "io_util.h"
#include <math.h>

static atomic_bool stop;
static atomic_int running;

/* The same steps with and without interruptions: 64-bit integers. */
static uint64_t
ints(uint64_t x, long n)
{
	while(n-- > 0) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	}
	return x;
}

static double
floats(double x, long n)
{
	double a = x, b = x + 1, c = x + 2, d = x + 3;
	while(n-- > 0) {
		a = a * 0.999 + b * 0.001;
		b = b * 0.998 + c * 0.002;
		c = c * 0.997 + d * 0.003;
		d = d * 0.996 + 1.5;
	}
	return a + b + c + d;
}

static long double
x87(long double x, long n)
{
	while(n-- > 0)
		x = x * 0.9999L + 0.0001L * n;
	return x;
}

typedef uint32_t vec __attribute__((vector_size(32)));

static uint32_t
vectors(uint32_t s, long n)
{
	vec a = { s, s + 1, s + 2, s + 3, s + 4, s + 5, s + 6, s + 7 }, b = a * 3, c = a ^ b;
	uint32_t r = 0;
	while(n-- > 0) {
		a = a * 1664525 + b;
		b = b ^ (a >> 9) ^ c;
		c = c + (b << 3);
	}
	for(int i = 0; i < 8; i++)
		r = r * 31 + a[i] + b[i] + c[i];
	return r;
}

/* Comparing flags, string instructions: inside libc's own text. */
static int
strings(char *buf, size_t n, long rounds)
{
	int r = 0;
	while(rounds-- > 0) {
		memmove(buf + 1, buf, n - 1);
		buf[0] = rounds;
		r += memchr(buf, 300 - 1, n) != NULL;
	}
	for(size_t i = 0; i < n; i++)
		r = r * 33 + (unsigned char)buf[i];
	return r;
}

enum { KINDS = 6, CHUNK = 20000 };

static void *
hog(void *arg)
{
	int k = (intptr_t)arg;
	char *b1 = calloc(1, 4096), *b2 = calloc(1, 4096);
	running++;
	switch(k % KINDS) {
	case 0: {
		uint64_t want = ints(k + 1, CHUNK);
		while(!stop)
			CHECK(ints(k + 1, CHUNK) == want);
		break;
	}
	case 1: {
		double want = floats(k, CHUNK);
		while(!stop)
			CHECK(floats(k, CHUNK) == want);
		break;
	}
	case 2: {
		long double want = x87(k, CHUNK);
		while(!stop)
			CHECK(x87(k, CHUNK) == want);
		break;
	}
	case 3: {
		uint32_t want = vectors(k, CHUNK);
		while(!stop)
			CHECK(vectors(k, CHUNK) == want);
		break;
	}
	case 4: {
		int want = strings(b1, 4096, 500);
		while(!stop) {
			memset(b2, 0, 4096);
			CHECK(strings(b2, 4096, 500) == want);
		}
		break;
	}
	case 5: /* the smallest loop there is */
		while(!atomic_load_explicit(&stop, memory_order_relaxed))
			;
		break;
	}
	free(b1), free(b2);
	return NULL;
}

static int s[2];

static void *
sleeper(void *arg)
{
	for(int i = 0; i < 5; i++) {
		struct timespec ts = { 0, MS };
		int64_t t0 = now();
		OK(nanosleep(&ts, NULL));
		TOOK(t0, MS, MS);
	}
	return NULL;
}

static void
run(int nhog)
{
	char b;
	stop = false;
	running = 0;
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pthread_t e = spawn(echofd, FDARG(s[1])), *t = spawnall(nhog, hog);
	while(running < nhog)
		sched_yield();
	pthread_t sl = spawn(sleeper, NULL);
	int64_t t0 = now();
	for(int i = 0; i < 10; i++) {
		EQ(write(s[0], "x", 1), 1);
		EQ(read(s[0], &b, 1), 1);
	}
	TOOK(t0, 0, 0);
	join(sl);
	stop = true;
	joinall(t, nhog);
	OK(close(s[0]));
	join(e);
	OK(close(s[1]));
	pass("%d hogs", nhog);
}

int
main(void)
{
	run(1);
	run(KINDS);
	return 0;
}
