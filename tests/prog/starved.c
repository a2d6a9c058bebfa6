/* SPDX-License-Identifier: MIT */
/*
 * Threads that compute while other processes have the CPUs, and one that blocks in a call that nobody knows: there are not more kernel
 * threads for it, none of the process's files is kept open, and a new descriptor has the lowest number that is free.
 */
/* procs: 1 2 */
/* stress: no, there threads seem to sleep that do not */
#include "kthreads.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define OTHERS 24
#define N      30
#define ROUNDS 30

static int fds[2];
static volatile int stop;

static void *
computes(void *arg)
{
	while(!stop)
		;
	return arg;
}

/* pipe's other end, by an instruction of our own. */
static void *
blocks(void *arg)
{
	char ch;
	long r;

	for(;;) {
		__asm__ volatile("syscall" : "=a"(r) : "0"(SYS_read), "D"(fds[0]), "S"(&ch), "d"(1) : "rcx", "r11", "memory");
		if(r == 0)
			return arg;
		EQ(r, 1);
	}
}

static pid_t
spins(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if(pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(30);
		for(;;)
			;
	}
	return pid;
}

int
main(void)
{
	pid_t other[OTHERS];
	pthread_t t[N], b;
	int fd, low, most = 0, n;

	for(int i = 0; i < OTHERS; i++)
		other[i] = spins();
	EQ(pipe(fds), 0);
	low = dup(0);
	EQ(close(low), 0);
	b = spawn(blocks, NULL);
	for(int i = 0; i < N; i++)
		t[i] = spawn(computes, NULL);
	for(int i = 0; i < ROUNDS; i++) {
		msleep(20);
		EQ(write(fds[1], "x", 1), 1);
		fd = dup(0);
		EQ(fd, low);
		EQ(close(fd), 0);
		if((n = kthreads()) > most)
			most = n;
	}
	if(getenv("HEDDLE_MAXPROCS") != NULL && most > atoi(getenv("HEDDLE_MAXPROCS")) + 8) {
		dprintf(2, "%d kernel threads\n", most);
		exit(1);
	}
	stop = 1;
	for(int i = 0; i < N; i++)
		join(t[i]);
	close(fds[1]);
	join(b);
	for(int i = 0; i < OTHERS; i++) {
		kill(other[i], SIGKILL);
		EQ(waitpid(other[i], NULL, 0), other[i]);
	}
	puts("ok");
	return 0;
}
