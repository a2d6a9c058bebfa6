/* SPDX-License-Identifier: MIT */
/*
 * The user may have no more kernel threads while some threads block, some nap and some compute: all get on, new ones run or
 * get EAGAIN.
 */
#include "filelock.h"
#include <sys/resource.h>

#define N 10

static _Atomic int naps, started;
static volatile int stop;

static void *
nap(void *arg)
{
	started++;
	for(int i = 0; i < 10; i++)
		usleep(500);
	naps++;
	return arg;
}

static void *
blocks(void *arg)
{
	started++;
	lockwait();
	return arg;
}

static void *
hog(void *arg)
{
	started++;
	while(!stop)
		;
	return arg;
}

int
main(void)
{
	struct rlimit lim = { 1, 1 };
	pthread_t n[N], b[N], h[2];
	int made = 0, rc;

	lockinit();
	locktake();
	if(getuid() == 0 && setuid(65534) != 0)
		SKIP("cannot leave root, who has no limit");
	for(int i = 0; i < N; i++) {
		n[i] = spawn(nap, NULL);
		b[i] = spawn(blocks, NULL);
	}
	for(int i = 0; i < 2; i++)
		h[i] = spawn(hog, NULL);
	while(started < 2)
		sched_yield();
	lockreleaselater(); /* all kernel threads that there are may block */
	EQ(setrlimit(RLIMIT_NPROC, &lim), 0);
	for(int i = 0; i < N; i++)
		join(n[i]);
	for(int i = 0; i < N; i++)
		join(b[i]);
	EQ(naps, N);
	for(int i = 0; i < N; i++) {
		rc = pthread_create(&n[made], NULL, i % 2 ? nap : blocks, NULL);
		CHECK(rc == 0 || rc == EAGAIN);
		made += rc == 0;
	}
	for(int i = 0; i < made; i++)
		join(n[i]);
	stop = 1;
	for(int i = 0; i < 2; i++)
		join(h[i]);
	lockend();
	puts("ok");
	return 0;
}
