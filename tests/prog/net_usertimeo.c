/* SPDX-License-Identifier: MIT */
/*
 * TCP_USER_TIMEOUT: the other end does not read, so that nothing more goes out, and the connection ends by itself. Who is about to
 * write, to read, or polls, is told ETIMEDOUT; other threads go on, as does a connection whose end reads in time.
 */
#include "others.h"
#include <sys/epoll.h>

enum { LIMIT = 400, WAYS = 6 }; /* ms */

static void
limited(int fd)
{
	int ms = LIMIT, n = 4096;

	OK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof n));
	OK(setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms));
}

/* What fits is sent. */
static void
stuff(int fd)
{
	static char b[4096];

	for(int i = 0; i < 3; i++) {
		while(send(fd, b, sizeof b, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			;
		EQ(errno, EAGAIN);
		nudge();
	}
}

static void
writes(int fd)
{
	static char b[1 << 20];
	ssize_t n = send(fd, b, sizeof b, MSG_NOSIGNAL);

	/* some of it may have gone */
	CHECK(n != 0 && n < (ssize_t)sizeof b);
	if(n > 0)
		n = send(fd, b, sizeof b, MSG_NOSIGNAL);
	EQ(n, -1);
	EQ(errno, ETIMEDOUT);
	FAILS(send(fd, b, 1, MSG_NOSIGNAL), EPIPE);
}

static void
reads(int fd)
{
	char b;

	stuff(fd);
	FAILS(read(fd, &b, 1), ETIMEDOUT);
	EQ(read(fd, &b, 1), 0); /* an error is told once */
}

static void
receives(int fd)
{
	char b[2];
	struct msghdr m = { .msg_iov = &(struct iovec){ b, 2 }, .msg_iovlen = 1 };

	stuff(fd);
	FAILS(recvmsg(fd, &m, MSG_WAITALL), ETIMEDOUT);
	EQ(recvmsg(fd, &m, 0), 0);
}

static void
told(int fd)
{
	int e = 0;
	socklen_t n = sizeof e;

	OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n));
	EQ(e, ETIMEDOUT);
}

static void
polls(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	stuff(fd);
	EQ(poll(&p, 1, 20000), 1);
	EQ(p.revents, POLLIN | POLLERR | POLLHUP);
	told(fd);
}

static void
epolls(int fd)
{
	struct epoll_event e = { .events = EPOLLOUT | EPOLLET };
	int ep = OK(epoll_create1(0)), n = 0;

	stuff(fd);
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	do
		EQ(epoll_wait(ep, &e, 1, 20000), 1);
	while(!(e.events & EPOLLERR) && ++n < 100); /* an edge for room that a probe has made */
	EQ(e.events, EPOLLOUT | EPOLLERR | EPOLLHUP);
	told(fd);
	OK(close(ep));
}

static void (*const ways[WAYS - 1])(int) = { writes, reads, receives, polls, epolls };
static int pairs[WAYS][2];

static void *
waits(void *arg)
{
	int i = (intptr_t)arg;
	int64_t t0 = now();

	ways[i](pairs[i][0]);
	CHECK(now() - t0 >= LIMIT * MS - TICK);
	return NULL;
}

/* The last has one who reads, if slowly: it goes on for longer than the limit. */
static void *
slowly(void *arg)
{
	char b[1000];
	ssize_t n;
	size_t got = 0;

	while((n = read(pairs[WAYS - 1][1], b, sizeof b)) > 0) {
		got += n;
		if(got % 16000 < sizeof b)
			nudge();
	}
	EQ(n, 0);
	return (void *)got;
}

int
main(void)
{
	static char b[3000];
	pthread_t t[WAYS], w;
	int64_t t0 = now();
	size_t sent = 0;

	workpause = 1000;
	w = spawn(worker, NULL);
	for(int i = 0; i < WAYS; i++) {
		int n = 4096;
		tcppair(pairs[i]);
		limited(pairs[i][0]);
		OK(setsockopt(pairs[i][1], SOL_SOCKET, SO_RCVBUF, &n, sizeof n));
	}
	for(int i = 0; i < WAYS - 1; i++)
		t[i] = spawn(waits, (void *)(intptr_t)i);
	t[WAYS - 1] = spawn(slowly, NULL);
	long before = work;
	while(now() < t0 + 3 * LIMIT * MS) {
		EQ(write(pairs[WAYS - 1][0], b, sizeof b), sizeof b);
		sent += sizeof b;
	}
	while(work < before + 100)
		nudge();
	OK(shutdown(pairs[WAYS - 1][0], SHUT_WR));
	for(int i = 0; i < WAYS - 1; i++)
		join(t[i]);
	EQ((size_t)join(t[WAYS - 1]), sent);
	over = true;
	join(w);
	for(int i = 0; i < WAYS; i++)
		OK(close(pairs[i][0])), OK(close(pairs[i][1]));
	pass("timed out");
	return 0;
}
