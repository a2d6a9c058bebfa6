/* SPDX-License-Identifier: MIT */
/* pthread_once: exactly once, all wait until it is done even if it blocks, and again after an init that was cancelled. */
#include "prog.h"

#define N 40
#define ROUNDS 30

static pthread_once_t once[ROUNDS];
static _Atomic int calls, finished;
static pthread_barrier_t bar;
static __thread int round_;
static int value[ROUNDS];

static void
init(void)
{
	calls++;
	/* Of all kinds: quick, yielding, sleeping. */
	for(int k = 0; k < round_ % 3 * 20; k++)
		sched_yield();
	if(round_ % 5 == 0)
		msleep(5);
	value[round_] = 42;
}

static void *
work(void *arg)
{
	for(round_ = 0; round_ < ROUNDS; round_++) {
		pthread_barrier_wait(&bar);
		OK(pthread_once(&once[round_], init));
		EQ(value[round_], 42);
		finished++;
	}
	return arg;
}

static pthread_once_t cancelled = PTHREAD_ONCE_INIT;
static _Atomic int tries;

static void
stuck(void)
{
	tries++;
	if(tries == 1)
		for(;;)
			sleep(1000);	/* a cancellation point */
}

static void *
callstuck(void *arg)
{
	OK(pthread_once(&cancelled, stuck));
	return arg;
}

int
main(void)
{
	pthread_t t[N];

	for(int i = 0; i < ROUNDS; i++)
		once[i] = (pthread_once_t)PTHREAD_ONCE_INIT;
	OK(pthread_barrier_init(&bar, NULL, N));
	for(int i = 0; i < N; i++)
		t[i] = spawn(work, NULL);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(calls, ROUNDS);
	EQ(finished, ROUNDS * N);

	t[0] = spawn(callstuck, &tries);
	while(tries == 0)
		sched_yield();
	t[1] = spawn(callstuck, &tries);	/* waits for the first */
	t[2] = spawn(callstuck, &tries);
	msleep(20);
	EQ(tries, 1);
	OK(pthread_cancel(t[0]));
	CHECK(join(t[0]) == PTHREAD_CANCELED);
	CHECK(join(t[1]) == &tries);
	CHECK(join(t[2]) == &tries);
	EQ(tries, 2);
	puts("ok");
	return 0;
}
