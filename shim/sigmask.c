/* SPDX-License-Identifier: MIT */
/*
 * Masks, and waiting for signals.
 */
#include <errno.h>
#include <string.h>

#include "fd.h"
#include "setmask.h"
#include "thread.h"

static void
setof(sigset_t *set, uint64_t mask)
{
	memcpy(set, &mask, sizeof mask);
}

/* The G is about to block signals: what has come of them is handled before. */
static void
handlefirst(struct g *gp)
{
	rtenter(gp);
	sigcatchup(gp);
	if(sigwaits(gp, ~gp->sigmask))
		fetch_or(&gp->attn, ATTN_SIGNAL);
	rtexit(gp);
}

void
setmask(struct g *gp, uint64_t mask)
{
	if((mask & ~SIGNEVER) == gp->sigmask)
		return;
	if(unlikely(load_relaxed(&sighandledset) & mask & ~gp->sigmask))
		handlefirst(gp);
	rtenter(gp);
	setsigmask(gp, mask);
	rtexit(gp);
}

/* ---- masks ---- */

static int
change(struct g *gp, int how, const sigset_t *set, sigset_t *old)
{
	uint64_t was = gp->sigmask, mask;

	if(set != NULL){
		mask = maskof(set);
		switch(how){
		case SIG_BLOCK:
			mask |= was;
			break;
		case SIG_UNBLOCK:
			mask = was & ~mask;
			break;
		case SIG_SETMASK:
			break;
		default:
			return EINVAL;
		}
		setmask(gp, mask);
	}
	if(old != NULL)
		setof(old, was);
	return 0;
}

EXPORT int
pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	struct g *gp = getg();

	return gp != NULL ? change(gp, how, set, old) : libc.pthread_sigmask(how, set, old);
}

EXPORT int
sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	struct g *gp = getg();
	int e;

	if(gp == NULL)
		return libc.sigprocmask(how, set, old);
	if((e = change(gp, how, set, old)) == 0)
		return 0;
	errno = e;
	return -1;
}

/* The BSD functions know the first 32 signals. */

static int
addmask(int mask)
{
	struct g *gp = getg();
	int was;

	if(gp == NULL)
		return libc.sigblock(mask);
	was = (int)gp->sigmask;
	setmask(gp, gp->sigmask | (unsigned)mask);
	return was;
}

EXPORT int
sigblock(int mask)
{
	return addmask(mask);
}

EXPORT int
sigsetmask(int mask)
{
	struct g *gp = getg();
	int was;

	if(gp == NULL)
		return libc.sigsetmask(mask);
	was = (int)gp->sigmask;
	setmask(gp, (unsigned)mask);
	return was;
}

EXPORT int
siggetmask(void)
{
	return addmask(0);
}

static int
one(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	return sigaddset(&set, sig) != 0 ? -1 : sigprocmask(how, &set, NULL);
}

EXPORT int
sighold(int sig)
{
	return one(SIG_BLOCK, sig);
}

EXPORT int
sigrelse(int sig)
{
	return one(SIG_UNBLOCK, sig);
}

EXPORT int
sigpending(sigset_t *set)
{
	struct g *gp = getg();
	uint64_t kernel;

	if(gp == NULL)
		return libc.sigpending(set);
	rawsyscall(SYS_rt_sigpending, &kernel, 8);
	setof(set, (kernel | sigqueued(gp)) & gp->sigmask);
	return 0;
}

/* ---- waiting for a handler to run ---- */

/* Waits with this mask until a handler has run: always EINTR. */
static int
suspend(struct g *gp, uint64_t mask)
{
	uint64_t old;
	uint16_t n;

	cancelpoint(gp);
	rtenter(gp);
	n = gp->nsig;
	old = sigmaskfortime(gp, mask);
	do{
		parkprep(gp);
		park(gp, Wsignal, NULL, NOTIME);
	}while(!interrupted(gp, false) && gp->nsig == n);
	sigmaskback(gp, old);
	rtexit(gp);
	errno = EINTR;
	return -1;
}

EXPORT int
sigsuspend(const sigset_t *set)
{
	struct g *gp = getg();

	return gp != NULL ? suspend(gp, maskof(set)) : libc.sigsuspend(set);
}
ALSO(__sigsuspend, sigsuspend)

EXPORT int
pause(void)
{
	struct g *gp = getg();

	return gp != NULL ? suspend(gp, gp->sigmask) : libc.pause();
}

/* issig: X/Open's, of a signal to be let through; else BSD's, of a mask. */
EXPORT int
__sigpause(int arg, int issig)
{
	struct g *gp = getg();
	uint64_t mask;

	if(gp == NULL)
		return libc.__sigpause(arg, issig);
	if(issig && (arg < 1 || arg > NSIGS)){
		errno = EINVAL;
		return -1;
	}
	mask = issig ? gp->sigmask & ~SIGBIT(arg) : (unsigned)arg;
	return suspend(gp, mask);
}

/* libc has two functions of this name; the headers' choice depends on what the program defines. */
EXPORT int sigpause_(int mask) __asm__("sigpause");

int
sigpause_(int mask)
{
	return __sigpause(mask, 0);
}

EXPORT int
__xpg_sigpause(int sig)
{
	return __sigpause(sig, 1);
}

/* ---- waiting for a signal itself ---- */

/* until: absolute, NOTIME for ever, 0 not at all. A signal's number or a negative errno. */
static int
await(struct g *gp, const sigset_t *set, siginfo_t *info, int64_t until)
{
	siginfo_t buf;
	int r;

	cancelpoint(gp);
	rtenter(gp);
	r = sigwaitfor(gp, maskof(set), info ? info : &buf, until);
	rtexit(gp);
	if(r < 0)
		cancelpoint(gp);
	return r;
}

static int
result(int r)
{
	if(r >= 0)
		return r;
	errno = -r;
	return -1;
}

int
sigwaitraw(struct g *gp, const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	int64_t until = NOTIME;

	if(timeout != NULL){
		if(!goodtime(timeout)){
			errno = EINVAL;
			return -1;
		}
		until = tonsec(timeout);
		if(until != 0)
			until = deadlinens(until);
	}
	return result(await(gp, set, info, until));
}

/* As libc has it a thread's signal, too, says SI_USER here, as POSIX wants it. */
EXPORT int
sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	struct g *gp = getg();
	int r;

	if(gp == NULL)
		return libc.sigtimedwait(set, info, timeout);
	r = sigwaitraw(gp, set, info, timeout);
	if(r > 0 && info != NULL && info->si_code == SI_TKILL)
		info->si_code = SI_USER;
	return r;
}

EXPORT int
sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	return getg() != NULL ? sigtimedwait(set, info, NULL) : libc.sigwaitinfo(set, info);
}

EXPORT int
sigwait(const sigset_t *set, int *sig)
{
	struct g *gp = getg();
	siginfo_t info;
	int r;

	if(gp == NULL)
		return libc.sigwait(set, sig);
	do
		r = await(gp, set, &info, NOTIME);
	while(r == -EINTR);
	if(r < 0)
		return -r;
	*sig = r;
	return 0;
}
