/* SPDX-License-Identifier: MIT */
/* Clocks, quantiles and output of the benchmark programs: see bench.h. */
#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static int64_t
clock_ns(clockid_t id)
{
	struct timespec t;

	if(clock_gettime(id, &t) != 0)
		return -1;
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t
now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t
cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t
cpu_ns_of(pid_t pid)
{
	clockid_t id;

	if(clock_getcpuclockid(pid, &id) != 0)
		return -1;
	return clock_ns(id);
}

long
proc_status(pid_t pid, const char *key)
{
	char path[64], line[256];
	size_t len = strlen(key);
	long value = -1;

	if(pid == 0)
		snprintf(path, sizeof path, "/proc/self/status");
	else
		snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	if(f == NULL)
		return -1;
	while(value < 0 && fgets(line, sizeof line, f) != NULL) {
		if(strncmp(line, key, len) == 0 && line[len] == ':')
			value = atol(line + len + 1);
	}
	fclose(f);
	return value;
}

void
report(const char *name, double value, const char *unit)
{
	printf("%s\t%.3f\t%s\n", name, value, unit);
	fflush(stdout);
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
report_quantile(const char *name, const char *quantile, int64_t ns)
{
	char full[128];

	snprintf(full, sizeof full, "%s.%s", name, quantile);
	report(full, (double)ns / 1e3, "us");
}

void
report_latencies(const char *name, int64_t *ns, long n)
{
	qsort(ns, (size_t)n, sizeof ns[0], compare);
	report_quantile(name, "p50", ns[(n - 1) * 50 / 100]);
	report_quantile(name, "p90", ns[(n - 1) * 90 / 100]);
	report_quantile(name, "p99", ns[(n - 1) * 99 / 100]);
	report_quantile(name, "max", ns[n - 1]);
}

void
die(int err, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if(err != 0)
		fprintf(stderr, ": %s", strerror(err));
	fputc('\n', stderr);
	exit(1);
}

long
number(const char *what, const char *text, long min, long max)
{
	char *end;

	errno = 0;
	long v = strtol(text, &end, 10);
	if(errno != 0 || end == text || *end != '\0' || v < min || v > max)
		die(0, "%s: \"%s\" is not a number from %ld to %ld", what, text, min, max);
	return v;
}

void
raise_descriptor_limit(long nconns)
{
	struct rlimit limit;

	if(getrlimit(RLIMIT_NOFILE, &limit) != 0)
		die(errno, "RLIMIT_NOFILE");
	if(limit.rlim_max < (rlim_t)nconns + 16)
		die(0, "%ld connections need more descriptors than the limit of %lu allows", nconns,
		    (unsigned long)limit.rlim_max);
	limit.rlim_cur = limit.rlim_max;
	if(setrlimit(RLIMIT_NOFILE, &limit) != 0)
		die(errno, "RLIMIT_NOFILE");
}

void *
alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if(p == NULL)
		die(errno, "%zu times %zu bytes", n, size);
	memset(p, 0, n * size);
	__asm__ volatile("" : : "r"(p) : "memory");  /* or the compiler drops the memset after calloc */
	return p;
}
