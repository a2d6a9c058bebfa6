/* SPDX-License-Identifier: MIT */
/*
 * Sleeping, on the P's timers.
 *
 * A relative sleep counts CLOCK_MONOTONIC time, whatever clock it names: so does the
 * kernel. Only a sleep until a time of a clock that can be set, or runs during suspend, is the kernel's.
 * Sleeps are ended by handlers, SA_RESTART or not.
 */
#include "fd.h"

/* Sleeps until `until`. 0, or EINTR. */
static int
sleepto(struct g *gp, int64_t until)
{
	for(;;){
		parkprep(gp);
		if(park(gp, Wsleep, NULL, until) != WAKE_SIGNAL)
			return 0;
		if(interrupted(gp, false))
			return EINTR;
	}
}

/* EINTR, or EFAULT. */
static int
setrem(struct timespec *rem, int64_t until)
{
	int64_t left = until - nanotime();
	struct timespec ts;

	if(left < 0)
		left = 0;
	ts = (struct timespec){left / NSEC, left % NSEC};
	return trycopy(rem, &ts, sizeof ts) == 0 ? EINTR : EFAULT;
}

/* ns > 0 from now. 0, or EINTR with *rem (if not NULL) set. */
static int
sleepfor(struct g *gp, int64_t ns, struct timespec *rem)
{
	int64_t until;
	int e;

	cancelpoint(gp);
	rtenter(gp);
	until = deadlinens(ns);
	if(ns == 0){
		gosched();
		e = 0;
	}else if((e = sleepto(gp, until)) == EINTR && rem != NULL)
		e = setrem(rem, until);
	rtexit(gp);
	return e;
}

static int
sleepuntilabs(struct g *gp, int64_t until)
{
	int e;

	cancelpoint(gp);
	rtenter(gp);
	e = sleepto(gp, until);
	rtexit(gp);
	return e;
}

static bool
relativeclock(clockid_t c)
{
	return c == CLOCK_MONOTONIC || c == CLOCK_REALTIME || c == CLOCK_BOOTTIME || c == CLOCK_TAI;
}

EXPORT int
clock_nanosleep(clockid_t clock, int flags, const struct timespec *req, struct timespec *rem)
{
	struct g *gp = getg();
	struct timespec ts;
	int e;

	if(gp != NULL && trycopy(&ts, req, sizeof ts) == 0 && goodtime(&ts)){
		if(!(flags & TIMER_ABSTIME) && relativeclock(clock))
			return sleepfor(gp, tonsec(&ts), rem);
		if((flags & TIMER_ABSTIME) && clock == CLOCK_MONOTONIC)
			return sleepuntilabs(gp, tonsec(&ts));
	}
	if(gp == NULL)
		return libc.clock_nanosleep(clock, flags, req, rem);
	cancelpoint(gp);
	rtenter(gp);
	e = iosyscallblock(gp, libc.clock_nanosleep(clock, flags, req, rem));
	rtexit(gp);
	return e;
}

static int
sleepfail(int e)
{
	if(e == 0)
		return 0;
	errno = e;
	return -1;
}

EXPORT int
nanosleep(const struct timespec *req, struct timespec *rem)
{
	struct g *gp = getg();
	struct timespec ts;

	if(gp == NULL || trycopy(&ts, req, sizeof ts) != 0 || !goodtime(&ts))
		return libc.nanosleep(req, rem);
	return sleepfail(sleepfor(gp, tonsec(&ts), rem));
}
ALSO(__nanosleep, nanosleep)

EXPORT int
usleep(useconds_t us)
{
	struct g *gp = getg();

	return gp != NULL ? sleepfail(sleepfor(gp, (int64_t)us * USEC, NULL)) : libc.usleep(us);
}

/* sleep returns the seconds left, the started one not counted, and keeps errno. */
EXPORT unsigned
sleep(unsigned sec)
{
	struct g *gp = getg();
	struct timespec rem = {0, 0};

	if(gp == NULL)
		return libc.sleep(sec);
	return sleepfor(gp, (int64_t)sec * NSEC, &rem) == 0 ? 0 : (unsigned)rem.tv_sec;
}

EXPORT int
thrd_sleep(const struct timespec *req, struct timespec *rem)
{
	struct g *gp = getg();
	struct timespec ts;

	if(gp == NULL || trycopy(&ts, req, sizeof ts) != 0 || !goodtime(&ts))
		return libc.thrd_sleep(req, rem);
	return sleepfor(gp, tonsec(&ts), rem) == 0 ? 0 : -1;
}
