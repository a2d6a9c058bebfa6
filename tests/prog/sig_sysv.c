/* SPDX-License-Identifier: MIT */
/*
 * The older ways to handle signals, each in a thread that is not main: sigset, sighold, sigrelse, sigignore, sigpause, siginterrupt,
 * ualarm, setitimer of three kinds with getitimer, and faults of rarer kinds (SIGILL, SIGTRAP), whose handlers jump out or go on; a CPU limit's SIGXCPU.
 */
#include "prog.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static atomic_int hits, lastsig;
static atomic_int reading;
static sigjmp_buf env;

static void
onsig(int sig)
{
	lastsig = sig;
	hits++;
}

static void *
holds(void *arg)
{
	CHECK(sigset(SIGUSR1, onsig) == SIG_DFL);
	OK(sighold(SIGUSR1));
	OK(raise(SIGUSR1));
	EQ(hits, 0);
	CHECK(sigset(SIGUSR1, SIG_HOLD) == SIG_HOLD);
	OK(sigrelse(SIGUSR1));
	EQ(hits, 1);
	OK(sighold(SIGUSR1));
	OK(raise(SIGUSR1));
	EQ(sigpause(SIGUSR1), -1); /* System V's: it takes a number */
	EQ(errno, EINTR);
	EQ(hits, 2);
	OK(sigrelse(SIGUSR1));
	OK(sigignore(SIGUSR1));
	OK(raise(SIGUSR1));
	EQ(hits, 2);
	CHECK(sigset(SIGUSR1, SIG_DFL) == SIG_IGN);
	EQ(sigset(SIGKILL, onsig) == SIG_ERR ? errno : 0, EINVAL);
	return NULL;
}

static void *
reads(void *arg)
{
	char ch;

	reading = gettid();
	EQ(read(*(int *)arg, &ch, 1), -1);
	EQ(errno, EINTR);
	return NULL;
}

static void
interrupts(void)
{
	int fds[2], n = hits;
	pthread_t t;

	OK(pipe(fds));
	signal(SIGUSR2, onsig); /* restarts */
	OK(siginterrupt(SIGUSR2, 1));
	t = spawn(reads, &fds[0]);
	while(!reading)
		sched_yield();
	msleep(5);
	while(hits == n) {
		OK(pthread_kill(t, SIGUSR2));
		msleep(5);
	}
	join(t);
}

static void *
alarms(void *arg)
{
	static const int which[] = { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };
	static const int sigs[] = { SIGALRM, SIGVTALRM, SIGPROF };
	struct itimerval it, off = { { 0, 0 }, { 0, 0 } };
	volatile unsigned long burn = 0;
	int n;

	for(int i = 0; i < 3; i++) {
		signal(sigs[i], onsig);
		n = hits;
		it = (struct itimerval){ { 0, 3000 }, { 0, 3000 } };
		OK(setitimer(which[i], &it, NULL));
		OK(getitimer(which[i], &it));
		EQ(it.it_interval.tv_usec / 1000, 3);
		CHECK(it.it_value.tv_sec == 0);
		while(hits < n + 3)
			burn++;
		OK(setitimer(which[i], &off, &it));
		EQ(lastsig, sigs[i]);
		OK(getitimer(which[i], &it));
		EQ(it.it_value.tv_sec + it.it_value.tv_usec, 0);
	}
	n = hits;
	EQ(ualarm(2000, 0), 0);
	while(hits == n)
		usleep(100000);
	EQ(lastsig, SIGALRM);
	EQ(alarm(100), 0);
	CHECK(alarm(0) >= 99);
	return NULL;
}

static void
jumps(int sig)
{
	siglongjmp(env, sig);
}

static void
skips(int sig, siginfo_t *si, void *uc)
{
	CHECK(si->si_code > 0);
	onsig(sig);
}

static void *
faults(void *arg)
{
	struct sigaction sa = { .sa_sigaction = skips, .sa_flags = SA_SIGINFO };
	int n = hits;

	signal(SIGILL, jumps);
	if(sigsetjmp(env, 1) == 0)
		__builtin_trap();
	sigset_t s;
	OK(pthread_sigmask(SIG_SETMASK, NULL, &s));
	CHECK(!sigismember(&s, SIGILL));
	OK(sigaction(SIGTRAP, &sa, NULL));
	__asm__ volatile("int3");
	EQ(hits, n + 1);
	EQ(lastsig, SIGTRAP);
	return NULL;
}

static void *
burns(void *arg)
{
	for(volatile unsigned long k = 0;; k++)
		;
	return NULL;
}

/* The process's CPU time is limited, not the thread's. */
static void
limited(void)
{
	struct rlimit l = { 1, 5 };
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if(pid == 0) {
		OK(setrlimit(RLIMIT_CPU, &l));
		join(spawn(burns, NULL));
		_exit(0);
	}
	EQ(wait3(&status, 0, NULL), pid);
	CHECK(WIFSIGNALED(status));
	EQ(WTERMSIG(status), SIGXCPU);
}

int
main(void)
{
	join(spawn(holds, NULL));
	puts("sigset and its like: ok");
	interrupts();
	puts("siginterrupt: ok");
	join(spawn(alarms, NULL));
	puts("timers: ok");
	join(spawn(faults, NULL));
	puts("faults: ok");
	fflush(stdout);
	limited();
	puts("SIGXCPU: ok");
	return 0;
}
