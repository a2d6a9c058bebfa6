/* SPDX-License-Identifier: MIT */
/*
 * The processor's number: by sched_getcpu, getcpu and in the area that libc registers with the kernel (rseq), which must tell the
 * truth or that it does not know. For main and others, moving and bound.
 */
#include "prog.h"
#include <sched.h>
#include <sys/syscall.h>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>

static int
areacpu(void)
{
	volatile struct rseq *r = (volatile struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);

	return (int)r->cpu_id;
}
#else
static int
areacpu(void)
{
	return -1;
}
#endif

static int
kernelcpu(void)
{
	unsigned cpu;

	EQ(syscall(SYS_getcpu, &cpu, NULL, NULL), 0);
	return (int)cpu;
}

static cpu_set_t all;
static pthread_barrier_t bar;

/* Is what f says where the caller is? It may be moved while it asks. */
static int
right(int (*f)(void))
{
	for(int i = 0; i < 1000; i++) {
		int before = kernelcpu(), said = f(), after = kernelcpu();

		if(said < 0 || said == before || said == after)
			return 1;
	}
	return 0;
}

static int
libccpu(void)
{
	int cpu = sched_getcpu();

	CHECK(cpu >= 0);
	return cpu;
}

static int
getcpucpu(void)
{
	unsigned cpu, node;

	EQ(getcpu(&cpu, &node), 0);
	return (int)cpu;
}

static void
look(void)
{
	CHECK(right(libccpu));
	CHECK(right(getcpucpu));
	CHECK(right(areacpu));
}

static void *
moves(void *arg)
{
	pthread_barrier_wait(&bar);
	for(int i = 0; i < 200; i++) {
		look();
		if(i % 3)
			sched_yield();
		else
			usleep(100);
	}
	for(int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if(arg != NULL && CPU_ISSET(cpu, &all)) {
			cpu_set_t one;

			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			OK(pthread_setaffinity_np(pthread_self(), sizeof one, &one));
			EQ(sched_getcpu(), cpu);
			EQ(getcpucpu(), cpu);
			CHECK(areacpu() < 0 || areacpu() == cpu);
		}
	return arg;
}

int
main(void)
{
	pthread_t t[8];

	EQ(sched_getaffinity(0, sizeof all, &all), 0);
	look();
	OK(pthread_barrier_init(&bar, NULL, 9));
	for(int i = 0; i < 8; i++)
		t[i] = spawn(moves, i % 2 ? &all : NULL);
	moves(NULL);
	for(int i = 0; i < 8; i++)
		join(t[i]);
	/* threads in the places of those */
	OK(pthread_barrier_destroy(&bar));
	OK(pthread_barrier_init(&bar, NULL, 9));
	for(int i = 0; i < 8; i++)
		t[i] = spawn(moves, NULL);
	moves(&all);
	for(int i = 0; i < 8; i++)
		join(t[i]);
	puts("ok");
	return 0;
}
