/* SPDX-License-Identifier: MIT */
/*
 * Clocks of the CPU time that threads use.
 *
 * The caller's own clock and usage are the G's (core/cputime.c). pthread_getcpuclockid gives an id that the kernel does not
 * have: in its encoding the lowest three bits say what kind of clock it is, and 7 is none; above are the bits of the G's
 * tid that differ between Gs, inverted; for main, all ones. A timer on such a clock is the kernel's, of a kernel thread that the G gets for its own.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

#include "thread.h"

enum {
	CLOCKOFG = 7,
	KINDBITS = 3,
	LASTKERNEL = 15,         /* the kernel's own ids are below */
	TIDCOMMON = 0x20000000,  /* bits that all tids of Gs have, but main's */
};

static clockid_t
clockof(struct g *gp)
{
	uint32_t bits = gp->flags & GF_MAIN ? 0 : gp->tid & ~(uint32_t)TIDCOMMON;

	return (clockid_t)(~bits << KINDBITS | CLOCKOFG);
}

/* The G whose CPU clock it is; NULL: none, or the kernel's business. */
static struct g *
gofclock(clockid_t id)
{
	uint32_t bits;

	if(!rtready)
		return NULL;
	if(id == CLOCK_THREAD_CPUTIME_ID)
		return getg();
	if((id & CLOCKOFG) != CLOCKOFG || (id >= 0 && id <= LASTKERNEL))
		return NULL;
	bits = ~((uint32_t)id >> KINDBITS) & (TIDCOMMON - 1);
	return bits == 0 ? maing : gfromtid(bits | TIDCOMMON);
}

static int64_t
timeof(struct g *gp)
{
	struct g *self = getg();
	int64_t t;

	if(self == NULL && (self = getgforeign()) == NULL)
		return 0;
	rtenter(self);
	t = cputime(gp);
	rtexit(self);
	return t;
}

EXPORT int
pthread_getcpuclockid(pthread_t th, clockid_t *clock)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;

	if(gp == NULL)
		return libc.pthread_getcpuclockid(th, clock);
	*clock = clockof(gp);
	timeof(gp); /* so that it is counted from now on */
	return 0;
}

static noinline int
gettimeother(clockid_t id, struct timespec *ts)
{
	struct g *gp = gofclock(id);
	int64_t t;

	if(gp == NULL)
		return libc.clock_gettime(id, ts);
	t = timeof(gp);
	ts->tv_sec = t / NSEC;
	ts->tv_nsec = t % NSEC;
	return 0;
}

EXPORT int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if(likely(id == CLOCK_MONOTONIC || id == CLOCK_REALTIME))
		return libc.clock_gettime(id, ts);
	return gettimeother(id, ts);
}

EXPORT int
clock_getres(clockid_t id, struct timespec *ts)
{
	return libc.clock_getres(gofclock(id) != NULL ? CLOCK_THREAD_CPUTIME_ID : id, ts);
}

static int64_t
nsof(struct timeval tv)
{
	return tv.tv_sec * NSEC + tv.tv_usec * USEC;
}

static struct timeval
tvof(int64_t ns)
{
	return (struct timeval){ns / NSEC, ns % NSEC / USEC};
}

/* How the time is divided between program and kernel, and the rest, is known of the kernel thread only. */
EXPORT int
getrusage(__rusage_who_t who, struct rusage *ru)
{
	struct g *gp = getg();
	int r = libc.getrusage(who, ru);
	int64_t all, sys, t;

	if(gp == NULL || who != RUSAGE_THREAD || r != 0)
		return r;
	t = timeof(gp);
	sys = nsof(ru->ru_stime);
	all = nsof(ru->ru_utime) + sys;
	sys = all > 0 ? (int64_t)((__int128)t * sys / all) : 0;
	ru->ru_stime = tvof(sys);
	ru->ru_utime = tvof(t - sys);
	return 0;
}

/* ---- timers ---- */

/*
 * A timer that counts a thread's CPU time, or that signals a thread, is the kernel's matter, so the thread gets a kernel thread
 * of its own.
 */
EXPORT int
timer_create(clockid_t clock, struct sigevent *ev, timer_t *t)
{
	struct g *self = getg(), *gp;
	struct sigevent copy;
	pid_t tid;
	int e = 0;

	if(self == NULL)
		return libc.timer_create(clock, ev, t);
	if((gp = gofclock(clock)) != NULL){
		tid = (pid_t)gp->tid;
		e = kernelown(&tid);
		clock = (clockid_t)(~(unsigned)tid << KINDBITS | 6); /* as the kernel encodes it: scheduler's clock of a thread */
	}
	if(e == 0 && ev != NULL && ev->sigev_notify == SIGEV_THREAD_ID){
		copy = *ev;
		e = kernelown(&copy._sigev_un._tid);
		ev = &copy;
	}
	if(e == 0)
		return libc.timer_create(clock, ev, t);
	errno = e == ESRCH ? EINVAL : e;
	return -1;
}
