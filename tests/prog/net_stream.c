/* SPDX-License-Identifier: MIT */
/* Stream sockets, TCP and unix: every call that reads or writes, waiting for its peer. */
#include "io_util.h"

enum { FORMS = 6 };

/* The k-th way to read up to n bytes. */
static ssize_t
in(int k, int fd, char *b, size_t n)
{
	struct iovec v[2] = { { b, n / 2 }, { b + n / 2, n - n / 2 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	switch(k % FORMS) {
	case 0: return read(fd, b, n);
	case 1: return recv(fd, b, n, 0);
	case 2: return recvfrom(fd, b, n, 0, NULL, NULL);
	case 3: return readv(fd, v, 2);
	case 4: return recvmsg(fd, &m, 0);
	default: {
		struct mmsghdr mm = { .msg_hdr = m };
		int r = recvmmsg(fd, &mm, 1, 0, NULL);
		return r < 0 ? r : (ssize_t)mm.msg_len;
	}
	}
}

static ssize_t
out(int k, int fd, char *b, size_t n)
{
	struct iovec v[2] = { { b, n / 3 }, { b + n / 3, n - n / 3 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	switch(k % FORMS) {
	case 0: return write(fd, b, n);
	case 1: return send(fd, b, n, MSG_NOSIGNAL);
	case 2: return sendto(fd, b, n, MSG_NOSIGNAL, NULL, 0);
	case 3: return writev(fd, v, 2);
	case 4: return sendmsg(fd, &m, MSG_NOSIGNAL);
	default: {
		struct mmsghdr mm = { .msg_hdr = m };
		int r = sendmmsg(fd, &mm, 1, MSG_NOSIGNAL);
		return r < 0 ? r : (ssize_t)mm.msg_len;
	}
	}
}

static int fd[2];

/* Answers each request of four bytes with its complement, by ever other calls. */
static void *
server(void *arg)
{
	char b[4];
	ssize_t n;
	for(int k = 0;; k++) {
		size_t got = 0;
		while(got < 4 && (n = in(k, fd[1], b + got, 4 - got)) > 0)
			got += n;
		if(got < 4) {
			EQ(n, 0);
			EQ(got, 0);
			break;
		}
		if(k % 40 == 0)
			nudge();
		for(int i = 0; i < 4; i++)
			b[i] ^= -1;
		EQ(out(k / FORMS, fd[1], b, 4), 4);
	}
	OK(close(fd[1]));
	return NULL;
}

static void
talk(const char *name)
{
	pthread_t t = spawn(server, NULL);
	for(int k = 0, n = scale(FORMS * FORMS * 4); k < n; k++) {
		uint32_t v = k * 2654435761u, w = 0;
		EQ(out(k, fd[0], (char *)&v, 4), 4);
		for(size_t got = 0; got < 4;) {
			ssize_t r = in(k / FORMS, fd[0], (char *)&w + got, 4 - got);
			CHECK(r > 0);
			got += r;
		}
		EQ(w, ~v);
	}
	OK(shutdown(fd[0], SHUT_WR));
	char b[4];
	for(int k = 0; k < FORMS; k++)
		EQ(in(k, fd[0], b, 4), 0);
	join(t);
	OK(close(fd[0]));
	pass("%s: request and answer", name);
}

/* Waiting in each call while the peer goes: end of file, then EPIPE. */
static void *
eof(void *arg)
{
	char b[4];
	EQ(in((intptr_t)arg, fd[0], b, 4), 0);
	return NULL;
}

static void
gone(const char *name)
{
	pthread_t *t = spawnall(FORMS * 3, eof);
	nudge();
	OK(close(fd[1]));
	joinall(t, FORMS * 3);
	/* TCP's first write after that may still succeed; in the end none does. */
	char b[4] = "abc";
	for(int k = 0; k < FORMS; k++) {
		int tries = 0;
		while(out(k, fd[0], b, 4) >= 0) {
			CHECK(++tries < 1000);
			nudge();
		}
		EQ(errno, EPIPE);
	}
	OK(close(fd[0]));
	pass("%s: peer gone", name);
}

static void
edges(void)
{
	char b[8];
	int s = OK(socket(AF_INET, SOCK_STREAM, 0));
	FAILS(recv(s, b, 8, 0), ENOTCONN);
	FAILS(send(s, b, 8, MSG_NOSIGNAL), EPIPE);
	FAILS(accept(s, NULL, NULL), EINVAL);
	OK(close(s));
	FAILS(recv(s, b, 8, 0), EBADF);
	FAILS(accept(s, NULL, NULL), EBADF);
	int p[2];
	OK(pipe(p));
	FAILS(recv(p[0], b, 8, 0), ENOTSOCK);
	FAILS(send(p[1], b, 8, 0), ENOTSOCK);
	FAILS(accept(p[0], NULL, NULL), ENOTSOCK);
	OK(close(p[0])), OK(close(p[1]));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	EQ(recv(fd[0], b, 0, MSG_DONTWAIT), -1);
	EQ(send(fd[0], b, 0, 0), 0);
	FAILS(recv(fd[0], HIDE((char *)8), 8, MSG_DONTWAIT), EAGAIN);
	EQ(send(fd[1], "x", 1, 0), 1);
	FAILS(recv(fd[0], HIDE((char *)8), 8, 0), EFAULT);
	FAILS(accept(fd[0], NULL, NULL), EINVAL);
	OK(close(fd[0])), OK(close(fd[1]));
	pass("edges");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	tcppair(fd);
	talk("tcp");
	tcppair(fd);
	gone("tcp");
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	talk("unix");
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	gone("unix");
	edges();
	return 0;
}
