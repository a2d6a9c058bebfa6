/* SPDX-License-Identifier: MIT */
/*
 * A child that asks to be traced (PTRACE_TRACEME) is traced by the thread that forked it: only that one may command it, and its plain
 * waitpid returns for each stop. Under heddle such threads have to keep their kernel threads, which the option lock= says by their name.
 */
#include "io_util.h"
#include <sys/ptrace.h>

enum { TRACERS = 4, STOPS = 12 };

static atomic_int stop, turns;

static void *
other(void *arg)
{
	while(!stop) {
		nudge();
		turns++;
	}
	return NULL;
}

/* Stops, is continued with the signal taken away, and in the end exits. */
static void
traceme(int status)
{
	if(ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(77);
	for(int i = 0; i < STOPS; i++)
		raise(SIGUSR1);
	_exit(status);
}

static void *
tracer(void *arg)
{
	int id = (intptr_t)arg, st;
	pid_t pid;

	OK(pthread_setname_np(pthread_self(), "tracer"));
	pid = OK(fork());
	if(pid == 0)
		traceme(30 + id);
	for(int i = 0; i < STOPS; i++) {
		EQ(waitpid(pid, &st, 0), pid);
		if(WIFEXITED(st) && WEXITSTATUS(st) == 77) {
			fprintf(stderr, "no process may be traced here\n");
			exit(77);
		}
		CHECK(WIFSTOPPED(st));
		EQ(WSTOPSIG(st), SIGUSR1);
		if(i % 3 == 0)
			nudge();
		OK(ptrace(PTRACE_CONT, pid, NULL, NULL));
	}
	st = reap(pid);
	CHECK(WIFEXITED(st));
	EQ(WEXITSTATUS(st), 30 + id);
	return NULL;
}

int
main(void)
{
	pthread_t o[3], t[TRACERS];

	for(int i = 0; i < 3; i++)
		o[i] = spawn(other, NULL);
	for(int i = 0; i < TRACERS; i++)
		t[i] = spawn(tracer, (void *)(intptr_t)i);
	for(int i = 0; i < TRACERS; i++)
		join(t[i]);
	stop = 1;
	for(int i = 0; i < 3; i++)
		join(o[i]);
	CHECK(turns > 0);
	pass("commanded");
	return 0;
}
