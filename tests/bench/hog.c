/* SPDX-License-Identifier: MIT */
/*
 * How late is a thread that sleeps 1 ms while other threads compute and never call
 * anything that could switch? Run on one processor.
 *
 *	hog KIND HOGS SAMPLES
 *
 *	compute  a loop in the program itself
 *	libc     a loop of memmem() over a megabyte: nearly all time is spent inside libc
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLEEP_NS = 1000000, HAYSTACK = 1 << 20 };

static atomic_bool stop;
static volatile unsigned long sink;

static void *
compute(void *arg)
{
	unsigned long x = 1;

	while(!atomic_load_explicit(&stop, memory_order_relaxed)) {
		for(int i = 0; i < 100000; i++)
			x = x * 6364136223846793005UL + 1442695040888963407UL;
	}
	sink = x;
	return arg;
}

static char *haystack;

static void *
search(void *arg)
{
	while(!atomic_load_explicit(&stop, memory_order_relaxed)) {
		if(memmem(haystack, HAYSTACK, "no such needle", 14) != NULL)
			die(0, "memmem found what is not there");
	}
	return arg;
}

static int64_t
sleep_overshoot(void)
{
	struct timespec ts = {0, SLEEP_NS};
	int64_t start = now_ns();

	nanosleep(&ts, NULL);
	return now_ns() - start - SLEEP_NS;
}

int
main(int argc, char **argv)
{
	char name[64];
	void *(*hog)(void *) = NULL;

	if(argc != 4)
		die(0, "usage: hog compute|libc HOGS SAMPLES");
	if(strcmp(argv[1], "compute") == 0)
		hog = compute;
	else if(strcmp(argv[1], "libc") == 0)
		hog = search;
	else
		die(0, "unknown kind \"%s\": compute libc", argv[1]);
	long hogs = number("HOGS", argv[2], 0, 1000);
	long samples = number("SAMPLES", argv[3], 1, 1000000);

	pthread_t *t = alloc((size_t)hogs + 1, sizeof t[0]);
	int64_t *late = alloc((size_t)samples, sizeof late[0]);
	haystack = alloc(HAYSTACK, 1);
	for(long i = 0; i < hogs; i++) {
		int err = pthread_create(&t[i], NULL, hog, NULL);

		if(err != 0)
			die(err, "pthread_create");
	}
	for(long i = 0; i < samples; i++)
		late[i] = sleep_overshoot();
	atomic_store(&stop, true);
	for(long i = 0; i < hogs; i++)
		pthread_join(t[i], NULL);
	snprintf(name, sizeof name, "hog:%s:%ld", argv[1], hogs);
	report_latencies(name, late, samples);
	return 0;
}
