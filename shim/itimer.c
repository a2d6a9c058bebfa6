/* SPDX-License-Identifier: MIT */
/*
 * Timers of the process that send a signal: the kernel's. When one is stopped, or begins anew, what it has sent is handled before the
 * caller goes on, as natively: core/sigsettle.c.
 *
 * Nothing is on its way from a timer that was to expire once, and had not. A one-shot alarm around each of a program's operations costs
 * nothing more therefore.
 */
#include "libc.h"
#include "sig.h"

enum { NWHICH = 3 };

/* ITIMER_*: may it have expired since it was last seen stopped? A program may begin with one that runs. Atomic. */
static uint8_t idle[NWHICH];

static uint64_t
signalof(int which)
{
	return which == ITIMER_REAL ? SIGBIT(SIGALRM) : which == ITIMER_VIRTUAL ? SIGBIT(SIGVTALRM) : SIGBIT(SIGPROF);
}

EXPORT int
setitimer(itimer which, const struct itimerval *new, struct itimerval *old)
{
	struct g *gp = getg();
	struct itimerval was;
	bool stop, quiet;

	if(gp == NULL || new == NULL || (int)which < 0 || (int)which >= NWHICH)
		return libc.setitimer(which, new, old);
	if(libc.setitimer(which, new, old != NULL ? old : &was) != 0)
		return -1;
	if(old == NULL)
		old = &was;
	stop = new->it_value.tv_sec == 0 && new->it_value.tv_usec == 0;
	quiet = old->it_interval.tv_sec == 0 && old->it_interval.tv_usec == 0 &&
		(old->it_value.tv_sec != 0 || old->it_value.tv_usec != 0 || load_relaxed(&idle[which]));
	store_relaxed(&idle[which], stop);
	if(!quiet)
		sigsettle(gp, signalof((int)which));
	return 0;
}

/* As the kernel rounds: never to 0 while an alarm is to come. */
EXPORT unsigned
alarm(unsigned sec)
{
	struct itimerval new = {.it_value.tv_sec = sec}, old;

	if(getg() == NULL)
		return libc.alarm(sec);
	if(setitimer(ITIMER_REAL, &new, &old) != 0)
		return 0;
	return (unsigned)old.it_value.tv_sec +
	       (old.it_value.tv_usec >= 500000 || (old.it_value.tv_sec == 0 && old.it_value.tv_usec > 0));
}

EXPORT useconds_t
ualarm(useconds_t us, useconds_t interval)
{
	struct g *gp = getg();
	useconds_t r = libc.ualarm(us, interval);

	if(gp != NULL){
		store_relaxed(&idle[ITIMER_REAL], 0);
		sigsettle(gp, SIGBIT(SIGALRM));
	}
	return r;
}

/* Which signal it sends only the kernel knows. */
EXPORT int
timer_settime(timer_t t, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	struct g *gp = getg();
	struct itimerspec was;

	if(gp == NULL)
		return libc.timer_settime(t, flags, new, old);
	if(old == NULL)
		old = &was;
	if(libc.timer_settime(t, flags, new, old) != 0)
		return -1;
	if(old->it_interval.tv_sec != 0 || old->it_interval.tv_nsec != 0 || (old->it_value.tv_sec == 0 && old->it_value.tv_nsec == 0))
		sigsettle(gp, ~0ULL);
	return 0;
}

EXPORT int
timer_delete(timer_t t)
{
	struct g *gp = getg();
	int r = libc.timer_delete(t);

	if(gp != NULL && r == 0)
		sigsettle(gp, ~0ULL);
	return r;
}
