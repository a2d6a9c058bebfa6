/* SPDX-License-Identifier: MIT */
/*
 * Receiving from sockets, and the calls that receive and send. Sending is in send.c.
 *
 * The attempt is the program's call with MSG_DONTWAIT added. What natively is one call that blocks in
 * the middle (MSG_WAITALL, a send larger than the buffer) is several attempts.
 * An error that comes when part is done is not returned, as natively; but there the kernel
 * still has it for the next call, while here an attempt has taken it: keeperr.
 */
#include "fd.h"

enum { SPECIAL = MSG_OOB | MSG_ERRQUEUE }; /* other queues than the stream's */

/* Notes what a receive of r of n bytes says about the stream; see core/netpoll.c. */
static inline void
setdrained(struct polldesc *pd, uint32_t seq, size_t r, size_t n, int flags)
{
	bool drained;

	if(load_relaxed(&pd->kind) != Ktcp || (flags & (MSG_PEEK | MSG_TRUNC | SPECIAL)))
		return;
	drained = r != 0 && r < n && (load_relaxed(&pd->flags) & (PD_OWN | PD_NODRAIN)) == PD_OWN;
	store_relaxed(&pd->drained, drained ? seq : 0);
}

/*
 * The same for a receive of n bytes that was not to wait, with its result: EAGAIN says it even better than a short read. It
 * is poll() that wants to know, which programs call next.
 */
void
sockdrained(struct polldesc *pd, uint32_t seq, long r, size_t n, int flags)
{
	if(r > 0)
		setdrained(pd, seq, (size_t)r, n, flags);
	else if(r == -EAGAIN)
		setdrained(pd, seq, 1, 2, flags & ~MSG_PEEK);
}

struct recvcall {
	struct g *gp;
	struct polldesc *pd;
	struct msghdr *m; /* recvmsg, or NULL: */
	void *buf;
	struct sockaddr *addr;
	socklen_t *alen;
	size_t n;
	int flags;
	bool part; /* of the program's call is done */
};

static long
recvblock(struct recvcall *c)
{
	int fd = c->pd->fd;

	return rawresult(c->m != NULL ? libc.recvmsg(fd, c->m, c->flags)
				      : libc.recvfrom(fd, c->buf, c->n, c->flags, c->addr, c->alen));
}

static inline long
recvtry(struct recvcall *c)
{
	int flags = (c->flags & ~MSG_WAITALL) | MSG_DONTWAIT, fd = c->pd->fd;

	return c->m != NULL ? rawsyscall(SYS_recvmsg, fd, c->m, flags)
			    : rawsyscall(SYS_recvfrom, fd, c->buf, c->n, flags, c->addr, c->alen);
}

/*
 * Waits until there is something, then lets the kernel do the call as it is, which may block. That the call fails in
 * any case, being for another kind of descriptor or socket, poll() does not say, but a look at the data does.
 */
static long
recvinkernel(struct recvcall *c)
{
	struct iowait w = {.gp = c->gp, .pd = c->pd, .mode = POLLMODE_R, .why = Wread};
	char byte;
	long r;

	for(;;){
		w.seq = pollseq(c->pd, POLLMODE_R);
		if(pollnow(c->pd->fd, c->flags & MSG_OOB ? POLLPRI : POLLIN) != 0)
			return iosyscall(c->gp, recvblock(c));
		if(!w.asked){
			r = rawsyscall(SYS_recvfrom, c->pd->fd, &byte, 1,
			    (c->flags & MSG_WAITALL) | MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
			if(r < 0 && r != -EAGAIN)
				return r;
		}
		r = iowait(&w);
		c->pd = w.pd;
		if(r == IO_BLOCK)
			return iosyscallblock(c->gp, recvblock(c));
		if(r < 0)
			return r;
	}
}

/* TCP lets a receive of no bytes wait once: whatever ends that, be it a reset, a signal or the time, it has them all. */
static bool
waitsonce(struct recvcall *c)
{
	return c->m == NULL && c->n == 0 && fdistcp(c->pd->fd);
}

/*
 * One receive. (A datagram socket that has been shut down says EAGAIN to MSG_DONTWAIT, but 0 to a call
 * that may wait; poll() knows.)
 */
static long
recvonce(struct recvcall *c)
{
	struct iowait w;
	struct polldesc *pd = c->pd;
	bool once;
	long r;
	int e;

	w.asked = false;
	w.part = c->part;
	for(;;){
		w.seq = pollseq(pd, POLLMODE_R);
		if(fddrained(pd, w.seq) && !(c->flags & SPECIAL))
			r = -EAGAIN;
		else{
			r = recvtry(c);
			if(likely(r >= 0)){
				if(c->m != NULL)
					c->n = msglength(c->m);
				setdrained(pd, w.seq, (size_t)r, c->n, c->flags);
				return r;
			}
		}
		if(r != -EAGAIN)
			return r;
		if(unlikely(load_relaxed(&pd->kind) != Ktcp && (load_relaxed(&pd->flags) & PD_NODRAIN)))
			return recvinkernel(c);
		once = waitsonce(c);
		e = iowaitfor(&w, c->gp, &c->pd, POLLMODE_R, Wread);
		pd = c->pd;
		if(unlikely(once) && w.asked && e != IO_BLOCK && e != -EBADF)
			return 0;
		if(e == IO_BLOCK)
			return alone() ? iosyscall(c->gp, recvblock(c)) : iosyscallblock(c->gp, recvblock(c));
		if(e < 0)
			return e;
	}
}

/* MSG_WAITALL on a TCP stream: again until all is there. */
static long
recvall(struct recvcall *c)
{
	long r, done = 0;

	pollmark(c->gp, c->pd, POLLMODE_R);
	for(;;){
		r = recvonce(c);
		if(r < 0 && done > 0)
			keeperr(c->pd, r);
		if(r <= 0)
			return done > 0 ? done : r;
		done += r;
		c->part = true;
		if((size_t)r >= c->n)
			return done;
		c->buf = (char *)c->buf + r;
		c->n -= (size_t)r;
	}
}

static long
recvcall(struct recvcall *c)
{
	struct fdfacts f;
	uint32_t seq;
	long r;

	if(userdontwait(c->pd, c->flags)){
		seq = pollseq(c->pd, POLLMODE_R);
		r = iononblock(c->gp, recvblock(c));
		if(c->m == NULL)
			sockdrained(c->pd, seq, r, c->n, c->flags);
		return r;
	}
	if((r = takeerr(c->pd)) != 0)
		return r;
	if(likely(!(c->flags & (MSG_WAITALL | SPECIAL)) && !(load_relaxed(&c->pd->flags) & PD_LOWAT)))
		r = recvonce(c);
	else if(c->flags & MSG_ERRQUEUE)
		r = iononblock(c->gp, recvblock(c)); /* never waits */
	else{
		fdask(c->pd, &f, Wread); /* refines kind */
		if(c->m == NULL && load_relaxed(&c->pd->kind) == Ktcp && trusted(c->pd) &&
		   !(c->flags & (MSG_PEEK | SPECIAL)) && f.rtimeo == NOTIME && !f.nb && !f.lowat)
			r = recvall(c);
		else if(c->flags & MSG_OOB)
			r = iosyscall(c->gp, recvblock(c));
		else
			r = recvinkernel(c);
	}
	pollpass(c->pd, POLLMODE_R);
	polldrop(c->gp);
	return r;
}

noinline ssize_t
sockrecv(struct g *gp, struct polldesc *pd, void *buf, size_t n, int flags, struct sockaddr *addr, socklen_t *alen)
{
	struct recvcall c = {.gp = gp, .pd = pd, .buf = buf, .n = n, .flags = flags, .addr = addr, .alen = alen};

	return recvcall(&c);
}

ssize_t
sockrecvmsg(struct g *gp, struct polldesc *pd, struct msghdr *m, int flags)
{
	struct recvcall c = {.gp = gp, .pd = pd, .m = m, .flags = flags};

	return recvcall(&c);
}

/*
 * read and recv as nearly all are: the whole of such a call in a function with a small frame, as that
 * is what a sleeping G brings back into the cache. Anything out of the ordinary is left to recvcall.
 */
long
sockread(struct g *gp, struct polldesc *pd, void *buf, size_t n, int flags)
{
	struct polldesc *k;
	uint32_t seq;
	long r;

	if(unlikely((flags & ~MSG_NOSIGNAL) != 0 || (load_relaxed(&pd->flags) & (PD_ERR | PD_LOWAT | PD_NB))))
		return sockrecv(gp, pd, buf, n, flags, NULL, NULL);
	for(;;){
		seq = pollseq(pd, POLLMODE_R);
		if(!fddrained(pd, seq)){
			r = rawsyscall(SYS_recvfrom, pd->fd, buf, n, flags | MSG_DONTWAIT, NULL, NULL);
			if(likely(r >= 0)){
				setdrained(pd, seq, (size_t)r, n, 0);
				break;
			}
			if(r != -EAGAIN)
				break;
		}
		if(unlikely(!fdplain(pd) || alone() || load_relaxed(&pd->kind) != Ktcp))
			return sockrecv(gp, pd, buf, n, flags, NULL, NULL);
		r = pollblock(gp, pd, POLLMODE_R, seq, Wread, NOTIME);
		if(likely(r == POLL_RETRY && load_relaxed(&nkept) == 0))
			continue;
		if(r == WAKE_SIGNAL && interrupted(gp, true)){
			polldrop(gp);
			return -EINTR;
		}
		k = pollkept(gp, pd);
		if(r == WAKE_CLOSE && k == NULL)
			return -EBADF;
		return sockrecv(gp, k != NULL ? k : pd, buf, n, flags, NULL, NULL);
	}
	pollpass(pd, POLLMODE_R);
	return r;
}

/* ---- the calls ---- */

/* ENTER: the G in runtime mode and its descriptor, or libc's own call; or the system call raw at once, for one that never waits. */
#define ENTER(fd, call, raw)                           \
	struct g *gp = getg();                         \
	struct polldesc *pd;                           \
	ssize_t r;                                     \
                                                       \
	if(gp == NULL)                                 \
		return call;                           \
	cancelpoint(gp);                               \
	pd = pollfind(fd);                             \
	if(fdatonce(pd))                               \
		return ioatonce(gp, raw);              \
	rtenter(gp);                                   \
	if(unlikely(pd == NULL) && (pd = pollget(fd)) == NULL){ \
		r = iosyscall(gp, rawresult(call));    \
		rtexit(gp);                            \
		return ioreturn(r);                    \
	}

#define LEAVE()                                        \
	rtexit(gp);                                    \
	return ioreturn(r)

static long
recvatonce(struct polldesc *pd, void *buf, size_t n, int flags, struct sockaddr *addr, socklen_t *alen)
{
	uint32_t seq = pollseq(pd, POLLMODE_R);
	long r = rawsyscall(SYS_recvfrom, pd->fd, buf, n, flags, addr, alen);

	sockdrained(pd, seq, r, n, flags);
	return r;
}

EXPORT ssize_t
recv(int fd, void *buf, size_t n, int flags)
{
	ENTER(fd, libc.recv(fd, buf, n, flags), recvatonce(pd, buf, n, flags, NULL, NULL));
	r = sockread(gp, pd, buf, n, flags);
	LEAVE();
}
ALSO(__recv, recv)

EXPORT ssize_t
__recv_chk(int fd, void *buf, size_t n, size_t bufsize, int flags)
{
	return n <= bufsize ? recv(fd, buf, n, flags) : libc.__recv_chk(fd, buf, n, bufsize, flags);
}

EXPORT ssize_t
recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr, socklen_t *alen)
{
	ENTER(fd, libc.recvfrom(fd, buf, n, flags, addr, alen), recvatonce(pd, buf, n, flags, addr, alen));
	r = sockrecv(gp, pd, buf, n, flags, addr, alen);
	LEAVE();
}

EXPORT ssize_t
__recvfrom_chk(int fd, void *buf, size_t n, size_t bufsize, int flags, struct sockaddr *addr, socklen_t *alen)
{
	return n <= bufsize ? recvfrom(fd, buf, n, flags, addr, alen)
			    : libc.__recvfrom_chk(fd, buf, n, bufsize, flags, addr, alen);
}

EXPORT ssize_t
recvmsg(int fd, struct msghdr *m, int flags)
{
	ENTER(fd, libc.recvmsg(fd, m, flags), rawsyscall(SYS_recvmsg, fd, m, flags));
	r = sockrecvmsg(gp, pd, m, flags);
	LEAVE();
}

EXPORT ssize_t
send(int fd, const void *buf, size_t n, int flags)
{
	ENTER(fd, libc.send(fd, buf, n, flags), rawsyscall(SYS_sendto, fd, buf, n, flags, NULL, 0));
	r = sockwrite(gp, pd, buf, n, flags);
	LEAVE();
}
ALSO(__send, send)

EXPORT ssize_t
sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr, socklen_t alen)
{
	ENTER(fd, libc.sendto(fd, buf, n, flags, addr, alen), rawsyscall(SYS_sendto, fd, buf, n, flags, addr, alen));
	r = socksend(gp, pd, buf, n, flags, addr, alen);
	LEAVE();
}

EXPORT ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	ENTER(fd, libc.sendmsg(fd, m, flags), (fdsent(m), rawsyscall(SYS_sendmsg, fd, m, flags)));
	r = socksendmsg(gp, pd, m, flags);
	LEAVE();
}
