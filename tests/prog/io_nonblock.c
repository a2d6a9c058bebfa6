/* SPDX-License-Identifier: MIT */
/* The program's own O_NONBLOCK: EAGAIN at once, from every call, while other threads wait. */
#include "io_util.h"
#include <sys/eventfd.h>
#include <sys/ioctl.h>

/* All would-block forms on fd are refused at once. */
static void
refused(int fd, bool sock)
{
	char b[8];
	struct iovec v = { b, 8 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct mmsghdr mm = { .msg_hdr = m };
	int64_t t0 = now();
	FAILS(read(fd, b, 8), EAGAIN);
	FAILS(readv(fd, &v, 1), EAGAIN);
	if(sock) {
		FAILS(recv(fd, b, 8, 0), EAGAIN);
		FAILS(recv(fd, b, 8, MSG_WAITALL), EAGAIN);
		FAILS(recvfrom(fd, b, 8, 0, NULL, NULL), EAGAIN);
		FAILS(recvmsg(fd, &m, 0), EAGAIN);
		FAILS(recvmmsg(fd, &mm, 1, 0, NULL), EAGAIN);
		FAILS(recv(fd, b, 8, MSG_PEEK), EAGAIN);
	}
	TOOK(t0, 0, 0);
}

/* Write until refused; the count is what the reader then finds. */
static void
fillup(int wr, int rd)
{
	enum { CH = 1000 };
	char b[CH], c[CH];
	size_t in = 0, out = 0;
	ssize_t n;
	memset(b, 'f', CH);
	while((n = write(wr, b, CH)) > 0)
		in += n;
	EQ(n, -1);
	EQ(errno, EAGAIN);
	FAILS(write(wr, b, CH), EAGAIN);
	struct iovec v = { b, CH };
	FAILS(writev(wr, &v, 1), EAGAIN);
	CHECK(in >= 4096);
	while((n = read(rd, c, CH)) > 0) {
		for(int i = 0; i < n; i++)
			EQ(c[i], 'f');
		out += n;
	}
	EQ(errno, EAGAIN);
	/* TCP may hold back what a window has no room for: the rest comes as room is made. */
	while(out < in) {
		struct pollfd p = { rd, POLLIN, 0 };
		EQ(poll(&p, 1, -1), 1);
		n = OK(read(rd, c, CH));
		out += n;
	}
	EQ(in, out);
}

static void
setnb(int fd)
{
	int f = OK(fcntl(fd, F_GETFL));
	OK(fcntl(fd, F_SETFL, f | O_NONBLOCK));
}

static void *
reader(void *arg)
{
	char b;
	EQ(read((intptr_t)arg, &b, 1), 1);
	return NULL;
}

int
main(void)
{
	int p[2], s[2], t[2], w[2];
	struct sockaddr_in sa;

	/* One thread waits all the time, so that the runtime of threads is at work. */
	OK(pipe(w));
	pthread_t waiter = spawn(reader, (void *)(intptr_t)w[0]);

	OK(pipe2(p, O_NONBLOCK));
	refused(p[0], false);
	fillup(p[1], p[0]);
	pass("pipe2");

	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
	refused(s[0], true);
	fillup(s[0], s[1]);
	pass("unix stream");

	tcppair(t);
	setnb(t[0]), setnb(t[1]);
	refused(t[0], true);
	fillup(t[0], t[1]);
	pass("tcp");

	int one = 1, zero = 0;
	OK(ioctl(t[0], FIONBIO, &zero));
	CHECK(!(fcntl(t[0], F_GETFL) & O_NONBLOCK));
	OK(ioctl(t[0], FIONBIO, &one));
	CHECK(fcntl(t[0], F_GETFL) & O_NONBLOCK);
	refused(t[0], true);
	pass("FIONBIO");

	int u = OK(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	sa = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	OK(bind(u, (struct sockaddr *)&sa, sizeof sa));
	refused(u, true);
	pass("udp");

	int l = tcplisten(&sa, 4);
	setnb(l);
	FAILS(accept(l, NULL, NULL), EAGAIN);
	FAILS(accept4(l, NULL, NULL, SOCK_CLOEXEC), EAGAIN);
	int c = tcpdial(&sa);
	/* What accept gives does not inherit the flag; accept4 sets what it is told. */
	struct pollfd pl = { l, POLLIN, 0 };
	EQ(poll(&pl, 1, -1), 1);
	int a = OK(accept(l, NULL, NULL));
	CHECK(!(fcntl(a, F_GETFL) & O_NONBLOCK));
	int c2 = tcpdial(&sa);
	EQ(poll(&pl, 1, -1), 1);
	int a2 = OK(accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
	CHECK(fcntl(a2, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(a2, F_GETFD) & FD_CLOEXEC);
	refused(a2, true);
	OK(close(a)), OK(close(a2)), OK(close(c)), OK(close(c2));
	pass("accept");

	uint64_t v = 3;
	int e = OK(eventfd(0, EFD_NONBLOCK));
	refused(e, false);
	v = UINT64_MAX - 1;
	EQ(write(e, &v, 8), 8);
	v = 1;
	FAILS(write(e, &v, 8), EAGAIN);
	pass("eventfd");

	/* Toggled: waits when cleared, refuses when set again. */
	OK(fcntl(p[0], F_SETFL, 0));
	pthread_t r = spawn(reader, (void *)(intptr_t)p[0]);
	nudge();
	EQ(write(p[1], "x", 1), 1);
	join(r);
	setnb(p[0]);
	refused(p[0], false);
	pass("toggled");

	EQ(write(w[1], "x", 1), 1);
	join(waiter);
	return 0;
}
