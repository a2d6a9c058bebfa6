/* SPDX-License-Identifier: MIT */
/* Several messages in a call: recvmmsg and sendmmsg. */
#include "fd.h"

/*
 * As the kernel does it: the time is looked at after each message only; an error after the first is
 * kept for the next call.
 */
static long
recvmany(struct g *gp, struct polldesc **pdp, struct mmsghdr *v, unsigned n, int flags, int64_t until)
{
	struct polldesc *pd = *pdp;
	struct iowait w = {.gp = gp, .pd = pd, .mode = POLLMODE_R, .why = Wread};
	int try = (flags & ~MSG_WAITFORONE) | MSG_DONTWAIT, e;
	unsigned done = 0;
	long r;

	for(;;){
		w.seq = pollseq(pd, POLLMODE_R);
		r = rawsyscall(SYS_recvmmsg, pd->fd, v + done, until == NOTIME ? n - done : 1, try, NULL);
		if(r == -EAGAIN){
			if(done > 0 && (flags & MSG_WAITFORONE))
				return done;
			if(load_relaxed(&pd->kind) != Ktcp && (load_relaxed(&pd->flags) & PD_NODRAIN) &&
			   pollnow(pd->fd, POLLIN) != 0)
				e = IO_BLOCK; /* shut down; as in recvonce */
			else
				e = iowait(&w);
			*pdp = pd = w.pd;
			if(e == IO_RETRY)
				continue;
			r = e == IO_BLOCK ? rawresult(iosyscallblock(gp, libc.recvmmsg(pd->fd, v + done, 1, flags, NULL))) : e;
		}
		if(r < 0){
			if(done > 0)
				keeperr(pd, r);
			return done > 0 ? done : r;
		}
		done += (unsigned)r;
		w.part = true;
		if(r == 0 || done >= n || (flags & MSG_WAITFORONE) || (until != NOTIME && nanotime() >= until))
			return done;
	}
}

EXPORT int
recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout)
{
	struct g *gp = getg();
	struct polldesc *pd;
	int64_t until = NOTIME, left;
	struct timespec ts;
	long r;

	if(gp == NULL || (timeout != NULL && (trycopy(&ts, timeout, sizeof ts) != 0 || !goodtime(&ts))))
		return libc.recvmmsg(fd, v, n, flags, timeout);
	cancelpoint(gp);
	rtenter(gp);
	if(n > 1024)
		n = 1024; /* UIO_MAXIOV, the kernel's limit */
	if(timeout != NULL)
		until = deadlinens(tonsec(&ts));
	pd = pollget(fd);
	if(pd == NULL || n == 0 || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) || fdnonblock(pd))
		r = rawresult(iosyscall(gp, libc.recvmmsg(fd, v, n, flags, timeout)));
	else{
		if((r = takeerr(pd)) == 0){
			r = recvmany(gp, &pd, v, n, flags, until);
			pollpass(pd, POLLMODE_R);
			polldrop(gp);
		}
		if(timeout != NULL && r > 0){
			left = until - nanotime();
			ts = left > 0 ? (struct timespec){left / NSEC, left % NSEC} : (struct timespec){0, 0};
			trycopy(timeout, &ts, sizeof ts);
		}
	}
	rtexit(gp);
	return (int)ioreturn(r);
}

/* The rest of a message of which a stream took a part. */
static void
finish(struct g *gp, struct polldesc *pd, struct mmsghdr *h, int flags)
{
	struct msghdr m = h->msg_hdr;
	struct iovcur v;
	long r;

	m.msg_control = NULL;
	m.msg_controllen = 0;
	iovinit(&v, m.msg_iov, (int)m.msg_iovlen);
	if(iovadvance(&v, h->msg_len) > 0){
		m.msg_iov = v.iov;
		m.msg_iovlen = (size_t)v.cnt;
		r = socksendmsg(gp, pd, &m, flags | MSG_NOSIGNAL);
		if(r > 0)
			h->msg_len += (unsigned)r;
		else if(r < 0)
			keeperr(pd, r);
	}
	iovdone(&v);
}

static long
sendmany(struct g *gp, struct polldesc *pd, struct mmsghdr *v, unsigned n, int flags)
{
	unsigned done = 0;
	long r;

	while(done < n){
		r = iopipe(gp, rawsyscall(SYS_sendmmsg, pd->fd, v + done, n - done, flags | MSG_DONTWAIT));
		if(r == -EAGAIN){
			/* this one waits for room */
			r = socksendmsg(gp, pd, &v[done].msg_hdr, flags);
			if(r >= 0){
				v[done].msg_len = (unsigned)r;
				done++;
				if((size_t)r < msglength(&v[done - 1].msg_hdr))
					return done;
				continue;
			}
		}
		if(r < 0)
			return done > 0 ? done : r;
		done += (unsigned)r;
		if(v[done - 1].msg_len < msglength(&v[done - 1].msg_hdr)){
			finish(gp, pd, &v[done - 1], flags);
			if(v[done - 1].msg_len < msglength(&v[done - 1].msg_hdr))
				return done;
		}
	}
	return done;
}

EXPORT int
sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
	struct g *gp = getg();
	struct polldesc *pd;
	long r;

	if(gp == NULL)
		return libc.sendmmsg(fd, v, n, flags);
	cancelpoint(gp);
	rtenter(gp);
	if(n > 1024)
		n = 1024;
	pd = pollget(fd);
	if(pd == NULL || n == 0 || (flags & MSG_DONTWAIT) || fdnonblock(pd))
		r = iosyscall(gp, rawresult(libc.sendmmsg(fd, v, n, flags)));
	else if((r = takeerr(pd)) == 0){
		r = sendmany(gp, pd, v, n, flags);
		for(long i = 0; i < r; i++)
			fdsent(&v[i].msg_hdr);
	}
	rtexit(gp);
	return (int)ioreturn(r);
}
ALSO(__sendmmsg, sendmmsg)
