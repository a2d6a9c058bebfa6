/* SPDX-License-Identifier: MIT */
/*
 * select and pselect. As poll (see poll.c); the kernel gets copies of the sets, as it overwrites them.
 */
#include <poll.h>
#include <string.h>

#include "fd.h"
#include "sig.h"

enum {
	SMALL = 16,     /* waits that fit on the stack; who waits for more waits in the kernel */
	MANYBITS = 256, /* sets so long are an event loop's, and left to the kernel, if few Gs are there */
};

typedef unsigned long word;
enum { WORDBITS = 8 * sizeof(word), SETWORDS = 1024 / WORDBITS };

/* The three sets: the program's, a copy of them, and what the kernel is given, which it overwrites. */
struct selcall {
	struct g *gp;
	int n;
	size_t words;
	word *user[3], *in[3], *out[3];
	int64_t deadline;
};

static const uint32_t selevents[3] = {POLLIN | POLLRDNORM | POLLRDBAND, POLLOUT | POLLWRNORM | POLLWRBAND, POLLPRI};

static long
selnow(struct selcall *c)
{
	struct timespec zero = {0, 0};
	word *s[3];
	long r;

	for(int k = 0; k < 3; k++)
		s[k] = c->user[k] == NULL ? NULL : memcpy(c->out[k], c->in[k], c->words * sizeof(word));
	/* as in polltry; the sets are as they were then */
	do
		r = rawsyscall(SYS_pselect6, c->n, s[0], s[1], s[2], &zero, NULL);
	while(r == -EINTR);
	return r;
}

static int
selfetch(struct selcall *c)
{
	for(int k = 0; k < 3; k++)
		if(c->user[k] != NULL && trycopy(c->in[k], c->user[k], c->words * sizeof(word)) != 0)
			return -EFAULT;
	return 0;
}

/* The result of the call whose result sets are out. */
static long
selstore(struct selcall *c, long r)
{
	for(int k = 0; k < 3 && r >= 0; k++)
		if(c->user[k] != NULL && trycopy(c->user[k], c->out[k], c->words * sizeof(word)) != 0)
			return -EFAULT;
	return r;
}

static long
selkernel(struct selcall *c, bool longwait)
{
	struct timespec ts;
	fd_set *s[3];

	for(int k = 0; k < 3; k++)
		s[k] = (fd_set *)c->user[k];
	/* what ends with EINTR has left the sets as they were */
	if(longwait && unlikely(load_relaxed(&signalfds) != 0))
		return kickedselect(c->gp, c->n, s[0], s[1], s[2], c->deadline);
	if(longwait)
		return iokernel(c->gp, libc.pselect(c->n, s[0], s[1], s[2], timeleft(c->deadline, &ts), NULL));
	return rawresult(iosyscall(c->gp, libc.pselect(c->n, s[0], s[1], s[2], timeleft(c->deadline, &ts), NULL)));
}

static uint32_t
seleventsof(struct selcall *c, int fd)
{
	uint32_t ev = 0;

	for(int k = 0; k < 3; k++)
		if(c->user[k] != NULL && c->in[k][fd / (int)WORDBITS] >> (fd % (int)WORDBITS) & 1)
			ev |= selevents[k];
	return ev;
}

/* Is one of the descriptors in the sets slow to poll? */
static bool
selslow(struct selcall *c)
{
	struct polldesc *pd;

	for(int fd = 0; fd < c->n; fd++)
		if(seleventsof(c, fd) != 0 && (pd = pollget(fd)) != NULL && fdpollslow(pd))
			return true;
	return false;
}

/* The descriptors in the sets; -1 if they are more than max, or one is slow to poll. */
static int
selwaits(struct selcall *c, struct pollwait *w, int max)
{
	int m = 0;

	for(int fd = 0; fd < c->n; fd++){
		uint32_t ev = seleventsof(c, fd);
		struct polldesc *pd;

		if(ev == 0 || (pd = pollget(fd)) == NULL)
			continue;
		if(m == max || fdpollslow(pd))
			return -1;
		w[m].pd = pd;
		w[m].events = ev;
		w[m].rseq = pollseq(pd, POLLMODE_R);
		w[m].wseq = pollseq(pd, POLLMODE_W);
		m++;
	}
	return m;
}

/*
 * A descriptor that is closed when the call begins is EBADF. One that is found closed later, in the kernel's second
 * look, counts as ready in each set that it is in.
 */
static long
selclosed(struct selcall *c)
{
	word gone[3][SETWORDS] = {{0}};
	long n = 0, r;

	for(int fd = 0; fd < c->n; fd++){
		if(seleventsof(c, fd) == 0 || rawsyscall(SYS_fcntl, fd, F_GETFD) >= 0)
			continue;
		for(int k = 0; k < 3; k++){
			word bit = (word)1 << fd % (int)WORDBITS, *in = &c->in[k][fd / (int)WORDBITS];

			if(c->user[k] != NULL && (*in & bit)){
				*in &= ~bit;
				gone[k][fd / (int)WORDBITS] |= bit;
				n++;
			}
		}
	}
	if((r = selnow(c)) < 0)
		return r;
	for(int k = 0; k < 3; k++)
		for(size_t i = 0; i < c->words && c->user[k] != NULL; i++)
			c->out[k][i] |= gone[k][i];
	return n + r;
}

static long
selpark(struct selcall *c, struct pollwait *w, int max)
{
	bool first = true;
	long r;
	int m;

	for(;; first = false){
		if((m = selwaits(c, w, max)) < 0)
			return selkernel(c, true);
		if((r = selnow(c)) == -EBADF && !first)
			r = selclosed(c);
		if(r != 0)
			break;
		r = pollmany(c->gp, w, m, Wpoll, m > 0 ? (void *)(long)w->pd->fd : NULL, c->deadline);
		if(r == WAKE_TIMEOUT){
			if((r = selnow(c)) == -EBADF)
				r = selclosed(c);
			break;
		}
		if(r == WAKE_SIGNAL && interrupted(c->gp, false))
			return -EINTR;
		if(r < 0)
			return selkernel(c, true);
	}
	return selstore(c, r);
}

static long
selcall(struct selcall *c)
{
	word sets[6][SETWORDS];
	struct pollwait w[SMALL];
	long r;

	/* long sets and many descriptors: an event loop, or FD_SETSIZE enlarged */
	for(int k = 0; k < 3; k++){
		c->in[k] = sets[k];
		c->out[k] = sets[k + 3];
	}
	if(alone() || c->n < 0 || c->words > SETWORDS)
		return selkernel(c, !alone());
	if((r = selfetch(c)) != 0)
		return r;
	if(c->n >= MANYBITS && kernelwaitbegin()){
		if(selslow(c) || (r = selnow(c)) == 0)
			r = selkernel(c, true);
		else
			r = selstore(c, r);
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
	polldrop(gp);
	return res;
}

/* The time that a timeval says, which may have a million microseconds and more. */
static int64_t
tvnsec(const struct timeval *tv)
{
	if(tv->tv_sec >= INT64_MAX / NSEC / 4 || tv->tv_usec >= INT64_MAX / NSEC)
		return INT64_MAX / 4;
	return tv->tv_sec * NSEC + tv->tv_usec * USEC;
}

EXPORT int
select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *tvp)
{
	struct g *gp = getg();
	int64_t timeout = NOTIME, end;
	struct timeval tv;
	long res;

	if(gp == NULL || (tvp != NULL && (trycopy(&tv, tvp, sizeof tv) != 0 || tv.tv_sec < 0 || tv.tv_usec < 0)))
		return libc.select(n, r, w, e, tvp);
	cancelpoint(gp);
	rtenter(gp);
	if(tvp != NULL)
		timeout = tvnsec(&tv);
	end = deadlinens(timeout);
	res = doselect(gp, n, r, w, e, timeout);
	if(tvp != NULL && timeout != 0){
		/* Linux tells what is left */
		timeout = end - nanotime();
		tv = timeout > 0 ? (struct timeval){timeout / NSEC, timeout % NSEC / USEC} : (struct timeval){0, 0};
		trycopy(tvp, &tv, sizeof tv);
	}
	rtexit(gp);
	return (int)ioreturn(res);
}
ALSO(__select, select)

EXPORT int
pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *ts, const sigset_t *mask)
{
	struct g *gp = getg();
	struct timespec t;
	int64_t timeout;
	long res;

	if(gp == NULL || (ts != NULL && (trycopy(&t, ts, sizeof t) != 0 || !goodtime(&t))))
		return libc.pselect(n, r, w, e, ts, mask);
	timeout = ts != NULL ? tonsec(&t) : NOTIME;
	if(mask != NULL)
		return maskedselect(gp, n, r, w, e, timeout, mask);
	cancelpoint(gp);
	rtenter(gp);
	res = doselect(gp, n, r, w, e, timeout);
	rtexit(gp);
	return (int)ioreturn(res);
}
