/* SPDX-License-Identifier: MIT */
/* status: 139 */
/* madvise is forbidden: stacks work, and an overflow still meets a guard. */
#include "deny.h"
#include <sys/resource.h>

static void *
work(void *arg)
{
	if(arg != NULL)
		return (void *)(intptr_t)deeper(0);
	volatile char frame[30000];

	for(size_t i = 0; i < sizeof frame; i += 100)
		frame[i] = 1;
	sched_yield();
	return NULL;
}

int
main(void)
{
	static const int nr[] = { SYS_madvise };
	struct rlimit none = { 0, 0 };
	pthread_t t[100];

	setrlimit(RLIMIT_CORE, &none);
	deny(nr, 1, EINVAL, 0);
	for(int round = 0; round < 3; round++) {
		for(int i = 0; i < 100; i++)
			t[i] = spawn(work, NULL);
		for(int i = 0; i < 100; i++)
			join(t[i]);
	}
	puts("overflowing");
	fflush(stdout);
	join(spawn(work, t));
	return 0;
}
