/* SPDX-License-Identifier: MIT */
/* For programs that need more descriptors than the 1024 a process usually has to begin with. */
#ifndef MANYFILES_H
#define MANYFILES_H

#if !defined PROG_H && !defined IO_UTIL_H
#include "prog.h"
#endif
#include <sys/resource.h>

/* Lets the process have n descriptors, if it may; else it cannot run here. */
static void
manyfiles(rlim_t n)
{
	struct rlimit rl;

	CHECK(getrlimit(RLIMIT_NOFILE, &rl) == 0);
	if(rl.rlim_max < n)
		SKIP("a process may not have as many descriptors as this needs");
	if(rl.rlim_cur >= n)
		return;
	rl.rlim_cur = n;
	CHECK(setrlimit(RLIMIT_NOFILE, &rl) == 0);
}

#endif
