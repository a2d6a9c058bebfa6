/* SPDX-License-Identifier: MIT */
/* The kernel refuses more threads while some run: blocking calls, hogs and new threads must not stop the rest for good. */
#include "deny.h"
#include <linux/sched.h>
#include <sys/wait.h>

#define N 10

static _Atomic int naps;

static void *
nap(void *arg)
{
	for(int i = 0; i < 10; i++)
		usleep(500);
	naps++;
	return arg;
}

static void *
blocks(void *arg)
{
	pid_t pid = fork();
	int st;

	CHECK(pid >= 0);
	if(pid == 0) {
		msleep(20);
		_exit(3);
	}
	EQ(waitpid(pid, &st, 0), pid);
	EQ(WEXITSTATUS(st), 3);
	return arg;
}

int
main(void)
{
	static const int clone3[] = { SYS_clone3 }, clone[] = { SYS_clone };
	pthread_t n[N], b[N];
	int made = 0, rc;

	for(int i = 0; i < N; i++)
		n[i] = spawn(nap, NULL);
	for(int i = 0; i < N; i++)
		b[i] = spawn(blocks, NULL);
	deny(clone3, 1, ENOSYS, 0);
	deny(clone, 1, EAGAIN, CLONE_THREAD);
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
	puts("ok");
	return 0;
}
