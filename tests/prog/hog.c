/* SPDX-License-Identifier: MIT */
/* Threads that compute without any call do not keep the others from running, sleeping on time, or being started. */
#include "prog.h"

#define HOGS 6

static volatile int stop;
static _Atomic int naps, spawned, hogging;
static double results[HOGS];

static void *
hog(void *arg)
{
	double x = 1.0, y = 0.5;
	uint64_t n = 0;

	hogging++;
	while(!stop) {
		/* floating point and integer state, to be kept over a preemption */
		for(int i = 0; i < 1000; i++) {
			x = x * 1.0000001 + y;
			y = y * 0.9999999 + 1e-9;
			if(x > 1e6)
				x = 1.0;
			n++;
		}
		CHECK(n % 1000 == 0);
	}
	results[(intptr_t)arg] = x + y;
	return NULL;
}

static void *
nothing(void *arg)
{
	spawned++;
	return arg;
}

static void *
sleeper(void *arg)
{
	for(int i = 0; i < 10; i++) {
		int64_t t0 = nowns();
		msleep(5);
		int64_t d = nowns() - t0;
		CHECK(d >= 5 * MS);
		CHECK(d < 2 * SEC);	/* a hog would run for ever */
		naps++;
		join(spawn(nothing, NULL));
	}
	return arg;
}

int
main(void)
{
	pthread_t h[HOGS], s[5];

	for(intptr_t i = 0; i < HOGS; i++)
		h[i] = spawn(hog, (void *)i);
	while(hogging < HOGS)
		msleep(1);
	for(int i = 0; i < 5; i++)
		s[i] = spawn(sleeper, NULL);
	for(int i = 0; i < 5; i++)
		join(s[i]);
	EQ(naps, 50);
	EQ(spawned, 50);
	stop = 1;
	for(int i = 0; i < HOGS; i++)
		join(h[i]);
	for(int i = 0; i < HOGS; i++)
		CHECK(results[i] > 0 && results[i] < 2e6);
	puts("ok");
	return 0;
}
