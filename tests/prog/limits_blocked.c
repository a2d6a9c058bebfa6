/* SPDX-License-Identifier: MIT */
/* native: no */
/*
 * Three hundred threads in a call that blocks in the kernel, and the user may have forty kernel threads: the calls queue, which
 * schedtrace shows, others go on meanwhile, and in the end all have made their call.
 */
#include "filelock.h"
#include <sys/resource.h>

enum { N = 300, LIMIT = 40 };

static _Atomic int started, got;

static void *
blocks(void *arg)
{
	started++;
	lockwait();
	got++;
	return arg;
}

static void *
nothing(void *arg)
{
	return arg;
}

int
main(void)
{
	struct rlimit lim = { LIMIT, LIMIT };
	pthread_t t[N];

	lockinit();
	locktake();
	/* A user of our own: root has no limit, and others have other processes, which count. */
	if(getuid() != 0 || setuid(200000 + getpid()) != 0)
		SKIP("only root can become a user without processes");
	EQ(setrlimit(RLIMIT_NPROC, &lim), 0);
	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(blocks, (void *)i);
	while(started < N)
		msleep(1);
	for(intptr_t i = 0; i < 100; i++) {
		CHECK(join(spawn(nothing, (void *)i)) == (void *)i);
		msleep(5);
	}
	EQ(got, 0);
	lockrelease();
	for(intptr_t i = 0; i < N; i++)
		CHECK(join(t[i]) == (void *)i);
	EQ(got, N);
	lockend();
	puts("ok");
	return 0;
}
