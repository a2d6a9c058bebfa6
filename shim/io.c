/* SPDX-License-Identifier: MIT */
/*
 * read and write, of whatever kind of descriptor.
 *
 * The descriptor's kind says how to try without blocking: MSG_DONTWAIT for sockets (socket.c),
 * RWF_NOWAIT for pipes and the like, poll() first for those that know neither; files
 * and what polling cannot stand for are read and written in the kernel. O_NONBLOCK is
 * never set. Attempts on sockets are made in runtime mode: they do not block, so nothing need be told.
 * Those on pipes may block all the same: the kernel waits for the pipe's lock, which a splice from an empty
 * socket into the pipe holds. So sysmon must be able to take the P.
 *
 * A descriptor that is known to have O_NONBLOCK goes straight to the kernel (fdatonce); one that was, before a fork,
 * goes there as a call that should not block: if it does, an M blocks, and sysmon hands its P off.
 */
#include <limits.h>
#include <sys/stat.h>

#include "fd.h"

/* One readv or writev. */
struct xfer {
	struct g *gp;
	struct polldesc *pd;
	bool write;
	struct iovcur v;
};

static long
rwcall(struct xfer *x)
{
	int fd = x->pd->fd;

	return rawresult(x->write ? libc.writev(fd, x->v.iov, x->v.cnt) : libc.readv(fd, x->v.iov, x->v.cnt));
}

static long
inkernel(struct xfer *x)
{
	return iosyscall(x->gp, rwcall(x));
}

static struct iowait
waitfor(struct xfer *x)
{
	return (struct iowait){.gp = x->gp, .pd = x->pd, .mode = x->write ? POLLMODE_W : POLLMODE_R,
	    .why = x->write ? Wwrite : Wread};
}

/* Kblock: by poll() it is only found out how long the call may take. */
static long
blocking(struct xfer *x)
{
	if(alone() || pollnow(x->pd->fd, x->write ? POLLOUT : POLLIN) != 0)
		return inkernel(x);
	return iosyscallblock(x->gp, rwcall(x));
}

/* A write to an eventfd that is full waits, unless it is none that the kernel would take, or adds nothing. */
static bool
waitsforroom(struct xfer *x)
{
	uint64_t v;

	return x->v.iov->iov_len >= sizeof v && trycopy(&v, x->v.iov->iov_base, sizeof v) == 0 && v != 0 && v != UINT64_MAX;
}

/* Kpoll: when poll() says that it is ready the kernel does it; if another was faster it blocks there. */
static long
pollfirst(struct xfer *x)
{
	struct iowait w = waitfor(x);
	long n;
	int r;

	if(x->write && (load_relaxed(&x->pd->flags) & PD_WPOLL) && !waitsforroom(x))
		return inkernel(x);
	for(;;){
		w.seq = pollseq(x->pd, (enum pollmode)w.mode);
		if(pollnow(x->pd->fd, x->write ? POLLOUT : POLLIN) != 0){
			if(w.asked)
				ioredo(x->gp);
			n = inkernel(x);
			ioredone(x->gp);
			return n;
		}
		r = iowait(&w);
		x->pd = w.pd;
		if(r < 0)
			return r;
		if(r == IO_BLOCK)
			return blocking(x);
	}
}

/*
 * Reads of pollin kinds wait in poll(). Writes do not: fanotify takes its answers, a device its orders, whatever poll() says,
 * which for most of these is never that there is room.
 */
static long
pollinfirst(struct xfer *x)
{
	return x->write ? inkernel(x) : pollfirst(x);
}

static bool
isfifo(int fd)
{
	struct statx st;

	return fdstat(fd, &st) && S_ISFIFO(st.stx_mode);
}

/* The kernel has no RWF_NOWAIT for this. */
static long
nonowait(struct xfer *x)
{
	bool fifo = isfifo(x->pd->fd);

	if(x->write && (fifo || fdiseventfd(x->pd->fd))){
		fetch_or(&x->pd->flags, PD_WPOLL);
		return pollfirst(x);
	}
	/* a FIFO that nobody has open for writing is at its end, but poll() does not say so */
	if(fifo){
		fdsetkind(x->pd, Kblock);
		return blocking(x);
	}
	fdsetkind(x->pd, Kpollin);
	return pollinfirst(x);
}

/* May the kernel take it in parts, the first of which shows others that the call is under way? */
static bool
inparts(struct xfer *x)
{
	return x->write && (x->v.cnt > 1 || x->v.iov->iov_len > PIPE_BUF);
}

/* Knowait. A blocking write writes everything. redo: the call is seen to have begun. */
static long
nowaitcall(struct xfer *x, bool redo)
{
	struct iowait w = waitfor(x);
	long r, done = 0, left;
	int e;

	for(;;){
		w.seq = pollseq(x->pd, (enum pollmode)w.mode);
		if(redo)
			ioredo(x->gp);
		r = iononblock(x->gp, (stressat(ST_pollredo), iopipe(x->gp, rawsyscall(x->write ? SYS_pwritev2 : SYS_preadv2,
		    x->pd->fd, x->v.iov, x->v.cnt, -1L, -1L, RWF_NOWAIT))));
		if(r == -EAGAIN){
			e = iowait(&w);
			x->pd = w.pd;
			redo = true;
			if(e == IO_RETRY)
				continue;
			r = e == IO_BLOCK ? blocking(x) : e;
		}else if(r == -EOPNOTSUPP && done == 0)
			return nonowait(x);
		if(r < 0)
			return done > 0 ? done : r;
		done += r;
		w.part = true;
		if(!x->write || r == 0 || (left = iovadvance(&x->v, (size_t)r)) <= 0)
			return done;
	}
}

static long
nowait(struct xfer *x)
{
	bool parts = inparts(x);
	long r;

	if(unlikely(parts && load_relaxed(&filesshared)))
		return blocking(x); /* from the first part on it must be in the kernel's hands: see netpollsharefiles */
	if(parts)
		pollmark(x->gp, x->pd, POLLMODE_W);
	r = nowaitcall(x, parts);
	ioredone(x->gp);
	return r;
}

static long
sockxfer(struct xfer *x)
{
	struct msghdr m = {.msg_iov = x->v.iov, .msg_iovlen = (size_t)x->v.cnt};

	if(x->v.cnt == 1)
		return x->write ? socksend(x->gp, x->pd, x->v.iov->iov_base, x->v.iov->iov_len, 0, NULL, 0)
				: sockrecv(x->gp, x->pd, x->v.iov->iov_base, x->v.iov->iov_len, 0, NULL, NULL);
	return x->write ? socksendmsg(x->gp, x->pd, &m, 0) : sockrecvmsg(x->gp, x->pd, &m, 0);
}

/* The transfer according to the descriptor's kind. */
static long
xfer(struct xfer *x)
{
	enum pollmode mode = x->write ? POLLMODE_W : POLLMODE_R;
	long r;

again:
	if(fdnonblock(x->pd))
		return iononblock(x->gp, rwcall(x));
	switch(fdkind(x->pd)){
	case Ktcp:
	case Ksock:
		if((r = sockxfer(x)) != -ENOTSOCK)
			return r;
		fdsetkind(x->pd, Kunknown);
		goto again;
	case Knowait:
		r = x->write && (load_relaxed(&x->pd->flags) & PD_WPOLL) ? pollfirst(x) : nowait(x);
		break;
	case Kpoll:
		r = pollfirst(x);
		break;
	case Kpollin:
		r = pollinfirst(x);
		break;
	case Kblock:
		r = blocking(x);
		break;
	default:
		r = inkernel(x);
		break;
	}
	pollpass(x->pd, mode);
	polldrop(x->gp);
	return r;
}

/* 0 also for what the kernel will refuse. */
static size_t
iovlength(const struct iovec *iov, int cnt)
{
	struct iovec v[8];
	size_t n = 0;

	for(int i = 0; i < cnt; i += nelem(v)){
		int m = cnt - i < (int)nelem(v) ? cnt - i : (int)nelem(v);

		if(trycopy(v, iov + i, (size_t)m * sizeof *v) != 0)
			return 0;
		for(int k = 0; k < m; k++)
			if(__builtin_add_overflow(n, v[k].iov_len, &n) || n > SSIZE_MAX)
				return 0;
	}
	return n;
}

/*
 * An empty read does not wait, and an array that the kernel would refuse is for it to refuse: both
 * go there. (An empty write to a datagram socket sends an empty datagram, there too.)
 */
static ssize_t
dov(int fd, const struct iovec *iov, int cnt, bool write)
{
	struct g *gp = getg();
	struct xfer x;
	long r;

	cancelpoint(gp);
	x.pd = pollfind(fd);
	if(fdatonce(x.pd))
		return ioatonce(gp, rawsyscall(write ? SYS_writev : SYS_readv, fd, iov, cnt));
	rtenter(gp);
	x.gp = gp;
	x.write = write;
	iovinit(&x.v, iov, cnt);
	if(unlikely(x.pd == NULL) && (x.pd = pollget(fd)) == NULL)
		r = iosyscall(gp, rawresult(write ? libc.writev(fd, iov, cnt) : libc.readv(fd, iov, cnt)));
	else if(cnt <= 0 || cnt > IOV_MAX || iovlength(iov, cnt) == 0)
		r = inkernel(&x);
	else
		r = xfer(&x);
	iovdone(&x.v);
	rtexit(gp);
	return ioreturn(r);
}

/*
 * A write to a file waits for nothing that a request to cancel could end, so libc is left out, which would open the call to that
 * with two locked instructions. Reads may: there are files in /proc that wait for something to say.
 */
static inline long
rawwrite(struct g *gp, int fd, const void *buf, size_t n)
{
	long r = rawsyscall(SYS_write, fd, buf, n);

	if(unlikely(r < 0))
		iofailed(gp, r);
	return r;
}

static long
writefile(struct g *gp, int fd, const void *buf, size_t n)
{
	return iosyscall(gp, rawwrite(gp, fd, buf, n));
}

/* read and write of one buffer on what is no socket. */
static noinline long
rwother(struct g *gp, struct polldesc *pd, int fd, void *buf, size_t n, bool write)
{
	struct iovec iov = {buf, n};
	struct xfer x;
	long r;

	if(likely(write && pd != NULL && load_relaxed(&pd->kind) == Kfile))
		return writefile(gp, fd, buf, n);
	if(pd == NULL || n == 0 || n > SSIZE_MAX || fdkind(pd) == Kfile)
		return iosyscall(gp, rawresult(write ? libc.write(fd, buf, n) : libc.read(fd, buf, n)));
	x.gp = gp;
	x.pd = pd;
	x.write = write;
	iovinit(&x.v, &iov, 1);
	r = xfer(&x);
	iovdone(&x.v);
	return r;
}

static inline bool
issocket(struct polldesc *pd, size_t n)
{
	int k = pd != NULL ? load_relaxed(&pd->kind) : Kunknown;

	return (k == Ktcp || k == Ksock) && n - 1 < SSIZE_MAX && !fdnonblock(pd);
}

static ssize_t
readatonce(struct g *gp, struct polldesc *pd, void *buf, size_t n)
{
	uint32_t seq = pollseq(pd, POLLMODE_R);
	long r = rawsyscall(SYS_read, pd->fd, buf, n);

	sockdrained(pd, seq, r, n, 0);
	return ioatonce(gp, r);
}

static inline ssize_t
doread(struct g *gp, int fd, void *buf, size_t n)
{
	struct polldesc *pd;
	long r;

	cancelpoint(gp);
	pd = pollfind(fd);
	if(fdatonce(pd))
		return readatonce(gp, pd, buf, n);
	rtenter(gp);
	if(unlikely(pd == NULL))
		pd = pollget(fd);
	if(unlikely(!issocket(pd, n)) || unlikely((r = sockread(gp, pd, buf, n, 0)) == -ENOTSOCK))
		r = rwother(gp, pd, fd, buf, n, false);
	rtexit(gp);
	return ioreturn(r);
}

static inline ssize_t
dowrite(struct g *gp, int fd, const void *buf, size_t n)
{
	struct polldesc *pd;
	long r;

	cancelpoint(gp);
	pd = pollfind(fd);
	if(fdatonce(pd))
		return ioatonce(gp, rawsyscall(SYS_write, fd, buf, n));
	rtenter(gp);
	if(unlikely(pd == NULL))
		pd = pollget(fd);
	if(unlikely(!issocket(pd, n)) || unlikely((r = sockwrite(gp, pd, buf, n, 0)) == -ENOTSOCK))
		r = rwother(gp, pd, fd, (void *)buf, n, true);
	rtexit(gp);
	return ioreturn(r);
}

EXPORT ssize_t
read(int fd, void *buf, size_t n)
{
	struct g *gp = getg();

	return gp != NULL ? doread(gp, fd, buf, n) : libc.read(fd, buf, n);
}
ALSO(__read, read)

EXPORT ssize_t
__read_chk(int fd, void *buf, size_t n, size_t bufsize)
{
	return n <= bufsize ? read(fd, buf, n) : libc.__read_chk(fd, buf, n, bufsize);
}

EXPORT ssize_t
write(int fd, const void *buf, size_t n)
{
	struct g *gp = getg();

	return gp != NULL ? dowrite(gp, fd, buf, n) : libc.write(fd, buf, n);
}
ALSO(__write, write)

EXPORT ssize_t
readv(int fd, const struct iovec *iov, int cnt)
{
	return getg() != NULL ? dov(fd, iov, cnt, false) : libc.readv(fd, iov, cnt);
}

EXPORT ssize_t
writev(int fd, const struct iovec *iov, int cnt)
{
	return getg() != NULL ? dov(fd, iov, cnt, true) : libc.writev(fd, iov, cnt);
}
