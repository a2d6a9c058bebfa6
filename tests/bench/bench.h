/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark programs share: clocks, quantiles and the one output format.
 *
 * The programs are plain POSIX threads programs. They know nothing of heddle, which
 * is preloaded into the very same binaries that run natively. The driver is
 * scripts/bench.py; each program can also be run by hand.
 *
 * Output: one measurement a line, "name<TAB>value<TAB>unit".
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <sys/types.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t now_ns(void);

/* Nanoseconds of CPU time that this process has used, all its threads, dead ones too. */
int64_t cpu_ns(void);

/*
 * The same of another process, from its CPU-time clock: exact to the nanosecond, while
 * /proc/PID/stat counts ticks of 10 ms. -1 if there is no such process.
 */
int64_t cpu_ns_of(pid_t pid);

/* The number after "key:" in /proc/PID/status (KiB for sizes), -1 if absent. pid 0: this process. */
long proc_status(pid_t pid, const char *key);

/* Print one measurement and flush, so that nothing is lost when the program dies later. */
void report(const char *name, double value, const char *unit);

/* Sort n >= 1 latencies in nanoseconds; report name.p50, .p90, .p99 and .max in microseconds. */
void report_latencies(const char *name, int64_t *ns, long n);

/* Message with strerror(err) when err is not 0; exit status 1. */
void die(int err, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* A whole number in [min, max] from the command line, else die() naming what. */
long number(const char *what, const char *text, long min, long max);

/* Raise the limit of descriptors as far as it goes; dies if that is too little for nconns connections. */
void raise_descriptor_limit(long nconns);

/* calloc that dies; every page is touched, so that it does not count as memory of a thread later. */
void *alloc(size_t n, size_t size);

#endif
