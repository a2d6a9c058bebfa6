/* SPDX-License-Identifier: MIT */
/* Threads that trace a process each: the kernel lets only the thread that has attached command it. */
#include "prog.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { TRACERS = 4, STOPS = 25 };

static pid_t child[TRACERS];
static int busy = 1;

static void *
hog(void *arg)
{
	while(__atomic_load_n(&busy, __ATOMIC_RELAXED))
		sched_yield();
	return NULL;
}

static void *
tracer(void *arg)
{
	pid_t pid = *(pid_t *)arg;
	struct user_regs_struct regs;
	int status;

	CHECK(ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0);
	for(int i = 0; i < STOPS; i++){
		CHECK(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status));
		CHECK(ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0);
		sched_yield();
		CHECK(kill(pid, SIGUSR1) == 0);
		CHECK(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
	}
	CHECK(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status));
	CHECK(ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0);
	return NULL;
}

int
main(void)
{
	pthread_t th[TRACERS], hogs[2];
	int status;

	for(int i = 0; i < TRACERS; i++){
		child[i] = fork();
		CHECK(child[i] >= 0);
		if(child[i] == 0)
			for(;;)
				pause();
	}
	if(ptrace(PTRACE_ATTACH, child[0], NULL, NULL) != 0){
		for(int i = 0; i < TRACERS; i++)
			kill(child[i], SIGKILL);
		SKIP("no process may be traced here");
	}
	CHECK(waitpid(child[0], &status, 0) == child[0] && ptrace(PTRACE_DETACH, child[0], NULL, NULL) == 0);
	for(int i = 0; i < 2; i++)
		CHECK(pthread_create(&hogs[i], NULL, hog, NULL) == 0);
	for(int i = 0; i < TRACERS; i++)
		CHECK(pthread_create(&th[i], NULL, tracer, &child[i]) == 0);
	for(int i = 0; i < TRACERS; i++){
		CHECK(pthread_join(th[i], NULL) == 0);
		kill(child[i], SIGKILL);
		CHECK(waitpid(child[i], &status, 0) == child[i]);
	}
	__atomic_store_n(&busy, 0, __ATOMIC_RELAXED);
	for(int i = 0; i < 2; i++)
		CHECK(pthread_join(hogs[i], NULL) == 0);
	printf("traced\n");
	return 0;
}
