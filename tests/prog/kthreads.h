/* SPDX-License-Identifier: MIT */
/* How many kernel threads this process has; and for programs that only run under heddle, whether these are few. */
#ifndef KTHREADS_H
#define KTHREADS_H

#if !defined PROG_H && !defined IO_UTIL_H
#include "prog.h"
#endif
#include <dirent.h>

static int
kthreads(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	CHECK(d != NULL);
	while((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* Fails if there are more than may run at a time, and a few. */
__attribute__((unused)) static void
fewthreads(int few)
{
	const char *procs = getenv("HEDDLE_MAXPROCS");
	int most = (procs != NULL ? atoi(procs) : 1) + few, n = kthreads();

	if(n > most)
		dprintf(2, "%d kernel threads, not %d at most\n", n, most);
	CHECK(n <= most);
}

#endif
