/* SPDX-License-Identifier: MIT */
/* What mutexes, condition variables, semaphores and so on share. See sync.h. */
#include "sync.h"

struct g *
syncgslow(void)
{
	if(!rtready)
		return NULL;
	wordsothers();
	return getgforeign(); /* on an M, too: libc's own functions would not wake Gs that wait for the program's malloc */
}

static int64_t
nsof(const struct timespec *ts)
{
	int64_t t;

	if(__builtin_mul_overflow((int64_t)ts->tv_sec, NSEC, &t) || __builtin_add_overflow(t, ts->tv_nsec, &t))
		return ts->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return t;
}

/*
 * The real-time clock is read before the other one: the time between the two
 * makes the result later, never earlier.
 */
static int64_t
tomonotonic(clockid_t clock, int64_t when)
{
	struct timespec now;

	if(clock == CLOCK_REALTIME){
		clock_gettime(CLOCK_REALTIME, &now);
		if(__builtin_sub_overflow(when, nsof(&now), &when))
			return when < 0 ? INT64_MAX : 1;
		if(__builtin_add_overflow(when, nanotime(), &when))
			return INT64_MAX;
	}
	return when > 0 ? when : 1; /* long past, but not NOTIME */
}

int
deadlineset(struct deadline *d)
{
	if(!validnsec(d->ts))
		return EINVAL;
	d->when = tomonotonic(d->clock, nsof(d->ts));
	return 0;
}

bool
deadlinepast(struct deadline *d)
{
	struct timespec now;

	if(d->clock == CLOCK_MONOTONIC)
		return true;
	clock_gettime(CLOCK_REALTIME, &now);
	if(nsof(&now) >= nsof(d->ts))
		return true;
	d->when = tomonotonic(d->clock, nsof(d->ts));
	return false;
}

int
runhandlers(struct g *gp)
{
	uint32_t n = gp->nsig;
	bool restart;

	if(gp->flags & GF_FOREIGN) /* they have run where it slept: parkforeign */
		return gp->nsigintr ? HANDLER_EINTR : gp->nsig ? HANDLER_RESTART : HANDLER_NONE;
	restart = sigdeliver(gp);
	if(unlikely(asynccancels(gp))){
		rtexit(gp);
		rtenter(gp);
	}
	return gp->nsig == n ? HANDLER_NONE : restart ? HANDLER_RESTART : HANDLER_EINTR;
}

void
kernelwake(const void *addr, int n)
{
	rawsyscall(SYS_futex, addr, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n);
}
