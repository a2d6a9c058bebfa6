/* SPDX-License-Identifier: MIT */
/* build: -ldl */
/* dlopen and dlclose while threads run: thread-local storage of the library in threads older and newer than it. */
#include "prog.h"
#include <dlfcn.h>

#define N 24

static char path[2][4096];
static pthread_barrier_t bar;
static void *lib, *lib2;
static int (*next)(int), (*next2)(void), (*inits)(void);
static int *(*addr)(void);

static void
use(int id)
{
	int *a = addr();

	for(int k = 1; k <= 40; k++) {
		EQ(next(id), k);
		EQ(next2(), k);
		CHECK(addr() == a);
		if(k % 10 == 0)
			usleep(20);
		else
			sched_yield();
	}
}

/* Made before the library is there. */
static void *
old(void *arg)
{
	pthread_barrier_wait(&bar);
	pthread_barrier_wait(&bar);
	use((intptr_t)arg);
	return NULL;
}

/* Loads it itself, as all the others do. */
static void *
loads(void *arg)
{
	for(int k = 0; k < 20; k++) {
		void *h = dlopen(path[0], RTLD_NOW);

		CHECK(h != NULL);
		CHECK(dlsym(h, "tlslib_next") == (void *)next);
		CHECK(dlsym(h, "no_such_symbol") == NULL);
		CHECK(strstr(dlerror(), "no_such_symbol") != NULL);	/* per thread */
		EQ(dlclose(h), 0);
	}
	use((intptr_t)arg);
	return NULL;
}

int
main(void)
{
	pthread_t t[N];
	char *slash;
	ssize_t len;

	for(int i = 0; i < 2; i++) {
		len = readlink("/proc/self/exe", path[i], sizeof path[i] - 20);
		CHECK(len > 0);
		path[i][len] = '\0';
		slash = strrchr(path[i], '/');
		strcpy(slash + 1, i ? "tlslib2.so" : "tlslib.so");
	}
	for(int round = 0; round < 3; round++) {
		OK(pthread_barrier_init(&bar, NULL, N / 2 + 1));
		for(intptr_t i = 0; i < N / 2; i++)
			t[i] = spawn(old, (void *)(i + 1));
		pthread_barrier_wait(&bar);
		lib = dlopen(path[0], RTLD_NOW);
		if(lib == NULL)
			fprintf(stderr, "%s\n", dlerror());
		CHECK(lib != NULL);
		lib2 = dlopen(path[1], RTLD_NOW);
		CHECK(lib2 != NULL);
		next = (int (*)(int))dlsym(lib, "tlslib_next");
		next2 = (int (*)(void))dlsym(lib2, "tlslib2_next");
		inits = (int (*)(void))dlsym(lib, "tlslib_inits");
		addr = (int *(*)(void))dlsym(lib, "tlslib_addr");
		CHECK(next != NULL && next2 != NULL && inits != NULL && addr != NULL);
		EQ(inits(), 1);
		pthread_barrier_wait(&bar);
		for(intptr_t i = N / 2; i < N; i++)
			t[i] = spawn(loads, (void *)(i + 1));
		for(int i = 0; i < N; i++)
			join(t[i]);
		EQ(inits(), 1);
		EQ(next(77), 1);
		EQ(dlclose(lib), 0);
		EQ(dlclose(lib2), 0);
		OK(pthread_barrier_destroy(&bar));
	}
	puts("ok");
	return 0;
}
