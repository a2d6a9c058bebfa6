/* SPDX-License-Identifier: MIT */
/*
 * What of pending signals goes over exec and fork: a blocked one that is pending for the process, or for the thread that calls exec, is
 * pending in the new program, with its values; another thread's is gone. In a child of fork, vfork and posix_spawn nothing is. With the
 * environment as it is, and without LD_PRELOAD.
 */
#include "prog.h"
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static const int sigs[] = { 10, 12, 15, 36, 37 };
enum { NSIGS = sizeof sigs / sizeof sigs[0] };

static sigset_t
set(void)
{
	sigset_t s;

	sigemptyset(&s);
	for(int i = 0; i < NSIGS; i++)
		sigaddset(&s, sigs[i]);
	return s;
}

/* ---- the new program ---- */

static int
tell(const char *what)
{
	struct timespec now = { 0, 0 };
	sigset_t s, blocked;
	siginfo_t si;
	int sig;

	OK(pthread_sigmask(SIG_BLOCK, NULL, &blocked));
	s = set();
	printf("%s: blocked", what);
	for(int i = 0; i < NSIGS; i++)
		printf(" %d", sigismember(&blocked, sigs[i]));
	printf("; pending");
	OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
	while((sig = sigtimedwait(&s, &si, &now)) > 0) {
		printf(" %d", sig);
		if(si.si_code == SI_QUEUE)
			printf(" (%d)", si.si_value.sival_int);
	}
	puts("");
	fflush(stdout);
	return 0;
}

static void *
nothing(void *arg)
{
	return arg;
}

/* ---- who becomes it ---- */

static sem_t ready, never;
static pthread_t sleeper;

static void *
parked(void *arg)
{
	OK(sem_post(&ready));
	while(sem_wait(&never) != 0)
		;
	return arg;
}

static void
become(const char *what, int preload)
{
	char *argv[] = { (char *)"exec_pending", (char *)what, NULL };

	if(!preload)
		unsetenv("LD_PRELOAD");
	execve("/proc/self/exe", argv, environ);
	_exit(99);
}

static void
pend(int others)
{
	union sigval v;

	OK(pthread_kill(pthread_self(), 10));
	OK(kill(getpid(), 12));
	for(v.sival_int = 1; v.sival_int < 4; v.sival_int++)
		OK(pthread_sigqueue(pthread_self(), 36, v));
	for(; v.sival_int < 7; v.sival_int++)
		OK(sigqueue(getpid(), 37, v));
	if(others)
		OK(pthread_kill(sleeper, 15));
}

static void *
execs(void *arg)
{
	int preload = (int)(intptr_t)arg;

	sched_yield();
	pend(1);
	usleep(1000);
	become(preload ? "exec in a thread" : "exec in a thread, without LD_PRELOAD", preload);
	return NULL;
}

static void
reaped(pid_t pid)
{
	int status;

	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 0);
}

static pid_t
forked(void)
{
	pid_t pid;

	fflush(stdout);
	CHECK((pid = fork()) >= 0);
	return pid;
}

static void
threads(void)
{
	sleeper = spawn(parked, NULL);
	while(sem_wait(&ready) != 0)
		;
}

/* Of a process with threads that has pending signals itself. */
static void *
children(void *arg)
{
	char *argv[] = { (char *)"exec_pending", (char *)"spawned", NULL };
	pid_t pid;

	pend(0);
	if((pid = forked()) == 0) {
		join(spawn(nothing, NULL));
		_exit(tell("forked"));
	}
	reaped(pid);
	if((pid = forked()) == 0)
		become("forked and exec", 1);
	reaped(pid);
	if((pid = vfork()) == 0) {
		execve("/proc/self/exe", argv, environ);
		_exit(98);
	}
	reaped(pid);
	OK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ));
	reaped(pid);
	tell("still here");
	return arg;
}

int
main(int argc, char **argv)
{
	sigset_t s = set();
	pid_t pid;

	if(argc > 1) {
		if(strcmp(argv[1], "alone") != 0)
			join(spawn(nothing, NULL));
		return tell(argv[1]);
	}
	OK(sem_init(&ready, 0, 0));
	OK(sem_init(&never, 0, 0));
	OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
	if((pid = forked()) == 0) {
		pend(0);
		become("alone", 1);
	}
	reaped(pid);
	for(int preload = 0; preload < 2; preload++) {
		if((pid = forked()) == 0) {
			threads();
			pend(1);
			become(preload ? "exec in main" : "exec in main, without LD_PRELOAD", preload);
		}
		reaped(pid);
		if((pid = forked()) == 0) {
			threads();
			join(spawn(execs, (void *)(intptr_t)preload));
		}
		reaped(pid);
	}
	threads();
	children(NULL);
	join(spawn(children, NULL));
	OK(sem_post(&never));
	join(sleeper);
	return 0;
}
