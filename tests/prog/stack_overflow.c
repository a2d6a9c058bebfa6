/* SPDX-License-Identifier: MIT */
/* status: 139 */
/* A thread that overflows its stack dies of SIGSEGV in the guard, without touching its neighbours' stacks. */
#include "prog.h"
#include <sys/resource.h>

static _Atomic int ready;

static void *
neighbour(void *arg)
{
	volatile char mark[4096];

	memset((char *)mark, 0x77, sizeof mark);
	ready++;
	for(;;) {
		for(size_t i = 0; i < sizeof mark; i++)
			EQ(mark[i], 0x77);
		sched_yield();
	}
	return arg;
}

static void *
overflow(void *arg)
{
	printf("%d\n", deeper(0));
	return arg;
}

int
main(void)
{
	struct rlimit none = { 0, 0 };
	pthread_attr_t a;
	pthread_t t[9];

	setrlimit(RLIMIT_CORE, &none);
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, 256 << 10));
	puts("overflowing");
	fflush(stdout);
	for(int i = 0; i < 8; i++)
		OK(pthread_create(&t[i], &a, neighbour, NULL));
	while(ready < 8)
		sched_yield();
	OK(pthread_create(&t[8], &a, overflow, NULL));
	join(t[8]);
	return 0;
}
