/* SPDX-License-Identifier: MIT */
/* native: no */
/* Descriptors that libc makes and closes by itself: pipes of popen where files have been. Who reads them needs no kernel thread. */
#include "io_util.h"
#include <dirent.h>

enum { N = 24, FEW = 8 };

static FILE *pipes[N];
static atomic_int reading;

static void *
reads(void *arg)
{
	int i = (intptr_t)arg, v;
	char line[40];

	reading++;
	CHECK(fgets(line, sizeof line, pipes[i]));
	EQ(sscanf(line, "%d", &v), 1);
	EQ(v, i);
	EQ(pclose(pipes[i]), 0);
	return NULL;
}

static int
kernelthreads(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	CHECK(d);
	while(readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void *
nothing(void *arg)
{
	return arg;
}

int
main(void)
{
	const char *procs = getenv("HEDDLE_MAXPROCS");
	int most = (procs ? atoi(procs) : 1) + FEW, n;
	FILE *f[N];
	char cmd[100];

	join(spawn(nothing, NULL));
	for(int i = 0; i < N; i++)
		CHECK((f[i] = fopen("/proc/self/exe", "r")) != NULL && getc(f[i]) == 0x7f);
	for(int i = 0; i < N; i++)
		EQ(fclose(f[i]), 0);
	for(int i = 0; i < N; i++) {
		snprintf(cmd, sizeof cmd, "sleep 1; echo %d", i);
		CHECK((pipes[i] = popen(cmd, "r")) != NULL);
	}
	pthread_t *t = spawnall(N, reads);
	while(reading < N)
		sched_yield();
	nudge();
	nudge();
	n = kernelthreads();
	if(n > most)
		die(__FILE__, __LINE__, "%d kernel threads, not %d at most", n, most);
	joinall(t, N);
	pass("popen");
	return 0;
}
