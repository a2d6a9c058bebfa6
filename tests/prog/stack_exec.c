/* SPDX-License-Identifier: MIT */
/* A nested function whose address is taken is called through code on the stack: threads' stacks are executable if the program needs that. */
/* build: -Wl,-z,execstack */
#include "prog.h"

static long
apply(long (*fn)(long), long x)
{
	__asm__ volatile("" ::: "memory");
	return fn(x);
}

static void *
thread(void *arg)
{
	long k = (long)(intptr_t)arg;
	long add(long x) { return x + k; }
	long (*volatile fn)(long) = add;

	return (void *)(intptr_t)apply(fn, 1);
}

int
main(void)
{
	pthread_t t[20];

	for(long i = 0; i < 20; i++)
		t[i] = spawn(thread, (void *)(intptr_t)i);
	for(long i = 0; i < 20; i++)
		EQ((long)(intptr_t)join(t[i]), i + 1);
	puts("ok");
	return 0;
}
