/* SPDX-License-Identifier: MIT */
/* A mutex and an event count made of futex system calls, as Rust's std and others make them; nothing may be lost. */
#include "prog.h"
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#define N 16

static _Atomic uint32_t lk, seq;
static long count, produced, consumed;
static int closed;

static long
futex(_Atomic uint32_t *p, int op, uint32_t val, const struct timespec *ts, uint32_t bits)
{
	return syscall(SYS_futex, p, op | FUTEX_PRIVATE_FLAG, val, ts, NULL, bits);
}

/* 0 free, 1 held, 2 held with waiters */
static void
lock(void)
{
	uint32_t s = 0;

	if(__atomic_compare_exchange_n((uint32_t *)&lk, &s, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while(__atomic_exchange_n((uint32_t *)&lk, 2, __ATOMIC_ACQUIRE) != 0)
		futex(&lk, FUTEX_WAIT, 2, NULL, 0);
}

static void
unlock(void)
{
	if(__atomic_exchange_n((uint32_t *)&lk, 0, __ATOMIC_RELEASE) == 2)
		futex(&lk, FUTEX_WAKE, 1, NULL, 0);
}

/* Waits for a notify that comes after the read of seq; with or without a deadline. */
static void
waitevent(uint32_t s, int timed)
{
	struct timespec ts = deadline(CLOCK_MONOTONIC, 50000);

	unlock();
	if(timed)
		futex(&seq, FUTEX_WAIT_BITSET, s, &ts, FUTEX_BITSET_MATCH_ANY);
	else
		futex(&seq, FUTEX_WAIT, s, NULL, 0);
	lock();
}

static void
notify(int n)
{
	seq++;
	futex(&seq, FUTEX_WAKE, n, NULL, 0);
}

static void *
adder(void *arg)
{
	int loops = scale(3000);

	for(int i = 0; i < loops; i++) {
		lock();
		long was = count;
		if(i % 32 == 0)
			sched_yield();
		count = was + 1;
		unlock();
	}
	return arg;
}

static void *
consumer(void *arg)
{
	lock();
	for(;;) {
		while(consumed == produced && !closed)
			waitevent(seq, (intptr_t)arg % 2);
		if(consumed == produced)
			break;
		consumed++;
	}
	unlock();
	return NULL;
}

int
main(void)
{
	pthread_t t[N];
	int n = scale(6000);

	for(int i = 0; i < N; i++)
		t[i] = spawn(adder, NULL);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(count, (long)N * scale(3000));

	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(consumer, (void *)i);
	for(int i = 0; i < n; i++) {
		lock();
		produced++;
		unlock();
		notify(1);
		if(i % 64 == 0)
			sched_yield();
	}
	lock();
	closed = 1;
	unlock();
	notify(INT_MAX);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(consumed, n);
	puts("ok");
	return 0;
}
