/* SPDX-License-Identifier: MIT */
/* For programs that have threads which libc makes by itself: SIGEV_THREAD's. */
#ifndef FOREIGN_H
#define FOREIGN_H

#include "prog.h"
#include <signal.h>
#include <sys/syscall.h>

/* fn runs on such a thread in first ns, and each time another every ns are over (0: once). The timer is the caller's. */
static timer_t
foreignthreads(void (*fn)(union sigval), int64_t first, int64_t every)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = fn};
	struct itimerspec it = {{every / SEC, every % SEC}, {first / SEC, first % SEC}};
	timer_t t;

	if(timer_create(CLOCK_MONOTONIC, &ev, &t) != 0)
		SKIP("no SIGEV_THREAD timers");
	EQ(timer_settime(t, 0, &it, NULL), 0);
	return t;
}

/* Such a thread starts with all signals blocked: lets sig in (how: SIG_UNBLOCK), or keeps it out again (SIG_BLOCK). */
UNUSED static void
foreignmask(int how, int sig)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, sig);
	OK(pthread_sigmask(how, &s, NULL));
}

#endif
