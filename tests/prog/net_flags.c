/* SPDX-License-Identifier: MIT */
/* MSG_WAITALL, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_OOB and SO_RCVLOWAT on streams. */
#include "io_util.h"

static int fd[2];

static void *
dribble(void *arg)
{
	const char *s = arg;
	for(; *s; s++) {
		EQ(send(fd[1], s, 1, 0), 1);
		if(*s == '.')
			nudge();
	}
	return NULL;
}

static void *
dribbleeof(void *arg)
{
	dribble(arg);
	OK(shutdown(fd[1], SHUT_WR));
	return NULL;
}

static void
waitall(const char *name)
{
	char b[32], c[8];
	pthread_t t = spawn(dribble, ".0123.4567.8.9abcdef.");
	EQ(recv(fd[0], b, 6, MSG_WAITALL), 6);
	CHECK(memcmp(b, ".0123.", 6) == 0);
	struct iovec v[2] = { { b, 3 }, { c, 4 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	EQ(recvmsg(fd[0], &m, MSG_WAITALL), 7);
	CHECK(memcmp(b, "456", 3) == 0 && memcmp(c, "7.8.", 4) == 0);
	EQ(recvfrom(fd[0], b, 8, MSG_WAITALL, NULL, NULL), 8);
	CHECK(memcmp(b, "9abcdef.", 8) == 0);
	join(t);
	/* Peeking waits for all as well where the kernel does: then at least one byte. */
	t = spawn(dribble, "pq");
	ssize_t n = OK(recv(fd[0], b, 2, MSG_PEEK));
	CHECK(n == 1 || n == 2);
	EQ(b[0], 'p');
	EQ(recv(fd[0], b, 2, MSG_WAITALL), 2);
	CHECK(memcmp(b, "pq", 2) == 0);
	join(t);
	/* With DONTWAIT it is what there is. */
	dribble("xyz");
	struct pollfd p = { fd[0], POLLIN, 0 };
	EQ(poll(&p, 1, -1), 1);
	EQ(recv(fd[0], b, 3, MSG_WAITALL), 3);
	FAILS(recv(fd[0], b, 3, MSG_WAITALL | MSG_DONTWAIT), EAGAIN);
	/* The end of file cuts it short. */
	t = spawn(dribbleeof, ".short.");
	EQ(recv(fd[0], b, 32, MSG_WAITALL), 7);
	CHECK(memcmp(b, ".short.", 7) == 0);
	EQ(recv(fd[0], b, 32, MSG_WAITALL), 0);
	join(t);
	pass("%s: MSG_WAITALL", name);
}

static void *
peeker(void *arg)
{
	char b[8];
	EQ(recv(fd[0], b, 8, MSG_PEEK), 5);
	CHECK(memcmp(b, "hello", 5) == 0);
	return NULL;
}

static void
peek(const char *name, bool tcp)
{
	char b[8];
	pthread_t *t = spawnall(10, peeker);
	FAILS(recv(fd[0], b, 8, MSG_DONTWAIT), EAGAIN);
	FAILS(recv(fd[0], b, 8, MSG_DONTWAIT | MSG_PEEK), EAGAIN);
	nudge();
	EQ(send(fd[1], "hello", 5, 0), 5);
	joinall(t, 10);
	EQ(recv(fd[0], b, 2, MSG_PEEK | MSG_DONTWAIT), 2);
	EQ(recv(fd[0], b, 8, MSG_DONTWAIT), 5);
	CHECK(memcmp(b, "hello", 5) == 0);
	FAILS(recv(fd[0], b, 8, MSG_DONTWAIT), EAGAIN);
	if(tcp) {
		/* TCP's MSG_TRUNC throws the bytes away. */
		EQ(send(fd[1], "discard", 7, 0), 7);
		EQ(recv(fd[0], HIDE((char *)NULL), 7, MSG_TRUNC | MSG_WAITALL), 7);
		FAILS(recv(fd[0], b, 8, MSG_DONTWAIT), EAGAIN);
	}
	pass("%s: MSG_PEEK", name);
}

static void *
lowat(void *arg)
{
	char b[16];
	ssize_t n = OK(recv(fd[0], b, 16, 0));
	CHECK(n >= 8);
	return (void *)n;
}

static void
rcvlowat(const char *name)
{
	int v = 8;
	OK(setsockopt(fd[0], SOL_SOCKET, SO_RCVLOWAT, &v, sizeof v));
	pthread_t t = spawn(lowat, NULL);
	EQ(send(fd[1], "1234", 4, 0), 4);
	nudge();
	/* Not just four more: TCP wakes a reader that took the first four only at eight new ones. */
	EQ(send(fd[1], "56789abc", 8, 0), 8);
	EQ((intptr_t)join(t), 12);
	v = 1;
	OK(setsockopt(fd[0], SOL_SOCKET, SO_RCVLOWAT, &v, sizeof v));
	pass("%s: SO_RCVLOWAT", name);
}

static void
oob(void)
{
	char b[8];
	FAILS(recv(fd[0], b, 1, MSG_OOB), EINVAL);
	EQ(send(fd[1], "abU", 3, MSG_OOB), 3);
	struct pollfd p = { fd[0], POLLPRI, 0 };
	EQ(poll(&p, 1, -1), 1);
	EQ(p.revents, POLLPRI);
	EQ(recv(fd[0], b, 1, MSG_OOB), 1);
	EQ(b[0], 'U');
	EQ(recv(fd[0], b, 8, 0), 2);
	EQ(send(fd[1], "c", 1, 0), 1);
	EQ(recv(fd[0], b, 8, 0), 1);
	EQ(b[0], 'c');
	pass("tcp: MSG_OOB");
}

int
main(void)
{
	tcppair(fd);
	peek("tcp", true);
	oob();
	rcvlowat("tcp");
	waitall("tcp");
	OK(close(fd[0])), OK(close(fd[1]));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	peek("unix", false);
	waitall("unix");
	return 0;
}
