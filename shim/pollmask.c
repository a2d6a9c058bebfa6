/* SPDX-License-Identifier: MIT */
/*
 * ppoll, pselect, epoll_pwait and epoll_pwait2 with a signal mask.
 *
 * The call promises that a signal which the mask lets through is handled within it, and ends it, even
 * one that came before. So the kernel does the wait, as the exchange of masks and the wait must be one; but a
 * signal may also be in heddle's queues, of which the kernel knows nothing:
 *
 *   G                                          who sends to it
 *   its mask becomes the call's                queues the signal
 *   all signals blocked in the kernel          attn = ATTN_SIGNAL
 *   attn? kicks itself                         kicks
 *   the call, which lets the kick through
 *
 * Whichever looks second sees the other, and the kick, pending while all is blocked, ends the wait at its
 * start. What the kernel has for the thread waits likewise. That a handler has run shows in gp->nsig; a kick for
 * nothing only repeats the call. Such a G keeps a kernel thread while it waits; programs have few.
 *
 * The same serves a G that waits in the kernel and has to come out of it for a kick that runs no handler: signalfds (core/sigsend.c).
 */
#include <string.h>

#include "fd.h"
#include "sig.h"

struct maskedcall {
	struct g *gp;
	int64_t deadline;
	uint16_t nsig; /* at the start */
	bool stopped;
	long (*make)(struct maskedcall *, const struct timespec *left, const uint64_t *mask);
	/* what it needs */
	int fd, n;
	void *p[3];
};

static const struct timespec *
left(struct maskedcall *c, struct timespec *ts)
{
	int64_t ns;

	if(c->deadline == NOTIME)
		return NULL;
	if((ns = c->deadline - nanotime()) < 0)
		ns = 0;
	*ts = (struct timespec){ns / NSEC, ns % NSEC};
	return ts;
}

/* The G's mask is the call's already. */
static long
once(struct maskedcall *c)
{
	struct g *gp = c->gp;
	struct stopwatch w;
	struct timespec ts;
	uint64_t mask;
	long r = -EINTR;

	entersyscallblock(gp); /* runs handlers that can run */
	sigblockall();
	if(gp->nsig == c->nsig){
		if(load_acquire(&gp->attn) & ~(uint32_t)ATTN_IDLE)
			preemptm(gp->m);
		mask = gp->sigmask;
		w = stopwatch();
		r = c->make(c, left(c, &ts), &mask);
		c->stopped = stopended(&w, r);
	}
	/* what comes from now on is for after the call, when the mask is the old one: so in runtime mode, though without a P */
	gp->locks++;
	compiler_barrier();
	sigsetkernelmask(gp->sigmask);
	compiler_barrier();
	gp->locks--;
	exitsyscallblock(gp);
	return r;
}

/* The wait with that mask. Runtime mode. */
static long
waitmasked(struct maskedcall *c, uint64_t mask)
{
	uint64_t old;
	long r;

	c->nsig = c->gp->nsig;
	old = sigmaskfortime(c->gp, mask);
	do
		r = once(c);
	while(r == -EINTR && !interrupted(c->gp, false) && c->gp->nsig == c->nsig && !c->stopped);
	sigmaskback(c->gp, old);
	return r;
}

static int
masked(struct maskedcall *c, const sigset_t *set, int64_t timeout)
{
	uint64_t mask;
	long r;

	memcpy(&mask, set, sizeof mask);
	cancelpoint(c->gp);
	rtenter(c->gp);
	c->deadline = deadlinens(timeout);
	r = waitmasked(c, mask);
	rtexit(c->gp);
	return (int)ioreturn(r);
}

static long
makepoll(struct maskedcall *c, const struct timespec *ts, const uint64_t *mask)
{
	return rawsyscall(SYS_ppoll, c->p[0], (long)(unsigned)c->n, ts, mask, sizeof *mask);
}

/* More than an int holds is more than RLIMIT_NOFILE can be: EINVAL. */
#define POLLCALL(gp_, fds, n_) {.gp = (gp_), .make = makepoll, .n = (n_) > INT32_MAX ? -1 : (int)(n_), .p = {fds}}

int
maskedpoll(struct g *gp, struct pollfd *fds, nfds_t n, int64_t timeout, const sigset_t *set)
{
	struct maskedcall c = POLLCALL(gp, fds, n);

	return masked(&c, set, timeout);
}

long
kickedpoll(struct g *gp, struct pollfd *fds, nfds_t n, int64_t deadline)
{
	struct maskedcall c = POLLCALL(gp, fds, n);

	c.deadline = deadline;
	return waitmasked(&c, gp->sigmask);
}

static long
makeselect(struct maskedcall *c, const struct timespec *ts, const uint64_t *mask)
{
	struct {
		const uint64_t *mask;
		size_t size;
	} arg = {mask, sizeof *mask};
	struct timespec t; /* the kernel writes what is left */

	if(ts != NULL)
		t = *ts;
	return rawsyscall(SYS_pselect6, c->n, c->p[0], c->p[1], c->p[2], ts ? &t : NULL, &arg);
}

int
maskedselect(struct g *gp, int n, fd_set *r, fd_set *w, fd_set *e, int64_t timeout, const sigset_t *set)
{
	struct maskedcall c = {.gp = gp, .make = makeselect, .n = n, .p = {r, w, e}};

	return masked(&c, set, timeout);
}

long
kickedselect(struct g *gp, int n, fd_set *r, fd_set *w, fd_set *e, int64_t deadline)
{
	struct maskedcall c = {.gp = gp, .make = makeselect, .n = n, .p = {r, w, e}, .deadline = deadline};

	return waitmasked(&c, gp->sigmask);
}

static long
makeepoll(struct maskedcall *c, const struct timespec *ts, const uint64_t *mask)
{
	long r, ms = -1;

	if(ts != NULL){
		r = rawsyscall(SYS_epoll_pwait2, c->fd, c->p[0], c->n, ts, mask, sizeof *mask);
		if(r != -ENOSYS)
			return r;
		ms = ts->tv_sec < INT32_MAX / 1000 ? ts->tv_sec * 1000 + (ts->tv_nsec + MSEC - 1) / MSEC : INT32_MAX;
	}
	return rawsyscall(SYS_epoll_pwait, c->fd, c->p[0], c->n, ms, mask, sizeof *mask);
}

int
maskedepoll(struct g *gp, int ep, struct epoll_event *ev, int n, int64_t timeout, const sigset_t *set)
{
	struct maskedcall c = {.gp = gp, .make = makeepoll, .fd = ep, .n = n, .p = {ev}};

	return masked(&c, set, timeout);
}

long
kickedepoll(struct g *gp, int ep, struct epoll_event *ev, int n, int64_t deadline)
{
	struct maskedcall c = {.gp = gp, .make = makeepoll, .fd = ep, .n = n, .p = {ev}, .deadline = deadline};

	return waitmasked(&c, gp->sigmask);
}
