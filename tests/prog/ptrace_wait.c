/* SPDX-License-Identifier: MIT */
/*
 * Waits for processes that are traced, by threads, while others run: with WNOHANG, with __WALL, with waitid and plainly.
 */
#include "io_util.h"
#include <sys/ptrace.h>

enum { TRACERS = 4, STOPS = 12 };

static atomic_int stop, turns;

static void *
other(void *arg)
{
	struct timespec ts = { 0, MS };

	while(!stop) {
		if(arg != NULL)
			sched_yield();
		else
			nanosleep(&ts, NULL);
		turns++;
	}
	return NULL;
}

static void
awaitstop(pid_t pid, int how)
{
	siginfo_t si = { 0 };
	int st;
	pid_t r;

	if(how == 0) {
		while((r = OK(waitpid(pid, &st, __WALL | WNOHANG))) == 0)
			sched_yield();
		EQ(r, pid);
		CHECK(WIFSTOPPED(st));
	} else if(how == 1) {
		EQ(waitpid(pid, &st, __WALL), pid);
		CHECK(WIFSTOPPED(st));
	} else {
		OK(waitid(P_PID, pid, &si, WSTOPPED));
		EQ(si.si_pid, pid);
		EQ(si.si_code, CLD_TRAPPED);
	}
}

static void *
attacher(void *arg)
{
	int st;
	pid_t pid = OK(fork());

	if(pid == 0)
		for(;;)
			pause();
	OK(ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	for(int i = 0; i < STOPS; i++) {
		awaitstop(pid, i % 3);
		OK(kill(pid, SIGUSR1));
		if(i % 4 == 0)
			nudge();
		OK(ptrace(PTRACE_CONT, pid, NULL, NULL));
	}
	awaitstop(pid, 1);
	OK(ptrace(PTRACE_DETACH, pid, NULL, NULL));
	OK(kill(pid, SIGKILL));
	EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFSIGNALED(st));
	return NULL;
}

static void
run(void)
{
	pthread_t o[3], t[TRACERS];

	stop = turns = 0;
	for(int i = 0; i < 3; i++)
		o[i] = spawn(other, i > 0 ? &turns : NULL);
	for(int i = 0; i < TRACERS; i++)
		t[i] = spawn(attacher, NULL);
	for(int i = 0; i < TRACERS; i++)
		join(t[i]);
	CHECK(turns > STOPS);
	stop = 1;
	for(int i = 0; i < 3; i++)
		join(o[i]);
	pass("waits");
}

int
main(void)
{
	pid_t pid = forkclean();

	if(pid == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0);
	if(reap(pid) != 0) {
		fprintf(stderr, "no process may be traced here\n");
		return 77;
	}
	run();
	return 0;
}
