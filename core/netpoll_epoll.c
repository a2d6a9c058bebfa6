/* SPDX-License-Identifier: MIT */
/*
 * The netpoller's mechanism: one epoll instance (Go: netpoll_epoll.go).
 *
 * The instance and its eventfd are made when the first G has to wait for a
 * descriptor. Until then, and where the kernel refuses them, a blocked netpoll() is a futex
 * sleep: a program that only sleeps and locks needs no descriptor.
 *
 * Breaking a blocked netpoll
 * --------------------------
 * netpollbreak sets wakesig and, if it was clear, writes the eventfd and wakes the futex. Only
 * a *blocking* netpoll consumes that (reads the eventfd, then clears wakesig): a netpoll(0)
 * that happened to see it first must not swallow what was meant for the sleeper. A break between
 * the read and the clearing writes nothing, and needs nothing: the blocked call is on its way out.
 *
 * The instance may be made while somebody sleeps on the futex, or about to:
 *
 *	poller                     init                      breaker
 *	                                                     wakesig 0 -> 1
 *	                                                     breakfd is -1: no write
 *	                           breakfd = ...
 *	finds epfd, epoll_wait
 *	                           write breakfd
 *
 * So init writes the eventfd in any case, after it is published, and wakes the futex with
 * wakesig set.
 *
 * The program's view
 * ------------------
 * The two descriptors have numbers just below 1024 (or the limit, if that is lower), out of the way
 * of programs that count on getting low numbers, but not so high that the kernel's
 * table, which fork copies, grows. The program's close(), close_range(), dup2() leave them alone: shim/fd.c.
 */
#include "netpoll.h"
#include "stopped.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

enum { NEVENTS = 512, AHEAD = 4, BREAKDATA = -1 };

static struct mutex initlock;
static int epfd = -1, breakfd = -1; /* atomic; written under initlock */
static bool refused;                /* initlock: the kernel gives us no instance */
static uint16_t epoch = 1;          /* the instance's number, not 0; changes when it is lost, as in the child of a fork */
static uint32_t wakesig;            /* atomic, a futex */
static bool nopwait2;               /* the kernel lacks epoll_pwait2 */

uint16_t
netpollepoch(void)
{
	return load_relaxed(&epoch);
}

bool
netpollinited(void)
{
	return load_acquire(&epfd) >= 0;
}

bool
netpollanywaiters(void)
{
	return netpollinited() && netpollnwaiters() > 0;
}

int
duphigh(int fd, int top)
{
	struct rlimit rl;
	long n;

	if(rawsyscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl) == 0 && rl.rlim_cur < (unsigned long)top)
		top = (int)rl.rlim_cur;
	for(int at = top - 8; at > 8; at /= 2)
		if((n = rawsyscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, at)) >= 0)
			return (int)n;
	return -1;
}

/* Moves fd there; fd itself if there is no room. */
static int
hide(int fd)
{
	int n = duphigh(fd, 1024);

	if(n < 0)
		return fd;
	rawsyscall(SYS_close, fd);
	return n;
}

static int
addbreak(int ep, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = (uint64_t)BREAKDATA};

	return (int)rawsyscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd, &ev);
}

static int
openpoll(int *ep, int *br)
{
	long r;

	if((r = rawsyscall(SYS_epoll_create1, EPOLL_CLOEXEC)) < 0)
		return (int)r;
	*ep = hide((int)r);
	if((r = rawsyscall(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0){
		*br = hide((int)r);
		if((r = addbreak(*ep, *br)) == 0)
			return 0;
		rawsyscall(SYS_close, *br);
	}
	rawsyscall(SYS_close, *ep);
	return (int)r;
}

static void
signalbreak(int fd)
{
	uint64_t one = 1;

	if(fd >= 0)
		rawsyscall(SYS_write, fd, &one, sizeof one);
	futexwakeup(&wakesig, 1);
}

/* Makes the instance unless there is one. Returns its descriptor or -1. */
static int
netpollinit(void)
{
	int ep = load_acquire(&epfd), br = -1, r;

	if(likely(ep >= 0))
		return ep;
	lock(&initlock);
	if(epfd < 0 && !refused){
		if((r = openpoll(&ep, &br)) == 0){
			store_release(&breakfd, br);
			store_release(&epfd, ep);
			xchg(&wakesig, 1);
			signalbreak(br);
		}else if(r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOSPC){
			static bool said;

			if(!said)
				rtlog("cannot make an epoll instance now (error %d): waits for descriptors take a "
				      "kernel thread each", -r);
			said = true;
		}else{
			refused = true;
			rtlog("no epoll here (error %d): waits for descriptors take a kernel thread each", -r);
		}
	}
	ep = epfd;
	unlock(&initlock);
	return ep;
}

int
netpollctl(struct polldesc *pd, bool verify)
{
	struct epoll_event ev;
	int ep = netpollinit(), op = verify ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	long r;

	stressat(ST_pollregister);
	if(ep < 0)
		return -ENOSYS;
	if(unlikely(netpollowns(pd->fd)))
		return -EBADF;
	ev.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
	ev.data.u64 = (uint64_t)pd->gen << 32 | (uint32_t)pd->fd;
	r = rawsyscall(SYS_epoll_ctl, ep, op, pd->fd, &ev);
	/* the number was dup'ed to itself by way of another, or it names another description now */
	if((op == EPOLL_CTL_ADD && r == -EEXIST) || (op == EPOLL_CTL_MOD && r == -ENOENT))
		r = rawsyscall(SYS_epoll_ctl, ep, op == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, pd->fd, &ev);
	return (int)r;
}

void
netpolldel(struct polldesc *pd)
{
	struct epoll_event ev = {0};

	rawsyscall(SYS_epoll_ctl, load_acquire(&epfd), EPOLL_CTL_DEL, pd->fd, &ev);
}

/* ---- waiting for events ---- */

static void
consumebreak(void)
{
	uint64_t n;
	int fd = load_acquire(&breakfd);

	if(fd >= 0)
		rawsyscall(SYS_read, fd, &n, sizeof n);
	store_release(&wakesig, 0);
}

static long
epollwait(int ep, struct epoll_event *ev, int64_t delay)
{
	struct timespec ts;
	int n = stresschance(SC_oneevent) ? 1 : NEVENTS;
	int64_t ms;
	long r;

	if(delay <= 0)
		return rawsyscall(SYS_epoll_wait, ep, ev, n, delay < 0 ? -1 : 0);
	if(!load_relaxed(&nopwait2)){
		ts.tv_sec = delay / NSEC;
		ts.tv_nsec = delay % NSEC;
		r = rawsyscall(SYS_epoll_pwait2, ep, ev, n, &ts, NULL, 0);
		if(r != -ENOSYS && r != -EPERM)
			return r;
		store_relaxed(&nopwait2, true);
	}
	ms = (delay + MSEC - 1) / MSEC;
	return rawsyscall(SYS_epoll_wait, ep, ev, n, ms < INT32_MAX ? ms : INT32_MAX);
}

static void
sleepunpolled(int64_t delay)
{
	if(delay == 0)
		return;
	futexsleep(&wakesig, 0, delay < 0 ? NOTIME : nanotime() + delay);
	if(load_acquire(&wakesig) != 0)
		consumebreak();
}

/*
 * With many descriptors each event finds its entry, and then its G, out of the cache. They are asked for
 * some events ahead.
 */
static inline void
prefetchdesc(const struct epoll_event *ev)
{
	struct polldesc *pd = pollfind((int)(uint32_t)ev->data.u64);

	if(pd != NULL)
		__builtin_prefetch(pd, 1);
}

static inline void
prefetchg(const struct epoll_event *ev)
{
	struct polldesc *pd = pollfind((int)(uint32_t)ev->data.u64);
	struct g *gp;

	if(pd != NULL && (gp = load_relaxed(&pd->rg)) != NULL)
		__builtin_prefetch(gp, 1); /* marked or not */
}

static inline void
ready1(const struct epoll_event *ev, bool blocking, struct wakes *l)
{
	struct polldesc *pd;

	if(ev->data.u64 == (uint64_t)BREAKDATA){
		if(blocking)
			consumebreak();
	}else if((pd = pollfind((int)(uint32_t)ev->data.u64)) != NULL)
		netpollready(pd, (uint32_t)(ev->data.u64 >> 32), ev->events, l);
}

static void
kickone(struct polldesc *pd, void *arg)
{
	pollkickto(pd, arg);
}

/*
 * The program has closed our descriptor by a system call of its own. The registrations are gone: who waits
 * tries again and registers with the next instance.
 */
static noinline void
lost(int ep, struct wakes *l)
{
	bool ours;

	lock(&initlock);
	if((ours = epfd == ep)){
		store_release(&breakfd, -1);
		store_release(&epfd, -1);
		store_relaxed(&epoch, epoch + 1 != 0 ? epoch + 1 : 1);
	}
	unlock(&initlock);
	if(ours){
		rtlog("the program has closed the runtime's epoll descriptor %d; making another one", ep);
		pollrange(0, UINT32_MAX, kickone, l);
	}
}

/* Stress: a descriptor seems ready that need not be, as when another thread has read what came. */
static void
falseedge(struct wakes *l)
{
	struct polldesc *pd = pollfind((int)(stressrand(SC_falseevent) % 64));

	if(pd != NULL)
		netpollready(pd, load_relaxed(&pd->gen), EPOLLIN | EPOLLOUT, l);
}

struct glist
netpoll(int64_t delay)
{
	struct epoll_event ev[NEVENTS];
	struct stopwatch w;
	struct wakes l = {0};
	int ep = load_acquire(&epfd);
	long n;

	if(unlikely(ep < 0)){
		sleepunpolled(delay);
		return l.l;
	}
	if(delay != 0)
		w = stopwatch();
	n = epollwait(ep, ev, delay);
	if(unlikely(n == -EINTR) && delay != 0)
		stopwakes(&w, n, &l);
	stressat(ST_pollevents);
	if(stresschance(SC_falseevent))
		falseedge(&l);
	if(unlikely(n == -EBADF || n == -EINVAL) && ep == load_acquire(&epfd))
		lost(ep, &l);
	for(long i = 0; i < n + 2 * AHEAD; i++){
		if(i < n)
			prefetchdesc(&ev[i]);
		if(i >= AHEAD && i - AHEAD < n)
			prefetchg(&ev[i - AHEAD]);
		if(i >= 2 * AHEAD)
			ready1(&ev[i - 2 * AHEAD], delay != 0, &l);
	}
	netpollwoken(&l);
	return l.l;
}

void
netpollbreak(void)
{
	stressat(ST_pollbreak);
	if(cas(&wakesig, 0, 1))
		signalbreak(load_acquire(&breakfd));
}

/* ---- the program's descriptors and ours ---- */

bool
netpollowns(int fd)
{
	return fd >= 0 && (fd == load_relaxed(&epfd) || fd == load_relaxed(&breakfd));
}

void
netpollfds(int fds[2])
{
	int a = load_acquire(&epfd), b = load_acquire(&breakfd);

	fds[0] = a < b ? a : b;
	fds[1] = a < b ? b : a;
}

/*
 * A netpoll that has loaded the old number goes on sleeping on the right instance: the
 * kernel holds the description for as long as the call lasts. One that has loaded it and not called yet
 * could reach what the program puts there; so it is moved while the number is still ours, and the old
 * name stays open until the program's dup2 replaces it. epoll_wait on that fails with EINVAL, which
 * netpoll takes for no events.
 */
void
netpollyield(int fd)
{
	int *mine, n;

	if(!netpollowns(fd))
		return;
	lock(&initlock);
	mine = fd == epfd ? &epfd : &breakfd;
	if(*mine == fd && (n = (int)rawsyscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 8)) >= 0){
		if(mine == &breakfd)
			addbreak(epfd, n);
		store_release(mine, n);
		/* let a netpoll that has the old number in its hands come back and load the new one */
		xchg(&wakesig, 1);
		signalbreak(breakfd);
	}
	unlock(&initlock);
}

void
netpollfork(void)
{
	initlock.key = 0;
	filesshared = sharingfiles; /* else the child has a table of its own again */
	if(epfd >= 0 && !filesshared)
		rawsyscall(SYS_close, epfd);
	if(breakfd >= 0 && !filesshared)
		rawsyscall(SYS_close, breakfd);
	epfd = breakfd = -1;
	wakesig = 0;
	epoch = epoch + 1 != 0 ? epoch + 1 : 1;
	forkepoch++;
	pollfork();
}
