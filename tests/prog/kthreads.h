/* SPDX-License-Identifier: MIT */
/* For programs that only run under heddle: how many kernel threads their waiting threads take. */
#ifndef KTHREADS_H
#define KTHREADS_H

#include "io_util.h"
#include <dirent.h>

/* Fails if this process has more kernel threads than may run at a time, and a few. */
static void
fewthreads(int few)
{
	const char *procs = getenv("HEDDLE_MAXPROCS");
	int most = (procs != NULL ? atoi(procs) : 1) + few, n = 0;
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	CHECK(d != NULL);
	while((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	if(n > most)
		die(__FILE__, __LINE__, "%d kernel threads, not %d at most", n, most);
}

#endif
