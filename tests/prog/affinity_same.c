/* SPDX-License-Identifier: MIT */
/* native: no */
/*
 * A thread that asks for the processors that it may use anyway, as LLVM's OpenMP makes each of its do, needs no kernel thread
 * of its own for that. One that asks for fewer gets them.
 */
#include "kthreads.h"
#include <sched.h>
#include <sys/syscall.h>

#define N 24

static cpu_set_t all;
static pthread_barrier_t b;

static void *
same(void *arg)
{
	cpu_set_t got, *set = &all;

	switch((intptr_t)arg % 3){
	case 0:
		EQ(sched_setaffinity(0, sizeof *set, set), 0);
		break;
	case 1:
		EQ(syscall(SYS_sched_setaffinity, gettid(), 32, set), 0);
		break;
	case 2:
		OK(pthread_setaffinity_np(pthread_self(), sizeof *set, set));
		break;
	}
	pthread_barrier_wait(&b);
	for(int i = 0; i < 100; i++)
		sched_yield();
	EQ(sched_getaffinity(0, sizeof got, &got), 0);
	CHECK(CPU_EQUAL(&got, &all));
	pthread_barrier_wait(&b);
	pthread_barrier_wait(&b);
	return NULL;
}

static void *
fewer(void *arg)
{
	cpu_set_t one, got;
	int cpu = 0;

	while(!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	EQ(sched_setaffinity(0, sizeof one, &one), 0);
	CHECK(syscall(SYS_sched_getaffinity, 0, sizeof got, &got) > 0);
	EQ(sched_getaffinity(0, sizeof got, &got), 0);
	CHECK(CPU_EQUAL(&got, &one));
	EQ(sched_setaffinity(0, sizeof all, &all), 0); /* now it changes something */
	EQ(sched_getaffinity(0, sizeof got, &got), 0);
	CHECK(CPU_EQUAL(&got, &all));
	return arg;
}

int
main(void)
{
	pthread_t t[N], u;

	EQ(sched_getaffinity(0, sizeof all, &all), 0);
	OK(pthread_barrier_init(&b, NULL, N + 1));
	for(int i = 0; i < N; i++)
		OK(pthread_create(&t[i], NULL, same, (void *)(intptr_t)i));
	pthread_barrier_wait(&b);
	pthread_barrier_wait(&b);
	fewthreads(8);
	pthread_barrier_wait(&b);
	for(int i = 0; i < N; i++)
		OK(pthread_join(t[i], NULL));
	OK(pthread_create(&u, NULL, fewer, NULL));
	OK(pthread_join(u, NULL));
	EQ(sched_setaffinity(0, sizeof all, NULL), -1);
	EQ(errno, EFAULT);
	EQ(sched_setaffinity(0, 0, &all), -1);
	EQ(errno, EINVAL);
	printf("same\n");
	return 0;
}
