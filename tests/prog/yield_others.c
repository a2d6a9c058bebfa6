/* SPDX-License-Identifier: MIT */
/* stress: no, it measures CPU time */
/*
 * Threads that wait for each other by yielding, with more kernel threads to run them than processors: whoever waits gives up the
 * processor for real, to the kernel thread whose thread it waits for, and not only at the end of its time slice.
 */
#include "prog.h"
#include <sched.h>

#define N      8
#define ROUNDS 1000
#define MOST   1000 /* ms of CPU time; a time slice a round would be several times that */

static int come, round_;

/* A barrier as of LLVM's OpenMP, without its sleep. */
static void
meet(int r)
{
	if(__atomic_add_fetch(&come, 1, __ATOMIC_SEQ_CST) == N){
		__atomic_store_n(&come, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&round_, r + 1, __ATOMIC_SEQ_CST);
	}
	while(__atomic_load_n(&round_, __ATOMIC_SEQ_CST) == r)
		sched_yield();
}

static void *
worker(void *arg)
{
	for(int64_t end = nowns() + 30000000; nowns() < end;) /* so that each P has some */
		;
	for(int r = 0; r < scale(ROUNDS); r++)
		meet(r);
	return arg;
}

/* One processor for all: before there are threads, so that it is the process's. */
static void
onecpu(void)
{
	cpu_set_t all, one;
	int cpu = 0;

	EQ(sched_getaffinity(0, sizeof all, &all), 0);
	while(!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	EQ(sched_setaffinity(0, sizeof one, &one), 0);
}

int
main(void)
{
	struct timespec cpu;
	pthread_t t[N];
	long ms;

	onecpu();
	for(int i = 0; i < N; i++)
		OK(pthread_create(&t[i], NULL, worker, NULL));
	for(int i = 0; i < N; i++)
		OK(pthread_join(t[i], NULL));
	EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu), 0);
	ms = cpu.tv_sec * 1000 + cpu.tv_nsec / 1000000;
	dprintf(2, "%ld ms\n", ms);
	CHECK(ms < scale(MOST));
	printf("met %d times\n", scale(ROUNDS));
	return 0;
}
