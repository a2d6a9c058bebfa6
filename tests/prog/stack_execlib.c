/* SPDX-License-Identifier: MIT */
/* build: -ldl */
/* dlopen of a library that needs executable stacks: those of threads that run already become so, and of new ones. */
#include "prog.h"
#include <dlfcn.h>

enum { N = 8 };

static pthread_barrier_t bar;
static long (*nested)(long);

static void *
old(void *arg)
{
	pthread_barrier_wait(&bar);
	pthread_barrier_wait(&bar);
	return (void *)nested((long)arg);
}

static void *
young(void *arg)
{
	return (void *)nested((long)arg);
}

int
main(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
	pthread_t t[N];
	void *lib;

	CHECK(n > 0);
	path[n] = 0;
	strcpy(strrchr(path, '/'), "/execlib.so");
	OK(pthread_barrier_init(&bar, NULL, N + 1));
	for(long i = 0; i < N; i++)
		t[i] = spawn(old, (void *)i);
	pthread_barrier_wait(&bar);
	lib = dlopen(path, RTLD_NOW);
	if(lib == NULL)
		SKIP(dlerror());
	nested = (long (*)(long))dlsym(lib, "nested");
	CHECK(nested != NULL);
	EQ(nested(6), 7);
	pthread_barrier_wait(&bar);
	for(long i = 0; i < N; i++)
		EQ((long)join(t[i]), i + 1);
	for(long i = 0; i < N; i++)
		t[i] = spawn(young, (void *)i);
	for(long i = 0; i < N; i++)
		EQ((long)join(t[i]), i + 1);
	puts("ok");
	return 0;
}
