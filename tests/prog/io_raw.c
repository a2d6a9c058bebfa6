/* SPDX-License-Identifier: MIT */
/*
 * Calls that no library sees: the `syscall` instruction itself, waiting in the
 * kernel.  Other threads go on, and results arrive, however few kernel threads
 * the program is given.
 */
#include "io_util.h"

#if !defined(__x86_64__)
int
main(void)
{
	return 77;
}
#else

static long
raw3(long nr, long a, long b, long c)
{
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
}

enum { N = 20 };

static int p[N][2], ping[2], pong[2];
static atomic_int begun;

static void *
rawreader(void *arg)
{
	int i = (intptr_t)arg, v = 0;
	begun++;
	EQ(raw3(SYS_read, p[i][0], (long)&v, sizeof v), sizeof v);
	EQ(v, i * 17);
	/* The thread is itself again: its errno, its descriptors, its sleep. */
	FAILS(read(-1, &v, 1), EBADF);
	struct timespec ts = { 0, MS };
	OK(nanosleep(&ts, NULL));
	return NULL;
}

static void *
ponger(void *arg)
{
	char b;
	while(read(ping[0], &b, 1) == 1)
		EQ(write(pong[1], &b, 1), 1);
	return NULL;
}

static void
pingpong(int n)
{
	char b;
	int64_t t0 = now();
	for(int i = 0; i < n; i++) {
		EQ(write(ping[1], &(char){ i }, 1), 1);
		EQ(read(pong[0], &b, 1), 1);
		EQ(b, (char)i);
	}
	TOOK(t0, 0, 0);
}

static void *
rawsleep(void *arg)
{
	struct timespec ts = { 0, 200 * MS };
	int64_t t0 = now();
	long r;
	/* Which call is made is not known to whoever interrupts a thread that has run until just now, and this one is never restarted. */
	while((r = raw3(SYS_nanosleep, (long)&ts, (long)&ts, 0)) == -EINTR)
		;
	EQ(r, 0);
	TOOK(t0, 200 * MS, 200 * MS);
	return NULL;
}

static void *
release(void *arg)
{
	pingpong(50);
	int v = 4711;
	EQ(write(p[0][1], &v, sizeof v), sizeof v);
	return NULL;
}

int
main(void)
{
	for(int i = 0; i < N; i++)
		OK(pipe(p[i]));
	OK(pipe(ping));
	OK(pipe(pong));
	pthread_t q = spawn(ponger, NULL);
	pthread_t *t = spawnall(N, rawreader);
	while(begun < N)
		sched_yield();
	pingpong(200);
	pass("others go on beside raw reads");
	for(int i = 0; i < N; i++) {
		int v = i * 17;
		EQ(write(p[i][1], &v, sizeof v), sizeof v);
	}
	joinall(t, N);
	pass("raw reads");

	/* The main thread waits raw, another wakes it. */
	int v = 0;
	pthread_t r = spawn(release, NULL);
	EQ(raw3(SYS_read, p[0][0], (long)&v, sizeof v), sizeof v);
	EQ(v, 4711);
	join(r);
	pass("raw read in the main thread");

	int64_t t0 = now();
	t = spawnall(30, rawsleep);
	joinall(t, 30);
	TOOK(t0, 200 * MS, 200 * MS);
	pass("raw sleeps");
	OK(close(ping[1]));
	join(q);
	return 0;
}
#endif
