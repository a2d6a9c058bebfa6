/* SPDX-License-Identifier: MIT */
/*
 * A timer that expires faster than its handler runs, in a program whose other thread blocks all
 * signals: the program goes on, and can stop the timer.
 */
#include "prog.h"
#include <signal.h>

enum { MANY = 200 };

static timer_t timer;
static volatile sig_atomic_t calls, stopped;
static pthread_mutex_t lk = PTHREAD_MUTEX_INITIALIZER;

static void
handler(int sig, siginfo_t *info, void *uc)
{
	struct itimerspec off = {0};

	CHECK(info->si_code == SI_TIMER);
	CHECK(info->si_overrun >= 0);
	if(++calls == MANY) {
		timer_settime(timer, 0, &off, NULL);
		stopped = 1;
	}
}

static void *
parked(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	OK(pthread_sigmask(SIG_BLOCK, &all, NULL));
	pthread_mutex_lock(&lk);
	pthread_mutex_unlock(&lk);
	return NULL;
}

int
main(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
	struct itimerspec on = {{0, 1000}, {0, 1000}};
	pthread_t t;

	pthread_mutex_lock(&lk);
	t = spawn(parked, NULL);
	OK(sigaction(SIGRTMIN + 1, &sa, NULL));
	OK(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	OK(timer_settime(timer, 0, &on, NULL));
	while(!stopped)
		msleep(1);
	OK(timer_delete(timer));
	pthread_mutex_unlock(&lk);
	join(t);
	puts("ok");
	return 0;
}
