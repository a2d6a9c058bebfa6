/* SPDX-License-Identifier: MIT */
/*
 * epoll_wait and its kin, on the program's own epoll descriptors.
 *
 * A thread that sits in epoll_wait is an event loop, and natively has one system call a round. Parking
 * on the descriptor (which is nested in ours) would make that three for each, and with several Ps each wake-up comes from another
 * thread. So up to a number of Gs wait in the kernel: one call when there are events, two when there are none, with the P handed
 * off in between (left to sysmon, it would be taken after 20 us, at a higher price). Those beyond
 * that number park: a program with an epoll descriptor a thread needs no kernel thread for each.
 * Where no G waits for the P there is one call in any case.
 *
 * With one P, loops that work at the same time are in each other's way in the kernel: each that has events interrupts the one that
 * runs, only to find the P in use, queue, and sleep until it is woken again. The three calls cost less than half of that. So
 * a loop waits in the kernel only while it is the only one with work: inkernel.
 *
 * A loop that has a kernel thread of its own always waits in the kernel. That thread runs nothing else; were the loop to
 * park, another would have to wait for its events, and wake it for each.
 *
 * Where a file of a slow file system's is in the instance (FUSE_POLL), each look is a call that may block.
 *
 * Waiters on one epoll descriptor pass the baton, as with accept: the kernel gives
 * the nested instance no new edge for events that are left on the list.
 */
#include "fd.h"
#include "sig.h"

static const int64_t LOOPSLICE = 3 * MSEC / 2;
enum { UNPARKED = 16 };

struct epcall {
	struct g *gp;
	int ep, n;
	struct epoll_event *ev;
	int64_t timeout; /* ns, NOTIME */
};

/* The wait in the kernel, with libc's result. */
static int
epkernel(struct epcall *c, int64_t deadline)
{
	struct timespec ts;
	int64_t ns;
	int r;

	if(deadline == NOTIME)
		return libc.epoll_wait(c->ep, c->ev, c->n, -1);
	timeleft(deadline, &ts);
	r = libc.epoll_pwait2(c->ep, c->ev, c->n, &ts, NULL);
	if(r < 0 && errno == ENOSYS){
		ns = (tonsec(&ts) + MSEC - 1) / MSEC;
		r = libc.epoll_wait(c->ep, c->ev, c->n, ns < INT32_MAX ? (int)ns : INT32_MAX);
	}
	return r;
}

/*
 * What has been sent to the caller alone is pending for its kernel thread only, so a signalfd in the instance is ready to that thread
 * only. Whoever else looks into the instance, as the runtime's poller does where it is registered, finds it not ready, and takes it
 * off the kernel's list of what may be, until another signal is sent. So it is not registered, and one of ours is sent, which is
 * not before the kick on its way has come, if there is one.
 */
static long
ephere(struct epcall *c, struct polldesc *pd, int64_t deadline)
{
	pollunregister(pd);
	kickwait(c->gp->m);
	preemptm(c->gp->m);
	return kickedepoll(c->gp, c->ep, c->ev, c->n, deadline);
}

static long
eppark(struct epcall *c, struct polldesc **pdp, int64_t deadline)
{
	struct polldesc *pd = *pdp, *k;
	uint32_t seq, stops = load_acquire(&nstops);
	long r;
	int e;

	stopmatters();
	for(;;){
		seq = pollseq(pd, POLLMODE_R);
		if((r = rawsyscall(SYS_epoll_wait, c->ep, c->ev, c->n, 0)) != 0)
			return r;
		e = pollblock(c->gp, pd, POLLMODE_R, seq, Wepoll, deadline);
		if(e == WAKE_TIMEOUT)
			return rawsyscall(SYS_epoll_wait, c->ep, c->ev, c->n, 0);
		if(e == WAKE_SIGNAL){
			if(interrupted(c->gp, false) || stopsince(stops))
				return -EINTR;
			if(unlikely(sighere(c->gp)))
				return ephere(c, pd, deadline);
		}
		if((k = pollkept(c->gp, pd)) != NULL){
			*pdp = pd = k;
			c->ep = k->fd;
		}else if(e == WAKE_CLOSE)
			return -EBADF;
		if(e < 0)
			return iokernel(c->gp, epkernel(c, deadline));
	}
}

/* The program's own call. The clock is not read: one that the runtime's own signal ended waits its whole time again. */
static long
epms(struct epcall *c, int ms)
{
	return iokernel(c->gp, libc.epoll_wait(c->ep, c->ev, c->n, ms));
}

/*
 * Is it better to wait in the kernel than to park? With one P only if nobody waits for it, nor will have to: no other wait for
 * descriptors has to be looked after, or a kernel thread is at it already.
 */
static bool
inkernel(struct g *gp)
{
	return gomaxprocs > 1 ||
	       (handoffquiet(gp) && (!netpollanywaiters() || load_relaxed(&sched.lastpoll) == 0));
}

/*
 * Has gp a kernel thread of its own to wait in? Not if so many wait that way that calls which can do nothing else would soon queue
 * (blockq.c). We are in runtime mode until our own call is counted: no more than a few come at once.
 */
static bool
ownkernel(struct g *gp)
{
	return gp->lockedm != NULL && load_relaxed(&sched.nblocked) < load_relaxed(&sched.maxblocked) / 2;
}

/*
 * The descriptor of a loop that has parked is registered with the runtime's instance, and while the loop waits in the kernel each
 * of its events would interrupt the poller, too. Loops that go back and forth keep the registration, which costs two calls to renew.
 */
static void
leaveregistered(struct polldesc *pd)
{
	uint8_t n = load_relaxed(&pd->unparked);

	if(n < UNPARKED)
		store_relaxed(&pd->unparked, n + 1);
	else
		pollunregister(pd);
}

/* ms: the program's time-out if it came in milliseconds; c->timeout is the same. */
static long
epcall(struct epcall *c, int ms)
{
	struct polldesc *pd = pollget(c->ep);
	bool own = ownkernel(c->gp), counted = !own && inkernel(c->gp) && kernelwaitbegin(), fds = load_relaxed(&signalfds) != 0;
	int64_t deadline = ms >= -1 && (own || counted) && !fds ? NOTIME : deadlinens(c->timeout);
	long r;

	if(pd != NULL && unlikely(load_relaxed(&pd->flags) & PD_SLOW)){
		deadline = deadlinens(c->timeout);
		r = fds ? kickedepoll(c->gp, c->ep, c->ev, c->n, deadline) : iokernel(c->gp, epkernel(c, deadline));
	}else if(unlikely(fds) && pd != NULL && sighere(c->gp)){
		r = ephere(c, pd, deadline);
	}else if(own || counted || alone() || c->n <= 0 || pd == NULL){
		if(pd != NULL && unlikely(load_relaxed(&pd->regepoch) != 0))
			leaveregistered(pd);
		/* with nobody to hand the P to, giving it up and taking it again costs less than a look */
		r = handoffquiet(c->gp) ? 0 : rawsyscall(SYS_epoll_wait, c->ep, c->ev, c->n, 0);
		if(r == 0 && unlikely(fds) && c->n > 0)
			r = kickedepoll(c->gp, c->ep, c->ev, c->n, deadline);
		else if(r == 0)
			r = ms >= -1 ? epms(c, ms) : iokernel(c->gp, epkernel(c, deadline));
	}else{
		store_relaxed(&pd->unparked, 0);
		r = eppark(c, &pd, deadline);
	}
	if(counted)
		kernelwaitend();
	if(pd != NULL)
		pollpass(pd, POLLMODE_R);
	polldrop(c->gp);
	return r;
}

/*
 * An event loop under load always finds events, and would go on until sysmon's slice ends; where the program has a
 * few loops and the kernel would let each run for two or three milliseconds, the last one's clients would notice. Between
 * two rounds nothing is half done: the best moment to let the others have their turn, also those that have parked. Runtime mode.
 */
static void
loopslice(struct g *gp)
{
	struct p *pp = gp->m->p;
	int64_t now;

	if(handoffquiet(gp) && !netpollanywaiters())
		return;
	now = nanotime();
	if(pp->looptick != pp->schedtick){
		store_relaxed(&pp->looptick, pp->schedtick);
		pp->loopsince = now;
	}else if(now - pp->loopsince >= LOOPSLICE)
		gopreemptfair();
}

/* A look without waiting. */
static long
eplook(struct epcall *c)
{
	struct polldesc *pd = pollfind(c->ep);

	if(pd != NULL && unlikely(load_relaxed(&pd->flags) & PD_SLOW))
		return iosyscall(c->gp, rawsyscall(SYS_epoll_wait, c->ep, c->ev, c->n, 0));
	return rawsyscall(SYS_epoll_wait, c->ep, c->ev, c->n, 0);
}

static int
doepoll(struct g *gp, int ep, struct epoll_event *ev, int n, int64_t timeout, int ms)
{
	struct epcall c = {gp, ep, n, ev, timeout};
	long r;

	cancelpoint(gp);
	rtenter(gp);
	r = timeout == 0 ? eplook(&c) : epcall(&c, ms);
	loopslice(gp);
	rtexit(gp);
	return (int)ioreturn(r);
}

/*
 * To add a descriptor the kernel looks at it, and at each event again. So an instance that has one that is slow to look at is so itself: its
 * mark comes before the descriptor, and stays when that is taken out.
 */
static bool
slowin(int ep, int fd)
{
	struct polldesc *pd, *in;

	if(!fdours(getg()) || (pd = pollget(fd)) == NULL || !fdpollslow(pd))
		return false;
	if((in = pollget(ep)) != NULL)
		fetch_or(&in->flags, PD_SLOW);
	return true;
}

EXPORT int
epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	struct g *gp;
	int r;

	if(op == EPOLL_CTL_DEL || likely(!slowin(ep, fd)) || (gp = getg()) == NULL)
		return libc.epoll_ctl(ep, op, fd, ev);
	rtenter(gp);
	r = iosyscall(gp, libc.epoll_ctl(ep, op, fd, ev));
	rtexit(gp);
	return r;
}

EXPORT int
epoll_wait(int ep, struct epoll_event *ev, int n, int ms)
{
	struct g *gp = getg();

	if(gp == NULL)
		return libc.epoll_wait(ep, ev, n, ms);
	return doepoll(gp, ep, ev, n, ms < 0 ? NOTIME : ms * MSEC, ms < 0 ? -1 : ms);
}

EXPORT int
epoll_pwait(int ep, struct epoll_event *ev, int n, int ms, const sigset_t *mask)
{
	struct g *gp = getg();

	if(gp == NULL)
		return libc.epoll_pwait(ep, ev, n, ms, mask);
	if(mask == NULL)
		return doepoll(gp, ep, ev, n, ms < 0 ? NOTIME : ms * MSEC, ms < 0 ? -1 : ms);
	return maskedepoll(gp, ep, ev, n, ms < 0 ? NOTIME : ms * MSEC, mask);
}

EXPORT int
epoll_pwait2(int ep, struct epoll_event *ev, int n, const struct timespec *ts, const sigset_t *mask)
{
	struct g *gp = getg();
	struct timespec t;
	int64_t timeout;

	if(gp == NULL || (ts != NULL && (trycopy(&t, ts, sizeof t) != 0 || !goodtime(&t))))
		return libc.epoll_pwait2(ep, ev, n, ts, mask);
	timeout = ts != NULL ? tonsec(&t) : NOTIME;
	if(mask == NULL)
		return doepoll(gp, ep, ev, n, timeout, INT32_MIN);
	return maskedepoll(gp, ep, ev, n, timeout, mask);
}
