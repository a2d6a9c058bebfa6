/* SPDX-License-Identifier: MIT */
/*
 * The child of a fork of a threaded process makes threads that change what the kernel keeps
 * with each of its threads, and end; so does its child. The process's first kernel thread outlives them.
 */
#include "prog.h"
#include <sched.h>
#include <sys/wait.h>

static void *
work(void *arg)
{
	cpu_set_t set;

	EQ(sched_getaffinity(0, sizeof set, &set), 0);
	EQ(sched_setaffinity(0, sizeof set, &set), 0);
	EQ(setpriority(PRIO_PROCESS, 0, 3), 0);
	sched_yield();
	return arg;
}

static void
generation(int n)
{
	pthread_t t[8];
	pid_t pid;
	int status;

	for(int round = 0; round < 5; round++) {
		for(int i = 0; i < 8; i++)
			t[i] = spawn(work, NULL);
		for(int i = 0; i < 8; i++)
			join(t[i]);
	}
	EQ(getpriority(PRIO_PROCESS, 0), 0);
	if(n == 0)
		return;
	CHECK((pid = fork()) >= 0);
	if(pid == 0) {
		generation(n - 1);
		_exit(7);
	}
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 7 << 8);
}

int
main(void)
{
	usualnice();
	generation(3);
	puts("ok");
	return 0;
}
