/* SPDX-License-Identifier: MIT */
/*
 * Making connections: accept and connect.
 *
 * accept has no MSG_DONTWAIT. Whether there is a connection is asked with poll() first; then
 * the kernel does it, and should another process have been faster it blocks there.
 *
 * connect on a TCP socket is started with O_NONBLOCK, which is set and taken back around
 * the call, if nobody else can see the description (PD_OWN). When the socket has become
 * writable, connect is called again: natively that is how the result is had, the error
 * as well as the change of state. Others (Unix sockets wait for room in the
 * listener's queue, of which there is no event) connect in the kernel.
 */
#include "fd.h"

static long
acceptcall(int fd, struct sockaddr *addr, socklen_t *alen, int flags, bool four)
{
	return rawresult(four ? libc.accept4(fd, addr, alen, flags) : libc.accept(fd, addr, alen));
}

/* What is known of a connection that the listener l has given. */
static void
newconn(int fd, struct polldesc *l, int flags)
{
	uint32_t fl = PD_OWN | (flags & SOCK_NONBLOCK ? PD_NB : 0);
	enum fdkind kind = Ksock;
	struct polldesc *pd = pollget(fd);

	if(pd == NULL)
		return;
	/* it inherits everything but O_NONBLOCK; what is not known is asked when it first has to wait */
	if(trusted(l) && (load_relaxed(&l->flags) & PD_KNOWN)){
		kind = (enum fdkind)load_relaxed(&l->kind);
		fl |= PD_KNOWN | (load_relaxed(&l->flags) & (PD_LOWAT | PD_NODRAIN | PD_TIMEO));
	}
	pollreset(pd, kind, fl);
	if(fl & PD_TIMEO){
		store_relaxed(&pd->rtimeo, load_relaxed(&l->rtimeo));
		store_relaxed(&pd->wtimeo, load_relaxed(&l->wtimeo));
	}
}

/* *pdp changes if the listener is closed while this waits. */
static long
acceptwait(struct g *gp, struct polldesc **pdp, struct sockaddr *addr, socklen_t *alen, int flags, bool four)
{
	struct polldesc *pd = *pdp;
	struct iowait w = {.gp = gp, .pd = pd, .mode = POLLMODE_R, .why = Waccept};
	int e;
	long r;

	if((r = takeerr(pd)) != 0)
		return r;
	for(;;){
		w.seq = pollseq(pd, POLLMODE_R);
		if(pollnow(pd->fd, POLLIN) != 0)
			break;
		e = iowait(&w);
		*pdp = pd = w.pd;
		if(e < 0)
			return e;
		if(e == IO_BLOCK){
			if(!w.asked)
				break; /* an error, which the kernel gives at once; or there is nobody to hold up */
			return iosyscallblock(gp, acceptcall(pd->fd, addr, alen, flags, four));
		}
	}
	if(w.asked)
		ioredo(gp);
	r = iosyscall(gp, (stressat(ST_pollredo), acceptcall(pd->fd, addr, alen, flags, four)));
	ioredone(gp);
	return r;
}

static int
doaccept(int fd, struct sockaddr *addr, socklen_t *alen, int flags, bool four)
{
	struct g *gp = getg();
	struct polldesc *pd;
	long r;

	pd = pollget(fd);
	if(gp == NULL){
		r = acceptcall(fd, addr, alen, flags, four);
		if(r >= 0 && pd != NULL)
			newconn((int)r, pd, flags);
		return (int)ioreturn(r);
	}
	cancelpoint(gp);
	rtenter(gp);
	if(pd == NULL || fdnonblock(pd))
		r = iosyscall(gp, acceptcall(fd, addr, alen, flags, four));
	else{
		r = acceptwait(gp, &pd, addr, alen, flags, four);
		pollpass(pd, POLLMODE_R);
	}
	if(r >= 0 && pd != NULL)
		newconn((int)r, pd, flags);
	polldrop(gp);
	rtexit(gp);
	return (int)ioreturn(r);
}

EXPORT int
accept(int fd, struct sockaddr *addr, socklen_t *alen)
{
	return doaccept(fd, addr, alen, 0, false);
}

EXPORT int
accept4(int fd, struct sockaddr *addr, socklen_t *alen, int flags)
{
	return doaccept(fd, addr, alen, flags, true);
}

/* ---- connect ---- */

/* connect with O_NONBLOCK around it. -EINPROGRESS (or -EALREADY): it is under way. */
static long
startconnect(int fd, const struct sockaddr *addr, socklen_t alen)
{
	long fl = rawsyscall(SYS_fcntl, fd, F_GETFL), r;

	if(fl < 0)
		return fl;
	rawsyscall(SYS_fcntl, fd, F_SETFL, fl | O_NONBLOCK);
	r = rawsyscall(SYS_connect, fd, addr, alen);
	rawsyscall(SYS_fcntl, fd, F_SETFL, fl);
	return r;
}

static long
connectcall(int fd, const struct sockaddr *addr, socklen_t alen)
{
	return rawresult(libc.connect(fd, addr, alen));
}

static long
connectwait(struct g *gp, struct polldesc *pd, const struct sockaddr *addr, socklen_t alen)
{
	struct iowait w = {.gp = gp, .pd = pd, .mode = POLLMODE_W, .why = Wconnect};
	int e;
	long r;

	w.seq = pollseq(pd, POLLMODE_W);
	r = startconnect(pd->fd, addr, alen);
	if(r != -EINPROGRESS && r != -EALREADY)
		return r;
	while(pollnow(w.pd->fd, POLLOUT) == 0){
		if((e = iowait(&w)) < 0)
			return e == -EAGAIN ? r : e;
		if(e == IO_BLOCK)
			return iosyscallblock(gp, connectcall(w.pd->fd, addr, alen));
		w.seq = pollseq(w.pd, POLLMODE_W);
	}
	return iosyscall(gp, connectcall(w.pd->fd, addr, alen));
}

EXPORT int
connect(int fd, const struct sockaddr *addr, socklen_t alen)
{
	struct g *gp = getg();
	struct polldesc *pd;
	struct fdfacts f;
	long r;

	if(gp == NULL)
		return libc.connect(fd, addr, alen);
	cancelpoint(gp);
	rtenter(gp);
	pd = pollget(fd);
	if(pd != NULL && !fdnonblock(pd) && load_relaxed(&pd->kind) == Ktcp && trusted(pd) && !alone() &&
	   (fdask(pd, &f, Wconnect), !f.nb))
		r = connectwait(gp, pd, addr, alen);
	else if(pd != NULL && fdkind(pd) == Ktcp && !fdnonblock(pd) && !alone())
		r = iosyscallblock(gp, connectcall(fd, addr, alen));
	else
		r = iosyscall(gp, connectcall(fd, addr, alen));
	polldrop(gp);
	rtexit(gp);
	return (int)ioreturn(r);
}
ALSO(__connect, connect)
