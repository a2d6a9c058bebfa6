/* SPDX-License-Identifier: MIT */
/* shutdown, half-close, reset: what they tell those who wait in every call. */
#include "io_util.h"

static int fd[2];

static void *
readeof(void *arg)
{
	char b[4];
	int k = (intptr_t)arg;
	struct pollfd p = { fd[0], POLLIN, 0 };
	if(k % 4 == 0)
		EQ(read(fd[0], b, 4), 0);
	else if(k % 4 == 1)
		EQ(recv(fd[0], b, 4, 0), 0);
	else if(k % 4 == 2)
		EQ(recv(fd[0], b, 4, MSG_WAITALL), 0);
	else {
		EQ(poll(&p, 1, -1), 1);
		CHECK(p.revents & POLLIN);
		EQ(recv(fd[0], b, 4, 0), 0);
	}
	return NULL;
}

static void
open2(bool tcp)
{
	if(tcp)
		tcppair(fd);
	else
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
}

static void
close2(void)
{
	OK(close(fd[0])), OK(close(fd[1]));
}

/* One's own SHUT_RD, and the peer's SHUT_WR, end every waiting read. */
static void
readers(bool tcp)
{
	const char *name = tcp ? "tcp" : "unix";
	for(int k = 0; k < 3; k++) {
		open2(tcp);
		pthread_t *t = spawnall(12, readeof);
		nudge();
		if(k == 0)
			OK(shutdown(fd[0], SHUT_RD));
		else if(k == 1)
			OK(shutdown(fd[1], SHUT_WR));
		else
			OK(shutdown(fd[0], SHUT_RDWR));
		joinall(t, 12);
		close2();
	}
	pass("%s: readers", name);
}

static void *
blockedwriter(void *arg)
{
	size_t n = 16 << 20;
	char *big = calloc(1, n);
	ssize_t r = send(fd[0], big, n, MSG_NOSIGNAL);
	int e = errno;
	if(r == -1)
		CHECK(e == EPIPE || e == ECONNRESET);
	else
		CHECK(r > 0 && r < (ssize_t)n);
	/* After that no write succeeds; a reset is told once. */
	r = send(fd[0], big, 1, MSG_NOSIGNAL);
	EQ(r, -1);
	CHECK(errno == EPIPE || errno == ECONNRESET);
	FAILS(send(fd[0], big, 1, MSG_NOSIGNAL), EPIPE);
	free(big);
	return NULL;
}

static void
writers(bool tcp)
{
	struct linger li = { 1, 0 };
	char b;
	for(int k = 0; k < 2; k++) {
		open2(tcp);
		pthread_t t = spawn(blockedwriter, NULL);
		EQ(recv(fd[1], &b, 1, 0), 1);
		nudge();
		if(k == 0) {
			OK(shutdown(fd[0], SHUT_WR));
			join(t);
		} else {
			OK(setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &li, sizeof li));
			OK(close(fd[1]));
			join(t);
			fd[1] = OK(dup(fd[0]));
		}
		close2();
	}
	pass("%s: writers", tcp ? "tcp" : "unix");
}

/* One direction is closed, the other goes on. */
static void *
upper(void *arg)
{
	char b[64];
	int n = 0;
	ssize_t r;
	while((r = read(fd[1], b + n, sizeof b - n)) > 0)
		n += r;
	EQ(r, 0);
	for(int i = 0; i < n; i++)
		b[i] -= 32;
	nudge();
	EQ(write(fd[1], b, n), n);
	OK(shutdown(fd[1], SHUT_WR));
	return NULL;
}

static void
half(bool tcp)
{
	char b[64];
	open2(tcp);
	pthread_t t = spawn(upper, NULL);
	EQ(write(fd[0], "half", 4), 4);
	EQ(write(fd[0], "closed", 6), 6);
	OK(shutdown(fd[0], SHUT_WR));
	FAILS(send(fd[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	EQ(recv(fd[0], b, 64, MSG_WAITALL), 10);
	CHECK(memcmp(b, "HALFCLOSED", 10) == 0);
	EQ(read(fd[0], b, 1), 0);
	join(t);
	struct pollfd p = { fd[0], POLLIN | POLLOUT | POLLRDHUP, 0 };
	EQ(poll(&p, 1, -1), 1);
	EQ(p.revents, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	close2();
	pass("%s: half-close", tcp ? "tcp" : "unix");
}

static void *
resetreader(void *arg)
{
	char b[4];
	FAILS(recv(fd[0], b, 4, 0), ECONNRESET);
	EQ(recv(fd[0], b, 4, 0), 0);
	return NULL;
}

static void *
resetpoller(void *arg)
{
	char b[4];
	struct pollfd p = { fd[0], POLLIN, 0 };
	EQ(poll(&p, 1, -1), 1);
	EQ(p.revents, POLLIN | POLLERR | POLLHUP);
	FAILS(recv(fd[0], b, 4, 0), ECONNRESET);
	return NULL;
}

static void
reset(void)
{
	struct linger li = { 1, 0 };
	for(int k = 0; k < 2; k++) {
		tcppair(fd);
		pthread_t t = spawn(k ? resetpoller : resetreader, NULL);
		nudge();
		OK(setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &li, sizeof li));
		OK(close(fd[1]));
		join(t);
		OK(close(fd[0]));
	}
	pass("tcp: reset");
	/* Unread data at a unix socket's close is a reset as well. */
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	EQ(write(fd[0], "unread", 6), 6);
	pthread_t t = spawn(resetreader, NULL);
	nudge();
	OK(close(fd[1]));
	join(t);
	OK(close(fd[0]));
	pass("unix: reset");
}

static int lfd;

static void *
accepter(void *arg)
{
	FAILS(accept(lfd, NULL, NULL), EINVAL);
	return NULL;
}

static void
listener(void)
{
	struct sockaddr_in sa;
	lfd = tcplisten(&sa, 5);
	pthread_t *t = spawnall(6, accepter);
	nudge();
	OK(shutdown(lfd, SHUT_RDWR));
	joinall(t, 6);
	FAILS(accept(lfd, NULL, NULL), EINVAL);
	int c = OK(socket(AF_INET, SOCK_STREAM, 0));
	FAILS(connect(c, (struct sockaddr *)&sa, sizeof sa), ECONNREFUSED);
	OK(close(c)), OK(close(lfd));
	pass("listener");
}

static void *
udpreader(void *arg)
{
	char b;
	EQ(recv(fd[0], &b, 1, 0), 0);
	return NULL;
}

static void
datagram(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(9) };
	fd[0] = OK(socket(AF_INET, SOCK_DGRAM, 0));
	FAILS(shutdown(fd[0], SHUT_RD), ENOTCONN);
	OK(close(fd[0]));
	fd[0] = OK(socket(AF_INET, SOCK_DGRAM, 0));
	OK(connect(fd[0], (struct sockaddr *)&sa, sizeof sa));
	pthread_t *t = spawnall(4, udpreader);
	nudge();
	OK(shutdown(fd[0], SHUT_RD));
	joinall(t, 4);
	OK(close(fd[0]));
	FAILS(shutdown(fd[0], SHUT_RD), EBADF);
	pass("udp");
}

int
main(void)
{
	for(int tcp = 0; tcp < 2; tcp++) {
		readers(tcp);
		writers(tcp);
		half(tcp);
	}
	reset();
	listener();
	datagram();
	return 0;
}
