/* SPDX-License-Identifier: MIT */
/* futex through syscall(2): every operation that programs use, private and shared, its results and errors. */
#include "prog.h"
#include <limits.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define N 12

static int priv;		/* FUTEX_PRIVATE_FLAG or 0 */
static uint32_t *a, *b;		/* the two futexes */
static _Atomic int woken, wokenb;
static uint32_t bits[N];

static long
futex(uint32_t *p, int op, uint32_t val, const void *ts, uint32_t *p2, uint32_t val3)
{
	return syscall(SYS_futex, p, op | priv, val, ts, p2, val3);
}

static void *
waiter(void *arg UNUSED)
{
	EQ(futex(a, FUTEX_WAIT, 0, NULL, NULL, 0), 0);
	woken++;
	return NULL;
}

static void *
bitwaiter(void *arg)
{
	EQ(futex(a, FUTEX_WAIT_BITSET, 0, NULL, NULL, *(uint32_t *)arg), 0);
	woken++;
	return NULL;
}

static void *
bwaiter(void *arg UNUSED)
{
	EQ(futex(b, FUTEX_WAIT, 7, NULL, NULL, 0), 0);
	wokenb++;
	return NULL;
}

/* How many wait at p: those whom a requeue moves to where they are. */
static long
waitersof(uint32_t *p)
{
	return futex(p, FUTEX_REQUEUE, 0, (void *)(long)INT_MAX, p, 0);
}

/* Starts n threads and waits until all are in their futex, p. */
static void
start(pthread_t *t, int n, void *(*fn)(void *), uint32_t *p)
{
	long r;

	for(int i = 0; i < n; i++)
		t[i] = spawn(fn, &bits[i]);
	while((r = waitersof(p)) < n) {
		CHECK(r >= 0);
		sched_yield();
	}
	EQ(r, n);
}

/* Wakes exactly want of those that wait, in calls of n. */
static void
wakeall(uint32_t *p, int n, int want)
{
	int got = 0;

	while(got < want) {
		long r = futex(p, FUTEX_WAKE, n, NULL, NULL, 0);

		CHECK(r >= 0 && r <= n);
		got += r;
		if(r == 0)
			sched_yield();
	}
	EQ(got, want);
}

static void
waitwake(void)
{
	struct timespec ts;
	pthread_t t[N];
	int64_t t0;

	EQ(futex(a, FUTEX_WAIT, 1, NULL, NULL, 0), -1);
	EQ(errno, EAGAIN);
	EQ(futex(a, FUTEX_WAKE, 100, NULL, NULL, 0), 0);

	/* Relative for WAIT, absolute monotonic or real for WAIT_BITSET. */
	for(int us = 1; us < 20000; us *= 5) {
		ts.tv_sec = 0;
		ts.tv_nsec = us * 1000;
		t0 = nowns();
		EQ(futex(a, FUTEX_WAIT, 0, &ts, NULL, 0), -1);
		EQ(errno, ETIMEDOUT);
		CHECK(nowns() - t0 >= us * 1000);
		t0 = nowns();
		ts = deadline(CLOCK_MONOTONIC, us * 1000);
		EQ(futex(a, FUTEX_WAIT_BITSET, 0, &ts, NULL, FUTEX_BITSET_MATCH_ANY), -1);
		EQ(errno, ETIMEDOUT);
		CHECK(nowns() - t0 >= us * 1000);
		t0 = clockns(CLOCK_REALTIME);
		ts = deadline(CLOCK_REALTIME, us * 1000);
		EQ(futex(a, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &ts, NULL, 1), -1);
		EQ(errno, ETIMEDOUT);
		CHECK(clockns(CLOCK_REALTIME) - t0 >= us * 1000);
	}
	ts.tv_sec = 0;
	ts.tv_nsec = 1000000000;
	EQ(futex(a, FUTEX_WAIT, 0, &ts, NULL, 0), -1);
	EQ(errno, EINVAL);
	EQ(futex(a, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), -1);
	EQ(errno, EINVAL);
	EQ(futex(a, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), -1);
	EQ(errno, EINVAL);
	EQ(futex((uint32_t *)((char *)a + 1), FUTEX_WAIT, 0, NULL, NULL, 0), -1);
	EQ(errno, EINVAL);
	EQ(futex(a, 99, 0, NULL, NULL, 0), -1);
	EQ(errno, ENOSYS);

	woken = 0;
	start(t, N, waiter, a);
	EQ(woken, 0);
	wakeall(a, 1, 1);
	wakeall(a, 3, 3);
	wakeall(a, 1 << 30, N - 4);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(woken, N);
	EQ(futex(a, FUTEX_WAKE, 100, NULL, NULL, 0), 0);

	/* Bitsets: each wake reaches those that share a bit. */
	woken = 0;
	for(int i = 0; i < N; i++)
		bits[i] = 1u << i % 3;
	start(t, N, bitwaiter, a);
	EQ(futex(a, FUTEX_WAKE_BITSET, 100, NULL, NULL, 8), 0);
	for(int k = 0; k < 3; k++) {
		int got = 0;

		while(got < N / 3) {
			got += futex(a, FUTEX_WAKE_BITSET, 100, NULL, NULL, 1u << k);
			sched_yield();
		}
		EQ(got, N / 3);
	}
	for(int i = 0; i < N; i++)
		join(t[i]);
}

static void
requeue(void)
{
	pthread_t t[N];
	long r;

	woken = 0;
	start(t, N, waiter, a);
	EQ(futex(a, FUTEX_CMP_REQUEUE, 1, (void *)100L, b, 5), -1);
	EQ(errno, EAGAIN);
	/* One woken, the rest to b; then nobody is left at a. */
	r = futex(a, FUTEX_CMP_REQUEUE, 1, (void *)100L, b, 0);
	EQ(r, N);
	EQ(futex(a, FUTEX_WAKE, 100, NULL, NULL, 0), 0);
	EQ(futex(b, FUTEX_WAKE, 4, NULL, NULL, 0), 4);
	EQ(futex(b, FUTEX_WAKE, 100, NULL, NULL, 0), N - 5);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(woken, N);

	/* Only so many are moved. */
	woken = 0;
	start(t, N, waiter, a);
	r = futex(a, FUTEX_REQUEUE, 2, (void *)3L, b, 0);
	CHECK(r == 2 || r == 5);	/* the moved ones are counted too by Linux >= 2.6 */
	EQ(futex(a, FUTEX_WAKE, 100, NULL, NULL, 0), N - 5);
	EQ(futex(b, FUTEX_WAKE, 100, NULL, NULL, 0), 3);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(woken, N);
}

static void
wakeop(void)
{
	pthread_t t[N], u[N];

	/* *b: 7 -> 7+3; was 7, compare with 7: so wake at b too. */
	woken = wokenb = 0;
	*b = 7;
	start(t, 4, waiter, a);
	start(u, 4, bwaiter, b);
	EQ(futex(a, FUTEX_WAKE_OP, 2, (void *)3L, b, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 7)), 5);
	EQ(*b, 10);
	/* Now it does not compare: only a. */
	EQ(futex(a, FUTEX_WAKE_OP, 100, (void *)100L, b, FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_LT, 10)), 2);
	EQ(*b, 1);
	EQ(futex(a, FUTEX_WAKE_OP, 1, (void *)100L, b, FUTEX_OP(FUTEX_OP_OR, 6, FUTEX_OP_CMP_NE, 0)), 1);
	EQ(*b, 7);
	for(int i = 0; i < 4; i++) {
		join(t[i]);
		join(u[i]);
	}
	EQ(woken, 4);
	EQ(wokenb, 4);
	EQ(futex(a, FUTEX_WAKE_OP, 0, (void *)0L, b, FUTEX_OP(FUTEX_OP_ANDN, 2, FUTEX_OP_CMP_GT, 0)), 0);
	EQ(*b, 5);
	EQ(futex(a, FUTEX_WAKE_OP, 0, (void *)0L, b, FUTEX_OP(FUTEX_OP_XOR, 15, FUTEX_OP_CMP_GE, 0)), 0);
	EQ(*b, 10);
	*b = 0;
}

static void *
all(void *arg)
{
	waitwake();
	requeue();
	wakeop();
	return arg;
}

int
main(void)
{
	static uint32_t own[2];
	uint32_t *shared;

	priv = FUTEX_PRIVATE_FLAG;
	a = &own[0];
	b = &own[1];
	all(NULL);
	join(spawn(all, NULL));
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	priv = 0;
	a = &shared[0];
	b = &shared[512];
	all(NULL);
	puts("ok");
	return 0;
}
