/* SPDX-License-Identifier: MIT */
/* status: 5 */
/* Return from main ends the process with its value while others run, wait and print nothing more. */
#include "prog.h"

static _Atomic int started;

static void
bye(void)
{
	puts("atexit");
}

static void *
spin(void *a)
{
	started++;
	for(volatile long i = 0;; i++)
		;
	return a;
}

static void *
nap(void *a)
{
	started++;
	sleep(1000);
	puts("never");
	return a;
}

int
main(void)
{
	atexit(bye);
	for(int i = 0; i < 20; i++)
		spawn(i < 3 ? spin : nap, NULL);
	while(started < 20)
		sched_yield();
	puts("main returns");
	return 5;
}
