/* SPDX-License-Identifier: MIT */
/*
 * The cost of single thread operations, in CPU time of the whole process:
 *
 *	micro [-s STACK_KIB] [-t MS] WHAT...
 *
 *	spawn      pthread_create of a thread that does nothing, then pthread_join
 *	batch      1000 of them created, then 1000 joined; per thread
 *	switch     two threads take turns by a mutex and two condition variables; per turn
 *	mutex      lock and unlock of a mutex that nobody else wants, in a process with threads
 *	mutex1     the same in a process that has never had another thread (give it alone)
 *	yield      two threads that sched_yield() to each other; per call
 *	parked:N   N threads that wait for one condition variable: memory and time of each
 *
 * -s: stack size of the threads (default 64; 0: the system's default, 8 MiB as a rule).
 * -t: repeat until that much CPU time has gone into a measurement (default 250 ms).
 *
 * CPU time is the main figure since it does not depend on what else the machine does; the
 * wall time of the same run is reported beside it (.wall).
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 1000 };

static pthread_attr_t attr;   /* of all threads that the benchmarks create */
static int64_t min_cpu_ns = 250 * 1000000L;

static pthread_mutex_t mutex;

static void
create(pthread_t *t, void *(*start)(void *), void *arg)
{
	int err = pthread_create(t, &attr, start, arg);

	if(err != 0)
		die(err, "pthread_create");
}

static void *
nothing(void *arg)
{
	return arg;
}

/* spawn */

static void
spawn(long n)
{
	for(long i = 0; i < n; i++) {
		pthread_t t;

		create(&t, nothing, NULL);
		pthread_join(t, NULL);
	}
}

/* batch */

static void
batch(long n)
{
	static pthread_t t[BATCH];

	for(long i = 0; i < n; i++) {
		for(int k = 0; k < BATCH; k++)
			create(&t[k], nothing, NULL);
		for(int k = 0; k < BATCH; k++)
			pthread_join(t[k], NULL);
	}
}

/* switch: turn says whose turn it is; each thread sleeps on a condition variable of its own */

static pthread_cond_t my_turn[2];
static int turn;        /* mutex */
static long turns;      /* of each thread */

static void *
player(void *arg)
{
	int me = arg != NULL;

	pthread_mutex_lock(&mutex);
	for(long i = 0; i < turns; i++) {
		while(turn != me)
			pthread_cond_wait(&my_turn[me], &mutex);
		turn = !me;
		pthread_cond_signal(&my_turn[!me]);
	}
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void
take_turns(long n)
{
	pthread_t a, b;

	turn = 0;
	turns = n / 2;
	create(&a, player, NULL);
	create(&b, player, &turn);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
}

/* mutex */

static void
lock_unlock(long n)
{
	for(long i = 0; i < n; i++) {
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
}

/*
 * The second thread does it while main waits for it: glibc does without atomic operations
 * as long as a process has only ever had one thread, which is what mutex1 measures.
 */
static void *
locker(void *arg)
{
	lock_unlock(*(long *)arg);
	return NULL;
}

static void
lock_in_thread(long n)
{
	pthread_t t;

	create(&t, locker, &n);
	pthread_join(t, NULL);
}

/* yield */

static void *
yielder(void *arg)
{
	long n = *(long *)arg;

	for(long i = 0; i < n; i++)
		sched_yield();
	return NULL;
}

static void
yield(long n)
{
	pthread_t a, b;
	long each = n / 2;

	create(&a, yielder, &each);
	create(&b, yielder, &each);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
}

/* Let op(n) do n operations, with n growing until they take min_cpu_ns; report one operation. */
static void
measure(const char *name, void (*op)(long n), int per, long n)
{
	char wall_name[64];

	for(;;) {
		int64_t wall = now_ns(), cpu = cpu_ns();

		op(n);
		cpu = cpu_ns() - cpu;
		wall = now_ns() - wall;
		if(cpu >= min_cpu_ns) {
			snprintf(wall_name, sizeof wall_name, "%s.wall", name);
			report(name, (double)cpu / (double)(n * per), "ns");
			report(wall_name, (double)wall / (double)(n * per), "ns");
			return;
		}
		/* aim a fifth above what is missing; at most tenfold, for the first tries are cold */
		int64_t want = cpu == 0 ? n * 10 : n * min_cpu_ns / cpu * 6 / 5;
		n = want > n * 10 ? n * 10 : want < n * 2 ? n * 2 : want;
	}
}

/* parked:N */

static pthread_cond_t all_parked, released;
static long nparked, wanted;    /* mutex */
static bool go;                 /* mutex */

static void *
parker(void *arg)
{
	pthread_mutex_lock(&mutex);
	if(++nparked == wanted)
		pthread_cond_signal(&all_parked);
	while(!go)
		pthread_cond_wait(&released, &mutex);
	pthread_mutex_unlock(&mutex);
	return arg;
}

/* As many of n threads as the system allows; their number. *err says why there are not more. */
static long
create_parkers(pthread_t *t, long n, int *err)
{
	long i;

	*err = 0;
	for(i = 0; i < n; i++) {
		*err = pthread_create(&t[i], &attr, parker, NULL);
		if(*err != 0)
			break;
	}
	return i;
}

/*
 * Threads that are counted in nparked still have to release the mutex in
 * pthread_cond_wait. When main holds it again after the last one, all of them have.
 */
static void
await_parked(long n)
{
	pthread_mutex_lock(&mutex);
	wanted = n;
	while(nparked < n)
		pthread_cond_wait(&all_parked, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void
parked(long n)
{
	char name[64];
	int err;
	pthread_t *t = alloc((size_t)n, sizeof t[0]);

	go = false;
	nparked = 0;
	wanted = -1;
	long rss = proc_status(0, "VmRSS"), pte = proc_status(0, "VmPTE");
	int64_t cpu = cpu_ns();
	long made = create_parkers(t, n, &err);
	await_parked(made);
	cpu = cpu_ns() - cpu;
	rss = proc_status(0, "VmRSS") - rss;
	pte = proc_status(0, "VmPTE") - pte;

	snprintf(name, sizeof name, "parked:%ld.created", n);
	report(name, (double)made, "threads");
	if(made < n)
		fprintf(stderr, "parked:%ld: only %ld threads: %s\n", n, made, strerror(err));
	if(made == n) {
		snprintf(name, sizeof name, "parked:%ld.rss", n);
		report(name, (double)rss / (double)made, "KiB");
		snprintf(name, sizeof name, "parked:%ld.pte", n);
		report(name, (double)pte / (double)made, "KiB");
		snprintf(name, sizeof name, "parked:%ld.spawn", n);
		report(name, (double)cpu / (double)made, "ns");
	}

	cpu = cpu_ns();
	pthread_mutex_lock(&mutex);
	go = true;
	pthread_cond_broadcast(&released);
	pthread_mutex_unlock(&mutex);
	for(long i = 0; i < made; i++)
		pthread_join(t[i], NULL);
	cpu = cpu_ns() - cpu;
	if(made == n) {
		snprintf(name, sizeof name, "parked:%ld.wakejoin", n);
		report(name, (double)cpu / (double)made, "ns");
	}
	free(t);
}

static void
run(const char *what)
{
	if(strcmp(what, "spawn") == 0)
		measure("spawn", spawn, 1, 1000);
	else if(strcmp(what, "batch") == 0)
		measure("batch", batch, BATCH, 1);
	else if(strcmp(what, "switch") == 0)
		measure("switch", take_turns, 1, 2000);
	else if(strcmp(what, "mutex") == 0)
		measure("mutex", lock_in_thread, 1, 100000);
	else if(strcmp(what, "mutex1") == 0)
		measure("mutex1", lock_unlock, 1, 100000);
	else if(strcmp(what, "yield") == 0)
		measure("yield", yield, 1, 2000);
	else if(strncmp(what, "parked:", 7) == 0)
		parked(number("parked", what + 7, 1, 10000000));
	else
		die(0, "unknown benchmark \"%s\": spawn batch switch mutex mutex1 yield parked:N", what);
}

int
main(int argc, char **argv)
{
	long stack_kib = 64;
	int opt;

	while((opt = getopt(argc, argv, "s:t:")) != -1) {
		if(opt == 's')
			stack_kib = number("-s", optarg, 0, 1 << 20);
		else if(opt == 't')
			min_cpu_ns = number("-t", optarg, 1, 100000) * 1000000L;
		else
			die(0, "usage: micro [-s STACK_KIB] [-t MS] WHAT...");
	}
	pthread_attr_init(&attr);
	if(stack_kib > 0) {
		int err = pthread_attr_setstacksize(&attr, (size_t)stack_kib * 1024);

		if(err != 0)
			die(err, "stack size of %ld KiB", stack_kib);
	}
	pthread_mutex_init(&mutex, NULL);
	pthread_cond_init(&my_turn[0], NULL);
	pthread_cond_init(&my_turn[1], NULL);
	pthread_cond_init(&all_parked, NULL);
	pthread_cond_init(&released, NULL);
	for(int i = optind; i < argc; i++)
		run(argv[i]);
	return 0;
}
