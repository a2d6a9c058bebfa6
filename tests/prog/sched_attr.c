/* SPDX-License-Identifier: MIT */
/* Scheduling calls answer as natively: policy and parameters, affinity, CPU clocks, concurrency, getcpu, kill with 0. */
#include "prog.h"
#include <sched.h>
#include <signal.h>

static pthread_barrier_t bar;

static void *
look(void *arg)
{
	struct sched_param sp;
	cpu_set_t set;
	clockid_t id;
	int policy;

	OK(pthread_getschedparam(pthread_self(), &policy, &sp));
	EQ(policy, SCHED_OTHER);
	EQ(sp.sched_priority, 0);
	sp.sched_priority = 0;
	OK(pthread_setschedparam(pthread_self(), SCHED_OTHER, &sp));
	sp.sched_priority = 1000;
	EQ(pthread_setschedparam(pthread_self(), SCHED_OTHER, &sp), EINVAL);
	OK(pthread_getaffinity_np(pthread_self(), sizeof set, &set));
	CHECK(CPU_COUNT(&set) >= 1);
	OK(pthread_getcpuclockid(pthread_self(), &id));
	CHECK(sched_getcpu() >= 0);

	/* The thread's CPU time: grows with its own work, not with others'. */
	int64_t t0 = clockns(CLOCK_THREAD_CPUTIME_ID);
	for(volatile int i = 0; i < 3000000; i++)
		;
	int64_t t1 = clockns(CLOCK_THREAD_CPUTIME_ID);
	CHECK(t1 > t0);

	/* Bound to one processor: it says so and is there. */
	for(int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if(CPU_ISSET(cpu, &set)) {
			cpu_set_t one, got;

			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			OK(pthread_setaffinity_np(pthread_self(), sizeof one, &one));
			OK(pthread_getaffinity_np(pthread_self(), sizeof got, &got));
			CHECK(CPU_EQUAL(&one, &got));
			sched_yield();
			EQ(sched_getcpu(), cpu);
		}
	pthread_barrier_wait(&bar);
	pthread_barrier_wait(&bar);
	return arg;
}

int
main(void)
{
	struct sched_param sp;
	cpu_set_t before, after;
	pthread_attr_t a;
	clockid_t id;
	pthread_t t;
	int got;

	OK(pthread_barrier_init(&bar, NULL, 2));
	EQ(sched_getaffinity(0, sizeof before, &before), 0);
	t = spawn(look, NULL);
	pthread_barrier_wait(&bar);
	OK(pthread_kill(t, 0));
	EQ(pthread_kill(t, 1000), EINVAL);
	OK(pthread_getschedparam(t, &got, &sp));
	EQ(got, SCHED_OTHER);
	OK(pthread_getcpuclockid(t, &id));
	CHECK(clockns(id) > 0);
	pthread_barrier_wait(&bar);
	join(t);
	EQ(sched_getaffinity(0, sizeof after, &after), 0);
	CHECK(CPU_EQUAL(&before, &after));	/* main's own is unchanged */

	OK(pthread_attr_init(&a));
	OK(pthread_attr_getinheritsched(&a, &got));
	EQ(got, PTHREAD_INHERIT_SCHED);
	OK(pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED));
	OK(pthread_attr_setschedpolicy(&a, SCHED_OTHER));
	OK(pthread_attr_setscope(&a, PTHREAD_SCOPE_SYSTEM));
	EQ(pthread_attr_setscope(&a, PTHREAD_SCOPE_PROCESS), ENOTSUP);
	OK(pthread_create(&t, &a, look, NULL));
	pthread_barrier_wait(&bar);
	pthread_barrier_wait(&bar);
	join(t);
	OK(pthread_setconcurrency(3));
	EQ(pthread_getconcurrency(), 3);
	puts("ok");
	return 0;
}
