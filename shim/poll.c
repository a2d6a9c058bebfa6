/* SPDX-License-Identifier: MIT */
/*
 * poll, ppoll, select, pselect.
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

enum {
	SMALL = 16,     /* waits that fit on the stack */
	MANY = 32,      /* so many descriptors are left to the kernel, if few Gs are there */
	MANYBITS = 256, /* longer sets are not looked at in runtime mode */
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

/* What is left until deadline, for the kernel; NULL if there is none. */
static struct timespec *
left(int64_t deadline, struct timespec *ts)
{
	int64_t ns;

	if(deadline == NOTIME)
		return NULL;
	ns = deadline - nanotime();
	if(ns < 0)
		ns = 0;
	ts->tv_sec = ns / NSEC;
	ts->tv_nsec = ns % NSEC;
	return ts;
}

/* One wait, however the call described it. */
struct pollcall {
	struct g *gp;
	struct pollfd *fds;
	nfds_t n;
	int64_t deadline;
};

static long
pollkernel(struct pollcall *c, bool longwait)
{
	struct timespec ts, *tp = left(c->deadline, &ts);

	if(longwait)
		return rawresult(iosyscallblock(c->gp, libc.ppoll(c->fds, c->n, tp, NULL)));
	return rawresult(iosyscall(c->gp, libc.ppoll(c->fds, c->n, tp, NULL)));
}

static int
fillwaits(struct pollwait *w, const struct pollfd *fds, int n)
{
	int m = 0;

	for(int i = 0; i < n; i++){
		struct polldesc *pd = fds[i].fd >= 0 ? pollget(fds[i].fd) : NULL;

		if(pd == NULL)
			continue;
		w[m].pd = pd;
		w[m].events = (uint16_t)fds[i].events;
		w[m].rseq = pollseq(pd, POLLMODE_R);
		w[m].wseq = pollseq(pd, POLLMODE_W);
		m++;
	}
	return m;
}

/* The usual question before a read: is the answer known to be no? */
static bool
knownempty(const struct pollcall *c, const struct pollwait *w, int m)
{
	return c->n == 1 && m == 1 && (w->events & ~(uint32_t)(POLLIN | POLLRDNORM)) == 0 && fddrained(w->pd, w->rseq);
}

static long
pollwaiting(struct pollcall *c, struct pollwait *w)
{
	const void *obj;
	long r;
	int m;

	for(;;){
		m = fillwaits(w, c->fds, (int)c->n);
		if(!knownempty(c, w, m)){
			r = rawsyscall(SYS_poll, c->fds, c->n, 0);
			if(r != 0)
				return r;
		}
		obj = m > 0 ? (void *)(long)w->pd->fd : NULL;
		switch(pollmany(c->gp, w, m, Wpoll, obj, c->deadline)){
		case POLL_RETRY:
		case WAKE_CLOSE:
			break;
		case WAKE_TIMEOUT:
			return rawsyscall(SYS_poll, c->fds, c->n, 0);
		case WAKE_SIGNAL:
			if(interrupted(c->gp, false))
				return -EINTR;
			break;
		default:
			return pollkernel(c, true);
		}
	}
}

static long
pollcall(struct pollcall *c)
{
	struct pollwait small[SMALL], *w = small;
	size_t size = c->n * sizeof *w;
	long r;

	if(alone())
		return pollkernel(c, false);
	if(c->n >= MANY && kernelwaitbegin()){
		if((r = rawsyscall(SYS_poll, c->fds, c->n, 0)) == 0)
			r = pollkernel(c, true);
		kernelwaitend();
		return r;
	}
	if(c->n > 1 << 20)
		return pollkernel(c, true); /* more than RLIMIT_NOFILE can be: EINVAL */
	if(c->n > SMALL && (w = mapmem(size)) == NULL)
		return pollkernel(c, true);
	r = pollwaiting(c, w);
	if(w != small)
		rawsyscall(SYS_munmap, w, size);
	return r;
}

static int
dopoll(struct g *gp, struct pollfd *fds, nfds_t n, int64_t timeout)
{
	struct pollcall c = {gp, fds, n, NOTIME};
	long r;

	cancelpoint(gp);
	rtenter(gp);
	if(timeout == 0)
		r = n < MANYBITS ? rawsyscall(SYS_poll, fds, n, 0) : rawresult(iosyscall(gp, libc.poll(fds, n, 0)));
	else{
		c.deadline = deadlinens(timeout);
		r = pollcall(&c);
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

EXPORT int
__poll(struct pollfd *fds, nfds_t n, int timeout)
{
	return poll(fds, n, timeout);
}

EXPORT int
__poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
	return size / sizeof *fds >= n ? poll(fds, n, timeout) : libc.__poll_chk(fds, n, timeout, size);
}

EXPORT int
ppoll(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask)
{
	struct g *gp = getg();
	int64_t timeout;

	if(gp == NULL || (ts != NULL && !goodtime(ts)))
		return libc.ppoll(fds, n, ts, mask);
	timeout = ts != NULL ? tonsec(ts) : NOTIME;
	return mask == NULL ? dopoll(gp, fds, n, timeout) : maskedpoll(gp, fds, n, timeout, mask);
}

EXPORT int
__ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask, size_t size)
{
	return size / sizeof *fds >= n ? ppoll(fds, n, ts, mask) : libc.__ppoll_chk(fds, n, ts, mask, size);
}

/* ---- select ---- */

typedef unsigned long word;
enum { WORDBITS = 8 * sizeof(word), SETWORDS = 1024 / WORDBITS };

/* The three sets: the program's, and what the kernel is given, which it overwrites. */
struct selcall {
	struct g *gp;
	int n;
	size_t words;
	word *user[3], *try[3];
	int64_t deadline;
};

static const uint32_t selevents[3] = {POLLIN | POLLRDNORM | POLLRDBAND, POLLOUT | POLLWRNORM | POLLWRBAND, POLLPRI};

static long
selnow(struct selcall *c)
{
	struct timespec zero = {0, 0};

	for(int k = 0; k < 3; k++)
		if(c->user[k] != NULL)
			memcpy(c->try[k], c->user[k], c->words * sizeof(word));
	return rawsyscall(SYS_pselect6, c->n, c->user[0] ? c->try[0] : NULL, c->user[1] ? c->try[1] : NULL,
	    c->user[2] ? c->try[2] : NULL, &zero, NULL);
}

static void
selstore(struct selcall *c)
{
	for(int k = 0; k < 3; k++)
		if(c->user[k] != NULL)
			memcpy(c->user[k], c->try[k], c->words * sizeof(word));
}

static long
selkernel(struct selcall *c, bool longwait)
{
	struct timespec ts, *tp = left(c->deadline, &ts);
	fd_set *s[3];

	for(int k = 0; k < 3; k++)
		s[k] = (fd_set *)c->user[k];
	if(longwait)
		return rawresult(iosyscallblock(c->gp, libc.pselect(c->n, s[0], s[1], s[2], tp, NULL)));
	return rawresult(iosyscall(c->gp, libc.pselect(c->n, s[0], s[1], s[2], tp, NULL)));
}

static uint32_t
seleventsof(struct selcall *c, int fd)
{
	uint32_t ev = 0;

	for(int k = 0; k < 3; k++)
		if(c->user[k] != NULL && c->user[k][fd / (int)WORDBITS] >> (fd % (int)WORDBITS) & 1)
			ev |= selevents[k];
	return ev;
}

/* The descriptors in the sets; -1 if they are more than max. */
static int
selwaits(struct selcall *c, struct pollwait *w, int max)
{
	int m = 0;

	for(int fd = 0; fd < c->n; fd++){
		uint32_t ev = seleventsof(c, fd);
		struct polldesc *pd;

		if(ev == 0 || (pd = pollget(fd)) == NULL)
			continue;
		if(m == max)
			return -1;
		w[m].pd = pd;
		w[m].events = ev;
		w[m].rseq = pollseq(pd, POLLMODE_R);
		w[m].wseq = pollseq(pd, POLLMODE_W);
		m++;
	}
	return m;
}

static long
selpark(struct selcall *c, struct pollwait *w, int max)
{
	long r;
	int m;

	for(;;){
		if((m = selwaits(c, w, max)) < 0)
			return selkernel(c, true);
		if((r = selnow(c)) != 0)
			break;
		r = pollmany(c->gp, w, m, Wpoll, m > 0 ? (void *)(long)w->pd->fd : NULL, c->deadline);
		if(r == WAKE_TIMEOUT){
			r = selnow(c);
			break;
		}
		if(r == WAKE_SIGNAL && interrupted(c->gp, false))
			return -EINTR;
		if(r < 0)
			return selkernel(c, true);
	}
	if(r >= 0)
		selstore(c);
	return r;
}

static long
selcall(struct selcall *c)
{
	word sets[3][SETWORDS];
	struct pollwait w[SMALL];
	long r;

	/* long sets and many descriptors: an event loop, or FD_SETSIZE enlarged */
	for(int k = 0; k < 3; k++)
		c->try[k] = sets[k];
	if(alone() || c->n < 0 || c->words > SETWORDS)
		return selkernel(c, !alone());
	if(c->n >= MANYBITS && kernelwaitbegin()){
		if((r = selnow(c)) == 0)
			r = selkernel(c, true);
		else if(r > 0)
			selstore(c);
		kernelwaitend();
		return r;
	}
	return selpark(c, w, SMALL);
}

static long
doselect(struct g *gp, int n, fd_set *r, fd_set *w, fd_set *e, int64_t timeout)
{
	struct selcall c = {.gp = gp, .n = n, .words = ((size_t)(n < 0 ? 0 : n) + WORDBITS - 1) / WORDBITS,
	    .user = {(word *)r, (word *)w, (word *)e}, .deadline = NOTIME};
	long res;

	c.deadline = deadlinens(timeout);
	if(timeout == 0)
		res = selkernel(&c, false);
	else
		res = selcall(&c);
	return res;
}

EXPORT int
select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *tv)
{
	struct g *gp = getg();
	int64_t timeout = NOTIME, end = 0;
	long res;

	if(gp == NULL || (tv != NULL && (tv->tv_sec < 0 || tv->tv_usec < 0)))
		return libc.select(n, r, w, e, tv);
	cancelpoint(gp);
	rtenter(gp);
	if(tv != NULL){
		timeout = tv->tv_sec >= INT64_MAX / NSEC / 4 ? INT64_MAX / 4
							     : tv->tv_sec * NSEC + (tv->tv_usec < INT64_MAX / NSEC ? tv->tv_usec : INT64_MAX / NSEC) * USEC;
		end = deadlinens(timeout);
	}
	res = doselect(gp, n, r, w, e, timeout);
	if(tv != NULL && timeout != 0){
		/* Linux tells what is left */
		timeout = end - nanotime();
		tv->tv_sec = timeout > 0 ? timeout / NSEC : 0;
		tv->tv_usec = timeout > 0 ? timeout % NSEC / USEC : 0;
	}
	rtexit(gp);
	return (int)ioreturn(res);
}

EXPORT int
__select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *tv)
{
	return select(n, r, w, e, tv);
}

EXPORT int
pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *ts, const sigset_t *mask)
{
	struct g *gp = getg();
	int64_t timeout;
	long res;

	if(gp == NULL || (ts != NULL && !goodtime(ts)))
		return libc.pselect(n, r, w, e, ts, mask);
	timeout = ts != NULL ? tonsec(ts) : NOTIME;
	if(mask != NULL)
		return maskedselect(gp, n, r, w, e, timeout, mask);
	cancelpoint(gp);
	rtenter(gp);
	res = doselect(gp, n, r, w, e, timeout);
	rtexit(gp);
	return (int)ioreturn(res);
}
