/* SPDX-License-Identifier: MIT */
/*
 * What has come for the only thread that lets a signal through is handled before it goes on: a timer's ticks before the call that stops it
 * returns, what a child has sent before the parent has its status. So the default action may be set at once, and does not end the process. The
 * other threads, which block all signals, see to it that main is now here, now there.
 */
#include "prog.h"
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { N = 40, OTHERS = 2, TURNS = 8 };

static volatile sig_atomic_t ticks, usr;
static int ask[2], answer[2];

static void
ontick(int sig)
{
	ticks++;
}

static void
onusr(int sig)
{
	usr++;
}

static void *
echo(void *arg)
{
	char c;

	while(read(ask[0], &c, 1) == 1)
		if(write(answer[1], &c, 1) != 1)
			break;
	return NULL;
}

static void
turns(void)
{
	char c = 0;

	for(int i = 0; i < TURNS; i++) {
		EQ(write(ask[1], &c, 1), 1);
		while(read(answer[0], &c, 1) != 1)
			;
	}
}

/* No more of them comes now. */
static void
over(int seen)
{
	for(int i = 0; i < 20; i++)
		usleep(10);
	EQ(ticks, seen);
	CHECK(signal(SIGALRM, SIG_DFL) != SIG_ERR);
	CHECK(signal(SIGRTMIN, SIG_DFL) != SIG_ERR);
}

static void
begin(void)
{
	CHECK(signal(SIGALRM, ontick) != SIG_ERR);
	CHECK(signal(SIGRTMIN, ontick) != SIG_ERR);
}

static void
interval(void)
{
	struct itimerval on = {{0, 150}, {0, 150}}, off = {0};

	for(int i = 0; i < N; i++) {
		begin();
		OK(setitimer(ITIMER_REAL, &on, NULL));
		turns();
		if(i % 3 == 0)
			alarm(0);
		else if(i % 3 == 1)
			EQ(syscall(SYS_setitimer, ITIMER_REAL, &off, NULL), 0);
		else
			OK(setitimer(ITIMER_REAL, &off, NULL));
		over(ticks);
	}
	puts("setitimer");
}

/* As in CPython's tests: nothing else between the end of the timer and that of the handler. */
static void
atonce(void)
{
	struct itimerval on = {{0, 150}, {0, 150}}, off = {0};

	for(int i = 0; i < 3 * N; i++) {
		CHECK(signal(SIGALRM, ontick) != SIG_ERR);
		OK(setitimer(ITIMER_REAL, &on, NULL));
		turns();
		OK(setitimer(ITIMER_REAL, &off, NULL));
		CHECK(signal(SIGALRM, i % 2 ? SIG_DFL : SIG_IGN) == ontick);
	}
	puts("signal");
}

static void
posix(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	struct itimerspec on = {{0, 150000}, {0, 150000}}, off = {0};
	timer_t t;

	for(int i = 0; i < N; i++) {
		begin();
		OK(timer_create(CLOCK_MONOTONIC, &ev, &t));
		OK(timer_settime(t, 0, &on, NULL));
		turns();
		if(i % 2)
			OK(timer_settime(t, 0, &off, NULL));
		else
			OK(timer_delete(t));
		over(ticks);
		if(i % 2)
			OK(timer_delete(t));
	}
	puts("timer_settime");
}

static void
child(void)
{
	int status;
	pid_t pid;

	for(int i = 0; i < 2 * N; i++) {
		usr = 0;
		CHECK(signal(SIGUSR1, onusr) != SIG_ERR);
		turns();
		CHECK((pid = fork()) >= 0);
		if(pid == 0) {
			kill(getppid(), SIGUSR1);
			_exit(0);
		}
		if(i % 2)
			EQ(waitpid(pid, &status, 0), pid);
		else
			OK(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED));
		EQ(usr, 1);
		CHECK(signal(SIGUSR1, SIG_DFL) == onusr);
	}
	puts("waitpid");
}

int
main(void)
{
	pthread_t t[OTHERS];
	sigset_t all, was;

	OK(pipe(ask));
	OK(pipe(answer));
	sigfillset(&all);
	OK(pthread_sigmask(SIG_SETMASK, &all, &was));
	for(int i = 0; i < OTHERS; i++)
		t[i] = spawn(echo, NULL);
	OK(pthread_sigmask(SIG_SETMASK, &was, NULL));
	interval();
	atonce();
	posix();
	child();
	close(ask[1]);
	for(int i = 0; i < OTHERS; i++)
		join(t[i]);
	return 0;
}
