/* SPDX-License-Identifier: MIT */
/*
 * poll and ppoll; and what they have in common with select.
 *
 * The kernel is asked with a zero time-out: it knows best what the descriptors and the sets
 * mean, errors included. If nothing is ready the G waits for an edge on any of them (pollmany) and asks
 * again. The edges' numbers are taken before the kernel is asked, so that none is missed in between.
 *
 * Waiting for many descriptors costs a queue entry each, twice a call. An event loop
 * with many descriptors is served better by the kernel, as long as only a few
 * Gs do so: kernelwaitbegin.
 *
 * With a signal mask the kernel does the call: see pollmask.c.
 */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "fd.h"
#include "sig.h"

enum {
	FEW = 2,        /* as nearly all ask: a connection waits at this depth, and its stack's pages are what it costs */
	SMALL = 16,     /* waits that fit on the stack */
	MANY = 32,      /* so many descriptors are left to the kernel, if few Gs are there */
};

/* Gs that wait in the kernel though they could park. */
static int32_t nkernelwait;

void
pollshimfork(void)
{
	nkernelwait = 0;
}

bool
kernelwaitbegin(void)
{
	if(add_fetch(&nkernelwait, 1) <= 2 * gomaxprocs + 4)
		return true;
	add_fetch(&nkernelwait, -1);
	return false;
}

void
kernelwaitend(void)
{
	add_fetch(&nkernelwait, -1);
}

static void *
mapmem(size_t size)
{
	long p = rawsyscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p < 0 && p > -4096 ? NULL : (void *)p;
}

/* One wait, however the call described it. */
struct pollcall {
	struct g *gp;
	struct pollfd *fds;
	nfds_t n;
	int64_t deadline;
};

/* A look without waiting. The kernel says EINTR, and not 0, when a signal is pending, be it the runtime's own. */
static long
polltry(struct pollfd *fds, nfds_t n)
{
	long r;

	do
		r = rawsyscall(SYS_poll, fds, n, 0);
	while(r == -EINTR);
	return r;
}

static long
pollkernel(struct pollcall *c, bool longwait)
{
	struct timespec ts;

	if(longwait && unlikely(load_relaxed(&signalfds) != 0))
		return kickedpoll(c->gp, c->fds, c->n, c->deadline);
	if(longwait)
		return iokernel(c->gp, libc.ppoll(c->fds, c->n, timeleft(c->deadline, &ts), NULL));
	return rawresult(iosyscall(c->gp, libc.ppoll(c->fds, c->n, timeleft(c->deadline, &ts), NULL)));
}

/* The same where it may take long. */
static long
polltryslow(struct g *gp, struct pollfd *fds, nfds_t n)
{
	long r;

	do
		r = iosyscall(gp, rawsyscall(SYS_poll, fds, n, 0));
	while(r == -EINTR);
	return r;
}

/* Returns how many entries of w it has set, -EFAULT, or -EDEADLK: one is slow to poll. */
static int
fillwaits(struct pollwait *w, const struct pollfd *fds, int n)
{
	struct pollfd p;
	int m = 0;

	for(int i = 0; i < n; i++){
		struct polldesc *pd;

		if(trycopy(&p, &fds[i], sizeof p) != 0)
			return -EFAULT;
		if(p.fd < 0 || (pd = pollget(p.fd)) == NULL)
			continue;
		if(fdpollslow(pd))
			return -EDEADLK;
		w[m].pd = pd;
		w[m].events = (uint16_t)p.events;
		w[m].rseq = pollseq(pd, POLLMODE_R);
		w[m].wseq = pollseq(pd, POLLMODE_W);
		m++;
	}
	return m;
}

/*
 * The usual question after all has been read: is the answer known to be no? Urgent data and the end of the stream are seen as
 * edges, too, and spoil the knowledge for good (core/netpoll.c).
 */
static bool
knownempty(const struct pollcall *c, const struct pollwait *w, int m)
{
	if((nfds_t)m != c->n || m > SMALL)
		return false;
	for(int i = 0; i < m; i++)
		if((w[i].events & ~(uint32_t)(POLLIN | POLLRDNORM | POLLPRI | POLLRDHUP)) != 0 || !fddrained(w[i].pd, w[i].rseq))
			return false;
	return m > 0;
}

/* Some of the descriptors are slow to poll. Most often a file, which is ready. */
static noinline long
pollslow(struct pollcall *c)
{
	long r = polltryslow(c->gp, c->fds, c->n);

	return r != 0 ? r : pollkernel(c, true);
}

/*
 * What woke the G is asked for again: an event says what was when it was fetched, and that may have been before the first
 * look, with the data gone since.
 */
static long
pollwaiting(struct pollcall *c, struct pollwait *w)
{
	const void *obj;
	long r;
	int m;

	for(;;){
		if((m = fillwaits(w, c->fds, (int)c->n)) < 0)
			return m == -EDEADLK ? pollslow(c) : m;
		if(!knownempty(c, w, m)){
			r = polltry(c->fds, c->n);
			if(r != 0)
				return r;
		}
		obj = m > 0 ? (void *)(long)w->pd->fd : NULL;
		switch(pollmany(c->gp, w, m, Wpoll, obj, c->deadline)){
		case POLL_RETRY:
		case WAKE_CLOSE:
			break;
		case WAKE_TIMEOUT:
			return polltry(c->fds, c->n);
		case WAKE_SIGNAL:
			if(interrupted(c->gp, false))
				return -EINTR;
			break;
		default:
			return pollkernel(c, true);
		}
	}
}

static noinline long
pollsmall(struct pollcall *c)
{
	struct pollwait w[SMALL];

	return pollwaiting(c, w);
}

static long
polllarge(struct pollcall *c)
{
	size_t size = c->n * sizeof(struct pollwait);
	struct pollwait *w = mapmem(size);
	long r;

	if(w == NULL)
		return pollkernel(c, true);
	r = pollwaiting(c, w);
	rawsyscall(SYS_munmap, w, size);
	return r;
}

static long
pollcall(struct pollcall *c)
{
	struct pollwait w[FEW];
	long r;

	if(alone())
		return pollkernel(c, false);
	if(likely(c->n <= FEW))
		return pollwaiting(c, w);
	if(c->n >= MANY && kernelwaitbegin()){
		r = pollslow(c); /* they may be */
		kernelwaitend();
		return r;
	}
	if(c->n > 1 << 20)
		return pollkernel(c, true); /* more than RLIMIT_NOFILE can be: EINVAL */
	return c->n <= SMALL ? pollsmall(c) : polllarge(c);
}

static int
dopoll(struct g *gp, struct pollfd *fds, nfds_t n, int64_t timeout)
{
	struct pollcall c = {gp, fds, n, NOTIME};
	long r;

	cancelpoint(gp);
	rtenter(gp);
	if(timeout == 0)
		r = polltryslow(gp, fds, n);
	else{
		c.deadline = deadlinens(timeout);
		r = pollcall(&c);
		polldrop(gp);
	}
	rtexit(gp);
	return (int)ioreturn(r);
}

EXPORT int
poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct g *gp = getg();

	return gp != NULL ? dopoll(gp, fds, n, timeout < 0 ? NOTIME : timeout * MSEC) : libc.poll(fds, n, timeout);
}
ALSO(__poll, poll)

EXPORT int
__poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
	return size / sizeof *fds >= n ? poll(fds, n, timeout) : libc.__poll_chk(fds, n, timeout, size);
}

EXPORT int
ppoll(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask)
{
	struct g *gp = getg();
	struct timespec t;
	int64_t timeout;

	if(gp == NULL || (ts != NULL && (trycopy(&t, ts, sizeof t) != 0 || !goodtime(&t))))
		return libc.ppoll(fds, n, ts, mask);
	timeout = ts != NULL ? tonsec(&t) : NOTIME;
	return mask == NULL ? dopoll(gp, fds, n, timeout) : maskedpoll(gp, fds, n, timeout, mask);
}

EXPORT int
__ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask, size_t size)
{
	return size / sizeof *fds >= n ? ppoll(fds, n, ts, mask) : libc.__ppoll_chk(fds, n, ts, mask, size);
}
