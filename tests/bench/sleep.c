/* SPDX-License-Identifier: MIT */
/*
 * How much longer than asked does nanosleep take, and what does it cost?
 *
 *	sleep MICROSECONDS THREADS SLEEPS
 *
 * SLEEPS is the number of sleeps of each thread.
 */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long duration_ns, sleeps;

/* Fills the thread's part of the overshoots: sleeps entries from arg on. */
static void *
sleeper(void *arg)
{
	int64_t *overshoot = arg;
	struct timespec ts = {duration_ns / 1000000000, duration_ns % 1000000000};

	for(long i = 0; i < sleeps; i++) {
		int64_t start = now_ns();

		nanosleep(&ts, NULL);
		overshoot[i] = now_ns() - start - duration_ns;
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	char name[64], cpu_name[80];

	if(argc != 4)
		die(0, "usage: sleep MICROSECONDS THREADS SLEEPS");
	duration_ns = number("MICROSECONDS", argv[1], 1, 10000000) * 1000;
	long threads = number("THREADS", argv[2], 1, 1000000);
	sleeps = number("SLEEPS", argv[3], 1, 1000000);

	pthread_t *t = alloc((size_t)threads, sizeof t[0]);
	int64_t *overshoot = alloc((size_t)(threads * sleeps), sizeof overshoot[0]);
	int64_t cpu = cpu_ns();
	for(long i = 0; i < threads; i++) {
		int err = pthread_create(&t[i], NULL, sleeper, &overshoot[i * sleeps]);

		if(err != 0)
			die(err, "pthread_create");
	}
	for(long i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	cpu = cpu_ns() - cpu;
	snprintf(name, sizeof name, "sleep:%s:%ld", argv[1], threads);
	report_latencies(name, overshoot, threads * sleeps);
	snprintf(cpu_name, sizeof cpu_name, "%s.cpu", name);
	report(cpu_name, (double)cpu / 1e3 / (double)(threads * sleeps), "us");
	return 0;
}
