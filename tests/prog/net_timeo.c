/* SPDX-License-Identifier: MIT */
/* SO_RCVTIMEO and SO_SNDTIMEO: EAGAIN after the time and not before, for each call they govern. */
#include "io_util.h"

static void
timeo(int fd, int opt, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 }, got;
	socklen_t len = sizeof got;
	OK(setsockopt(fd, SOL_SOCKET, opt, &tv, sizeof tv));
	OK(getsockopt(fd, SOL_SOCKET, opt, &got, &len));
	/* The kernel rounds up to its ticks. */
	int64_t us = got.tv_sec * 1000000ll + got.tv_usec;
	CHECK(us >= ms * 1000ll && us <= ms * 1000ll + 10000);
}

static int pairs[40][2];

static void *
receiver(void *arg)
{
	int i = (intptr_t)arg, fd = pairs[i][0], ms = 20 + i;
	char b[8];
	struct iovec v = { b, 8 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct mmsghdr mm = { .msg_hdr = m };
	timeo(fd, SO_RCVTIMEO, ms);
	int64_t t0 = now();
	switch(i % 7) {
	case 0: FAILS(recv(fd, b, 8, 0), EAGAIN); break;
	case 1: FAILS(read(fd, b, 8), EAGAIN); break;
	case 2: FAILS(recvfrom(fd, b, 8, 0, NULL, NULL), EAGAIN); break;
	case 3: FAILS(recvmsg(fd, &m, 0), EAGAIN); break;
	case 4: FAILS(readv(fd, &v, 1), EAGAIN); break;
	case 5: FAILS(recvmmsg(fd, &mm, 1, 0, NULL), EAGAIN); break;
	case 6: FAILS(recv(fd, b, 8, MSG_PEEK), EAGAIN); break;
	}
	TOOK(t0, ms * MS - TICK, ms * MS);
	/* Data in time, then none again. */
	EQ(write(pairs[i][1], "xy", 2), 2);
	EQ(recv(fd, b, 8, 0), 2);
	t0 = now();
	FAILS(recv(fd, b, 8, MSG_DONTWAIT), EAGAIN);
	TOOK(t0, 0, 0);
	return NULL;
}

static void
receivers(const char *name, int domain, int type)
{
	for(int i = 0; i < 40; i++)
		if(domain == AF_INET)
			tcppair(pairs[i]);
		else
			OK(socketpair(domain, type, 0, pairs[i]));
	joinall(spawnall(40, receiver), 40);
	for(int i = 0; i < 40; i++)
		OK(close(pairs[i][0])), OK(close(pairs[i][1]));
	pass("%s: SO_RCVTIMEO", name);
}

/* MSG_WAITALL with a part there when the time is over: the part. */
static void
part(void)
{
	int s[2];
	char b[8];
	tcppair(s);
	timeo(s[0], SO_RCVTIMEO, 60);
	EQ(write(s[1], "abc", 3), 3);
	int64_t t0 = now();
	EQ(recv(s[0], b, 8, MSG_WAITALL), 3);
	TOOK(t0, 60 * MS - TICK, 60 * MS);
	t0 = now();
	FAILS(recv(s[0], b, 8, MSG_WAITALL), EAGAIN);
	TOOK(t0, 60 * MS - TICK, 60 * MS);
	OK(close(s[0])), OK(close(s[1]));
	pass("MSG_WAITALL");
}

/* A full buffer: what went in before the time was over, then EAGAIN. */
static void
sender(const char *name, int s[2])
{
	size_t n = 16 << 20;
	char *big = calloc(1, n);
	timeo(s[0], SO_SNDTIMEO, 70);
	int64_t t0 = now();
	ssize_t w = OK(send(s[0], big, n, 0));
	CHECK(w > 0 && w < (ssize_t)n);
	TOOK(t0, 70 * MS - TICK, 70 * MS);
	/* TCP may take a little more after each wait. */
	int tries = 0;
	for(;;) {
		t0 = now();
		ssize_t r = write(s[0], big, n);
		if(r == -1)
			break;
		w += r;
		CHECK(++tries < 20);
	}
	EQ(errno, EAGAIN);
	TOOK(t0, 70 * MS - TICK, 70 * MS);
	OK(shutdown(s[0], SHUT_WR));
	ssize_t r, got = 0;
	while((r = read(s[1], big, n)) > 0)
		got += r;
	EQ(got, w);
	OK(close(s[0])), OK(close(s[1]));
	free(big);
	pass("%s: SO_SNDTIMEO", name);
}

static void *
accepter(void *arg)
{
	struct sockaddr_in sa;
	int l = tcplisten(&sa, 3);
	timeo(l, SO_RCVTIMEO, 50);
	int64_t t0 = now();
	FAILS(accept(l, NULL, NULL), EAGAIN);
	TOOK(t0, 50 * MS - TICK, 50 * MS);
	int c = tcpdial(&sa);
	int a = OK(accept(l, NULL, NULL));
	OK(close(a)), OK(close(c)), OK(close(l));
	return NULL;
}

/* connect obeys SO_SNDTIMEO: a unix listener with a full backlog never answers. */
static void
connects(void)
{
	struct sockaddr_un su = { .sun_family = AF_UNIX };
	socklen_t len = sizeof su;
	int l = OK(socket(AF_UNIX, SOCK_STREAM, 0)), c[10], n = 0;
	OK(bind(l, (struct sockaddr *)&su, sizeof(sa_family_t)));
	OK(getsockname(l, (struct sockaddr *)&su, &len));
	OK(listen(l, 1));
	for(;; n++) {
		CHECK(n < 10);
		c[n] = OK(socket(AF_UNIX, SOCK_STREAM, 0));
		timeo(c[n], SO_SNDTIMEO, 40);
		int64_t t0 = now();
		if(connect(c[n], (struct sockaddr *)&su, len) == 0)
			continue;
		EQ(errno, EAGAIN);
		TOOK(t0, 40 * MS - TICK, 40 * MS);
		break;
	}
	CHECK(n >= 1);
	for(int i = 0; i <= n; i++)
		OK(close(c[i]));
	OK(close(l));
	pass("connect");
}

int
main(void)
{
	int s[2];

	receivers("unix stream", AF_UNIX, SOCK_STREAM);
	receivers("unix datagram", AF_UNIX, SOCK_DGRAM);
	receivers("tcp", AF_INET, SOCK_STREAM);
	part();
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	sender("unix", s);
	tcppair(s);
	sender("tcp", s);
	joinall(spawnall(10, accepter), 10);
	pass("accept");
	connects();
	return 0;
}
