/* SPDX-License-Identifier: MIT */
/*
 * Default actions on a process of many waiting threads: it dies of the right
 * signal, at once, stops and continues, or takes no notice.
 */
#include "io_util.h"
#include <sys/prctl.h>

static int ready[2], never[2];

static void *
waiter(void *arg)
{
	char b;
	struct timespec ts = { 20, 0 };
	if((intptr_t)arg % 2)
		EQ(read(never[0], &b, 1), 1);
	else
		nanosleep(&ts, NULL);
	return NULL;
}

static void *
burner(void *arg)
{
	while(arg == NULL)
		__asm__ volatile("");
	return NULL;
}

/* The process that is to die: how tells what its main thread does. */
static pid_t
victim(int how)
{
	pid_t pid = forkclean();
	char b;
	if(pid != 0) {
		EQ(read(ready[0], &b, 1), 1);
		return pid;
	}
	struct rlimit none = { 0, 0 };
	OK(setrlimit(RLIMIT_CORE, &none));
	OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
	spawnall(10, waiter);
	if(how == 2)
		spawn(burner, NULL);
	EQ(write(ready[1], "r", 1), 1);
	switch(how) {
	case 0: EQ(read(never[0], &b, 1), 1); break;
	case 1: join(spawn(waiter, (void *)1)); break;
	case 2: for(;;) pause();
	case 3: pthread_exit(NULL);
	}
	_exit(55);
}

static void
dies(int sig, int how)
{
	pid_t pid = victim(how);
	int64_t t0 = now();
	OK(kill(pid, sig));
	int st = reap(pid);
	TOOK(t0, 0, 0);
	CHECK(WIFSIGNALED(st));
	EQ(WTERMSIG(st), sig);
}

static void
stops(void)
{
	int st;
	pid_t pid = victim(0);
	OK(kill(pid, SIGTSTP));
	EQ(waitpid(pid, &st, WUNTRACED), pid);
	CHECK(WIFSTOPPED(st));
	EQ(WSTOPSIG(st), SIGTSTP);
	OK(kill(pid, SIGCONT));
	EQ(waitpid(pid, &st, WCONTINUED), pid);
	CHECK(WIFCONTINUED(st));
	OK(kill(pid, SIGSTOP));
	EQ(waitpid(pid, &st, WUNTRACED), pid);
	EQ(WSTOPSIG(st), SIGSTOP);
	/* Killed while it is stopped. */
	OK(kill(pid, SIGKILL));
	st = reap(pid);
	EQ(WTERMSIG(st), SIGKILL);
	pass("stop and continue");
}

static void
ignored(void)
{
	static const int sigs[] = { SIGCHLD, SIGURG, SIGWINCH, SIGCONT };
	pid_t pid = victim(0);
	int st;
	for(size_t i = 0; i < nelem(sigs); i++)
		OK(kill(pid, sigs[i]));
	nudge();
	EQ(waitpid(pid, &st, WNOHANG), 0);
	OK(kill(pid, SIGTERM));
	EQ(WTERMSIG(reap(pid)), SIGTERM);
	pass("ignored by default");
}

int
main(void)
{
	static const int sigs[] = { SIGTERM, SIGINT, SIGHUP, SIGKILL, SIGUSR1, SIGALRM, SIGQUIT, SIGABRT, SIGSEGV, SIGPIPE, SIGIO, SIGPROF };
	/* A process group of its own that is not orphaned: SIGTSTP does not stop one that is. */
	pid_t pid = forkclean();
	if(pid != 0)
		return reap(pid) == 0 ? 0 : 1;
	OK(setpgid(0, 0));
	for(size_t i = 0; i < nelem(sigs); i++)
		signal(sigs[i], SIG_DFL);
	OK(pipe(ready));
	OK(pipe(never));
	for(size_t i = 0; i < nelem(sigs); i++)
		dies(sigs[i], i % 3);
	pass("death by signal");
	dies(SIGTERM, 3);
	pass("main thread gone");
	stops();
	ignored();
	return 0;
}
