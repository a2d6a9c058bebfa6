/* SPDX-License-Identifier: MIT */
/*
 * What LD_PRELOAD of a library adds to a short command.
 *
 *	startup RUNS LIBRARY COMMAND [ARG]...
 *
 * Runs the command alternately with and without the library in LD_PRELOAD. Reports the
 * median of the wall time (from fork to exit), the CPU time of the child, and what the
 * library adds to each.
 */
#include "bench.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char **
environment_with(const char *library)
{
	size_t n = 0;

	while(environ[n] != NULL)
		n++;
	char **env = alloc(n + 2, sizeof env[0]);
	memcpy(env, environ, n * sizeof env[0]);
	if(asprintf(&env[n], "LD_PRELOAD=%s", library) < 0)
		die(errno, "LD_PRELOAD");
	return env;
}

static int64_t
timeval_ns(struct timeval t)
{
	return t.tv_sec * INT64_C(1000000000) + t.tv_usec * INT64_C(1000);
}

/* Run the command once; its wall and CPU time in nanoseconds. */
static void
run(char **command, char **env, int64_t *wall, int64_t *cpu)
{
	struct rusage usage;
	pid_t pid;
	int status;
	int64_t start = now_ns();
	int err = posix_spawnp(&pid, command[0], NULL, NULL, command, env);

	if(err != 0)
		die(err, "%s", command[0]);
	if(wait4(pid, &status, 0, &usage) != pid)
		die(errno, "wait4");
	*wall = now_ns() - start;
	*cpu = timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
	if(status != 0)
		die(0, "%s: wait status %#x", command[0], (unsigned)status);
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double
median_us(int64_t *ns, long n)
{
	qsort(ns, (size_t)n, sizeof ns[0], compare);
	return (double)ns[n / 2] / 1e3;
}

int
main(int argc, char **argv)
{
	if(argc < 4)
		die(0, "usage: startup RUNS LIBRARY COMMAND [ARG]...");
	long runs = number("RUNS", argv[1], 1, 1000000);
	if(access(argv[2], R_OK) != 0)
		die(errno, "%s", argv[2]);
	unsetenv("LD_PRELOAD");
	char **with = environment_with(argv[2]);
	int64_t *wall[2], *cpu[2];

	for(int k = 0; k < 2; k++) {
		wall[k] = alloc((size_t)runs, sizeof wall[k][0]);
		cpu[k] = alloc((size_t)runs, sizeof cpu[k][0]);
	}
	for(long i = 0; i < runs; i++) {
		run(argv + 3, environ, &wall[0][i], &cpu[0][i]);
		run(argv + 3, with, &wall[1][i], &cpu[1][i]);
	}
	double wall_us[2], cpu_us[2];
	for(int k = 0; k < 2; k++) {
		wall_us[k] = median_us(wall[k], runs);
		cpu_us[k] = median_us(cpu[k], runs);
	}
	report("startup.without.wall", wall_us[0], "us");
	report("startup.without.cpu", cpu_us[0], "us");
	report("startup.with.wall", wall_us[1], "us");
	report("startup.with.cpu", cpu_us[1], "us");
	report("startup.adds.wall", wall_us[1] - wall_us[0], "us");
	report("startup.adds.cpu", cpu_us[1] - cpu_us[0], "us");
	return 0;
}
