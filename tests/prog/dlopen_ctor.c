/* SPDX-License-Identifier: MIT */
/* build: -ldl */
/*
 * The process's first threads are made by the constructor of a library that dlopen loads, and wait for one another
 * there; its destructor makes threads, too. Then the same from several threads, with others parked and running.
 */
#include "prog.h"
#include <dlfcn.h>

static char path[4096];
static pthread_barrier_t bar;
static volatile int stop;

static void *
load(void *arg)
{
	for(int k = 0; k < 10; k++){
		void *h = dlopen(path, RTLD_NOW);
		int (*round)(void);

		if(h == NULL)
			fprintf(stderr, "%s\n", dlerror());
		CHECK(h != NULL);
		round = (int (*)(void))dlsym(h, "ctorlib_round");
		CHECK(round != NULL);
		EQ(*(int *)dlsym(h, "ctorlib_made"), 8);
		CHECK(round() >= 5);
		EQ(dlclose(h), 0);
	}
	return arg;
}

static void *
parked(void *arg)
{
	pthread_barrier_wait(&bar);
	return arg;
}

static void *
runs(void *arg)
{
	uint64_t s = 7;

	while(!stop)
		*(uint64_t *)arg += rnd(&s);
	return arg;
}

int
main(void)
{
	pthread_t t[8], p[16], r;
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 20);
	uint64_t sum = 0;

	CHECK(len > 0);
	path[len] = '\0';
	strcpy(strrchr(path, '/') + 1, "ctorlib.so");
	load(NULL);
	OK(pthread_barrier_init(&bar, NULL, 17));
	for(int i = 0; i < 16; i++)
		p[i] = spawn(parked, NULL);
	r = spawn(runs, &sum);
	load(NULL);
	for(int i = 0; i < 8; i++)
		t[i] = spawn(load, NULL);
	for(int i = 0; i < 8; i++)
		join(t[i]);
	stop = 1;
	join(r);
	pthread_barrier_wait(&bar);
	for(int i = 0; i < 16; i++)
		join(p[i]);
	puts("ok");
	return 0;
}
