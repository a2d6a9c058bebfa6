/* SPDX-License-Identifier: MIT */
/* The operations of the table in mx.h. Each returns what its call did, with errno, and may say more in c->more. */
#ifndef MX_OPS_H
#define MX_OPS_H

static struct iovec *
two(struct cell *c, struct iovec v[2], size_t n)
{
	v[0] = (struct iovec){ c->buf, n / 2 };
	v[1] = (struct iovec){ c->buf + n / 2, n - n / 2 };
	return v;
}

static long opread(struct cell *c) { return read(c->e.fd, c->buf, MXBUF); }
static long oppread(struct cell *c) { return pread(c->e.fd, c->buf, MXBUF, 0); }
static long oprecv(struct cell *c) { return recv(c->e.fd, c->buf, MXBUF, 0); }
static long oprecvall(struct cell *c) { return recv(c->e.fd, c->buf, 4, MSG_WAITALL); }
static long oppeek(struct cell *c) { return recv(c->e.fd, c->buf, MXBUF, MSG_PEEK); }
static long opfionread(struct cell *c)
{
	int n = -1, r = ioctl(c->e.fd, FIONREAD, &n);

	return r;
}

static long
opreadv(struct cell *c)
{
	struct iovec v[2];

	return readv(c->e.fd, two(c, v, MXBUF), 2);
}

static long
oppreadv2(struct cell *c)
{
	struct iovec v[2];

	return preadv2(c->e.fd, two(c, v, MXBUF), 2, -1, 0);
}

static long
oprecvfrom(struct cell *c)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;
	long r = recvfrom(c->e.fd, c->buf, MXBUF, 0, (struct sockaddr *)&ss, &n);

	if(r >= 0)
		snprintf(c->more, sizeof c->more, " from %d", n >= sizeof ss.ss_family ? ss.ss_family : 0);
	return r;
}

static long
oprecvmsg(struct cell *c)
{
	struct iovec v[2];
	struct msghdr m = { .msg_iov = two(c, v, MXBUF), .msg_iovlen = 2 };
	long r = recvmsg(c->e.fd, &m, 0);

	if(r >= 0)
		snprintf(c->more, sizeof c->more, " flags %x", m.msg_flags & ~MSG_CMSG_CLOEXEC);
	return r;
}

static long
oprecvmmsg(struct cell *c)
{
	struct iovec v[2];
	struct mmsghdr m = { .msg_hdr = { .msg_iov = two(c, v, MXBUF), .msg_iovlen = 2 } };
	long r = recvmmsg(c->e.fd, &m, 1, 0, NULL);

	if(r >= 0)
		snprintf(c->more, sizeof c->more, " of %u", m.msg_len);
	return r;
}

static long
opgetc(struct cell *c)
{
	FILE *f = fdopen(c->e.fd, "r");
	int r;

	if(f == NULL)
		return -1;
	r = getc(f);
	if(r == EOF && ferror(f))
		return -1;
	return r == EOF ? 0 : 1;
}

/* ---- waiting ---- */

static long
polled(struct cell *c, short ev, bool two)
{
	struct pollfd p[2] = { { c->e.fd, ev, 0 }, { c->e.fd, ev, 0 } };
	struct timespec ts = { c->pollms / 1000, c->pollms % 1000 * MS };
	long r = two ? ppoll(p, 2, &ts, NULL) : poll(p, 1, c->pollms);

	if(r > 0)
		snprintf(c->more, sizeof c->more, " revents %x", p[0].revents);
	/* The second of two looks at one descriptor may see more than the first. */
	return r > 1 ? 1 : r;
}

static long oppoll(struct cell *c) { return polled(c, POLLIN, false); }
static long opppoll(struct cell *c) { return polled(c, POLLIN | POLLPRI | POLLRDHUP, true); }
static long oppollout(struct cell *c) { return polled(c, POLLOUT, false); }

static long
selected(struct cell *c, bool out, bool p)
{
	unsigned long set[8192 / 64] = { 0 }, ex[8192 / 64] = { 0 };
	struct timeval tv = { c->pollms / 1000, c->pollms % 1000 * 1000 };
	struct timespec ts = { tv.tv_sec, tv.tv_usec * 1000 };
	fd_set *s = (fd_set *)set, *e = (fd_set *)ex;
	int fd = c->e.fd;
	long r;

	set[fd / 64] = ex[fd / 64] = 1ul << fd % 64;
	r = p ? pselect(fd + 1, out ? NULL : s, out ? s : NULL, e, &ts, NULL)
	      : select(fd + 1, out ? NULL : s, out ? s : NULL, e, &tv);
	if(r > 0)
		snprintf(c->more, sizeof c->more, " in %d", (int)(set[fd / 64] >> fd % 64 & 1));
	return r;
}

static long opselect(struct cell *c) { return selected(c, false, false); }
static long oppselect(struct cell *c) { return selected(c, false, true); }
static long opselectout(struct cell *c) { return selected(c, true, false); }

static long
watch(struct cell *c, uint32_t ev, int depth)
{
	struct epoll_event e = { ev, { .u32 = 7 } }, in = { EPOLLIN, { .u32 = 9 } };
	int ep = OK(epoll_create1(EPOLL_CLOEXEC)), outer, r;

	if(epoll_ctl(ep, EPOLL_CTL_ADD, c->e.fd, &e) != 0) {
		r = errno;
		close(ep);
		errno = r;
		return -1;
	}
	for(; depth > 0; depth--) {
		outer = OK(epoll_create1(EPOLL_CLOEXEC));
		OK(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &in));
		ep = outer;
	}
	r = epoll_wait(ep, &e, 1, c->pollms);
	if(r > 0)
		snprintf(c->more, sizeof c->more, " events %x data %u", e.events, e.data.u32);
	return r;
}

static long opepoll(struct cell *c) { return watch(c, EPOLLIN, 0); }
static long opepollet(struct cell *c) { return watch(c, EPOLLIN | EPOLLET | EPOLLRDHUP, 0); }
static long oponeshot(struct cell *c) { return watch(c, EPOLLIN | EPOLLONESHOT, 0); }
static long opnested(struct cell *c) { return watch(c, EPOLLIN | EPOLLEXCLUSIVE, 2); }
static long opepollout(struct cell *c) { return watch(c, EPOLLOUT, 0); }

/* On the descriptor itself, which may be an epoll instance. */
static long
opepwait(struct cell *c)
{
	struct epoll_event e;

	return epoll_wait(c->e.fd, &e, 1, c->pollms);
}

/* ---- connections, and data from one descriptor to another ---- */

static long
accepted(int fd)
{
	if(fd >= 0)
		OK(close(fd));
	return fd < 0 ? -1 : 0;
}

static long opaccept(struct cell *c) { return accepted(accept(c->e.fd, NULL, NULL)); }
static long opaccept4(struct cell *c) { return accepted(accept4(c->e.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)); }

static long
opsplice(struct cell *c)
{
	int p[2];

	OK(pipe(p));
	return splice(c->e.fd, NULL, p[1], NULL, MXBUF, 0);
}

static long
optee(struct cell *c)
{
	int p[2];

	OK(pipe(p));
	return tee(c->e.fd, p[1], MXBUF, 0);
}

static long
opsendfile(struct cell *c)
{
	int p[2];

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	return sendfile(p[1], c->e.fd, NULL, 64);
}

/* From a pipe to memory. */
static long
opvmspliceout(struct cell *c)
{
	struct iovec v = { c->buf, MXBUF };

	return vmsplice(c->e.fd, &v, 1, 0);
}

/* ---- nothing at all, which may have to wait all the same ---- */

static long opreadnone(struct cell *c) { return read(c->e.fd, c->buf, 0); }
static long oprecvnone(struct cell *c) { return recv(c->e.fd, c->buf, 0, 0); }
static long opwritenone(struct cell *c) { return write(c->e.fd, c->buf, 0); }
static long opsendnone(struct cell *c) { return send(c->e.fd, c->buf, 0, MSG_NOSIGNAL); }

/* ---- writing ---- */

static long opwrite(struct cell *c) { return write(c->e.fd, c->buf, 8); }
static long opwrite0(struct cell *c) { return write(c->e.fd, memset(c->buf, 0, 8), 8); }
static long opsend(struct cell *c) { return send(c->e.fd, c->buf, 8, MSG_NOSIGNAL); }
static long opsendto(struct cell *c) { return sendto(c->e.fd, c->buf, 8, 0, NULL, 0); }

static long
opwritev(struct cell *c)
{
	struct iovec v[2];

	return writev(c->e.fd, two(c, v, 8), 2);
}

static long
oppwritev2(struct cell *c)
{
	struct iovec v[2];

	return pwritev2(c->e.fd, two(c, v, 8), 2, -1, 0);
}

static long
opsendmsg(struct cell *c)
{
	struct iovec v[2];
	struct msghdr m = { .msg_iov = two(c, v, 8), .msg_iovlen = 2 };

	return sendmsg(c->e.fd, &m, 0);
}

static long
opsendmmsg(struct cell *c)
{
	struct iovec v[2];
	struct mmsghdr m = { .msg_hdr = { .msg_iov = two(c, v, 8), .msg_iovlen = 2 } };

	return sendmmsg(c->e.fd, &m, 1, 0);
}

/* A pipe with eight bytes in it. */
static int
filledpipe(struct cell *c)
{
	int p[2];

	OK(pipe(p));
	EQ(write(p[1], c->buf, 8), 8);
	return p[0];
}

static long opsplicein(struct cell *c) { return splice(filledpipe(c), NULL, c->e.fd, NULL, 8, 0); }
static long opteein(struct cell *c) { return tee(filledpipe(c), c->e.fd, 8, 0); }

static long
opvmsplice(struct cell *c)
{
	struct iovec v = { c->buf, 8 };

	return vmsplice(c->e.fd, &v, 1, 0);
}

static long
opsendfilein(struct cell *c)
{
	int fd = OK(open("/proc/self/exe", O_RDONLY));

	return sendfile(c->e.fd, fd, NULL, 8);
}

static const struct op ops[] = {
	{ "read", false, opread }, { "readv", false, opreadv }, { "preadv2", false, oppreadv2 },
	{ "pread", false, oppread }, { "recv", false, oprecv }, { "recvfrom", false, oprecvfrom },
	{ "recvmsg", false, oprecvmsg }, { "recvmmsg", false, oprecvmmsg }, { "waitall", false, oprecvall },
	{ "peek", false, oppeek }, { "getc", false, opgetc }, { "fionread", false, opfionread },
	{ "poll", false, oppoll }, { "ppoll", false, opppoll }, { "select", false, opselect },
	{ "pselect", false, oppselect }, { "epoll", false, opepoll }, { "epollet", false, opepollet },
	{ "oneshot", false, oponeshot }, { "nested", false, opnested }, { "epwait", false, opepwait },
	{ "accept", false, opaccept }, { "accept4", false, opaccept4 }, { "splice", false, opsplice },
	{ "tee", false, optee }, { "sendfile", false, opsendfile }, { "vmsplice", false, opvmspliceout },
	{ "read none", false, opreadnone }, { "recv none", false, oprecvnone },
	{ "write", true, opwrite }, { "write0", true, opwrite0 }, { "writev", true, opwritev }, { "pwritev2", true, oppwritev2 },
	{ "send", true, opsend }, { "sendto", true, opsendto }, { "sendmsg", true, opsendmsg },
	{ "sendmmsg", true, opsendmmsg }, { "poll", true, oppollout }, { "select", true, opselectout },
	{ "epoll", true, opepollout }, { "splice", true, opsplicein }, { "tee", true, opteein },
	{ "vmsplice", true, opvmsplice }, { "sendfile", true, opsendfilein },
	{ "write none", true, opwritenone }, { "send none", true, opsendnone },
};

#endif
