/* SPDX-License-Identifier: MIT */
/* procs: 2 */
/* Bad values in the environment are named on stderr and ignored: the program runs as ever. */
#include "prog.h"

static void *
work(void *arg)
{
	sched_yield();
	return arg;
}

int
main(void)
{
	for(intptr_t i = 0; i < 20; i++)
		CHECK(join(spawn(work, (void *)i)) == (void *)i);
	puts("ok");
	return 0;
}
