/* SPDX-License-Identifier: MIT */
/* limits_nproc on one CPU, which the threads that compute share with whoever tells them to stop. */
#include "prog.h"
#include <sched.h>
#define main limits_nproc
#include "limits_nproc.c"
#undef main

int
main(int argc, char **argv)
{
	cpu_set_t mask, one;

	if(argc > 1)
		return limits_nproc();
	CPU_ZERO(&one);
	EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
	for(int i = CPU_SETSIZE - 1; i >= 0; i--)
		if(CPU_ISSET(i, &mask)) {
			CPU_SET(i, &one);
			break;
		}
	EQ(sched_setaffinity(0, sizeof one, &one), 0);
	CHECK(execl("/proc/self/exe", argv[0], "pinned", (char *)NULL) == 0); /* all threads are to inherit it */
	return 1;
}
