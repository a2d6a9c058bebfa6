/* SPDX-License-Identifier: MIT */
/* Sending on sockets. See socket.c for how attempts are made, and what becomes of errors. */
#include "fd.h"

struct sendcall {
	struct g *gp;
	struct polldesc *pd;
	const struct msghdr *m; /* sendmsg, or NULL: */
	const void *buf;
	const struct sockaddr *addr;
	size_t n;
	socklen_t alen;
	int flags;
};

static long
sendblock(struct sendcall *c)
{
	int fd = c->pd->fd;

	return rawresult(c->m != NULL ? libc.sendmsg(fd, c->m, c->flags)
				      : libc.sendto(fd, c->buf, c->n, c->flags, c->addr, c->alen));
}

static inline long
sendtry(struct sendcall *c, int flags)
{
	int fd = c->pd->fd;

	flags |= c->flags | MSG_DONTWAIT;
	return c->m != NULL ? rawsyscall(SYS_sendmsg, fd, c->m, flags)
			    : rawsyscall(SYS_sendto, fd, c->buf, c->n, flags, c->addr, c->alen);
}

/* A message with an address: that socket's queue may be full, of which ours is not told. */
static bool
toothers(struct sendcall *c)
{
	const struct sockaddr *to = c->m != NULL ? c->m->msg_name : c->addr;

	return to != NULL && load_relaxed(&c->pd->kind) != Ktcp;
}

/*
 * What a Unix socket says to a send that waited for room when the other end went: the error that the end left, which a
 * new attempt does not look for. No SIGPIPE, either: that comes with a send that finds it gone.
 */
static long
goneerror(struct sendcall *c)
{
	int e = 0;
	socklen_t n = sizeof e;

	rawsyscall(SYS_getsockopt, c->pd->fd, SOL_SOCKET, SO_ERROR, &e, &n);
	return e != 0 ? -e : -EPIPE;
}

/* One attempt that waits for room. extra: flags for this attempt. */
static long
sendonce(struct sendcall *c, struct iowait *w, int extra)
{
	bool waited = false;
	long r;
	int e;

	for(;;){
		w->seq = pollseq(c->pd, POLLMODE_W);
		r = sendtry(c, extra | (waited && load_relaxed(&c->pd->kind) != Ktcp ? MSG_NOSIGNAL : 0));
		if(unlikely(r == -EPIPE && waited && load_relaxed(&c->pd->kind) != Ktcp))
			return goneerror(c);
		if(likely(r != -EAGAIN))
			return r;
		waited = true;
		e = toothers(c) ? IO_BLOCK : iowaitfor(w, c->gp, &c->pd, POLLMODE_W, Wwrite);
		if(e == IO_BLOCK){
			c->flags |= extra;
			return iosyscallblock(c->gp, sendblock(c));
		}
		if(e < 0)
			return e;
	}
}

/* What is left of a send after r bytes. Returns false when nothing is, or when there is no memory to go on. */
static bool
sendadvance(struct sendcall *c, struct msghdr *m, struct iovcur *v, size_t r)
{
	if(c->m == NULL){
		c->buf = (const char *)c->buf + r;
		c->n -= r;
		return c->n > 0;
	}
	if(c->m != m){
		iovinit(v, c->m->msg_iov, (int)c->m->msg_iovlen);
		*m = *c->m;
		m->msg_control = NULL; /* descriptors and the like went with the first part */
		m->msg_controllen = 0;
		c->m = m;
	}
	if(iovadvance(v, r) <= 0)
		return false;
	m->msg_iov = v->iov;
	m->msg_iovlen = (size_t)v->cnt;
	return true;
}

static noinline long
sendrest(struct sendcall *c, struct iowait *w, long done)
{
	struct msghdr m;
	struct iovcur v;
	size_t step = (size_t)done;
	long r;

	v.map = NULL;
	w->part = true;
	pollmark(c->gp, c->pd, POLLMODE_W);
	while(sendadvance(c, &m, &v, step)){
		/* natively SIGPIPE comes with the call that returns EPIPE: the next one */
		r = sendonce(c, w, MSG_NOSIGNAL);
		if(r < 0){
			keeperr(c->pd, r);
			break;
		}
		step = (size_t)r;
		done += r;
	}
	iovdone(&v);
	return done;
}

static long
sendcall(struct sendcall *c)
{
	struct iowait w;
	long r;

	if(userdontwait(c->pd, c->flags))
		return iononblock(c->gp, sendblock(c));
	if((r = takeerr(c->pd)) != 0)
		return r;
	w.asked = w.part = false;
	r = sendonce(c, &w, 0);
	iopipe(c->gp, r);
	if(r >= 0 && c->m != NULL)
		c->n = msglength(c->m);
	if(unlikely(r >= 0 && (size_t)r < c->n))
		r = sendrest(c, &w, r);
	pollpass(c->pd, POLLMODE_W);
	polldrop(c->gp);
	return r;
}

static noinline long
sockwriterest(struct g *gp, struct polldesc *pd, const void *buf, size_t n, int flags, long done)
{
	struct sendcall c = {.gp = gp, .pd = pd, .buf = buf, .n = n, .flags = flags};
	struct iowait w;

	w.asked = false;
	done = sendrest(&c, &w, done);
	polldrop(gp);
	return done;
}

/* write and send as nearly all are: it fits. */
long
sockwrite(struct g *gp, struct polldesc *pd, const void *buf, size_t n, int flags)
{
	long r;

	if(unlikely((flags & ~MSG_NOSIGNAL) != 0 || (load_relaxed(&pd->flags) & (PD_ERR | PD_NB))))
		return socksend(gp, pd, buf, n, flags, NULL, 0);
	r = rawsyscall(SYS_sendto, pd->fd, buf, n, flags | MSG_DONTWAIT, NULL, 0);
	if(unlikely((size_t)r != n)){
		if(r == -EAGAIN)
			return socksend(gp, pd, buf, n, flags, NULL, 0);
		if(r >= 0)
			r = sockwriterest(gp, pd, buf, n, flags, r);
		else
			iopipe(gp, r);
	}
	pollpass(pd, POLLMODE_W);
	return r;
}

noinline ssize_t
socksend(struct g *gp, struct polldesc *pd, const void *buf, size_t n, int flags, const struct sockaddr *addr,
    socklen_t alen)
{
	struct sendcall c = {.gp = gp, .pd = pd, .buf = buf, .n = n, .flags = flags, .addr = addr, .alen = alen};

	return sendcall(&c);
}

/* Descriptors that are sent have another owner from now on. */
void
fdsent(const struct msghdr *mp)
{
	struct msghdr m;
	struct cmsghdr h;
	size_t at = 0;
	int fd;

	if(trycopy(&m, mp, sizeof m) != 0 || m.msg_control == NULL)
		return;
	while(at <= m.msg_controllen && m.msg_controllen - at >= sizeof h &&
	      trycopy(&h, (char *)m.msg_control + at, sizeof h) == 0 && h.cmsg_len >= sizeof h &&
	      h.cmsg_len <= m.msg_controllen - at){
		if(h.cmsg_level == SOL_SOCKET && h.cmsg_type == SCM_RIGHTS)
			for(size_t i = CMSG_LEN(0); i + sizeof fd <= h.cmsg_len; i += sizeof fd)
				if(trycopy(&fd, (char *)m.msg_control + at + i, sizeof fd) == 0)
					fdshared(fd);
		at += CMSG_ALIGN(h.cmsg_len);
	}
}

ssize_t
socksendmsg(struct g *gp, struct polldesc *pd, const struct msghdr *m, int flags)
{
	struct sendcall c = {.gp = gp, .pd = pd, .m = m, .flags = flags};

	fdsent(m);
	return sendcall(&c);
}
