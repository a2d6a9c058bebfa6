/* SPDX-License-Identifier: MIT */
/* connect: at once, refused, in progress, waiting for a full backlog, twice, to nowhere. */
#include "io_util.h"

static struct sockaddr_in sa;

static void *
refused(void *arg)
{
	for(int i = 0, n = scale(20); i < n; i++) {
		int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
		FAILS(connect(fd, (struct sockaddr *)&sa, sizeof sa), ECONNREFUSED);
		EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
		int err = 77;
		socklen_t len = sizeof err;
		OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
		EQ(err, 0); /* connect has taken it */
		char b;
		FAILS(send(fd, &b, 1, MSG_NOSIGNAL), EPIPE);
		OK(close(fd));
	}
	return NULL;
}

static int
soerror(int fd)
{
	int err = -1;
	socklen_t len = sizeof err;
	OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
	return err;
}

/* The program's own non-blocking connect. */
static void
progress(int l)
{
	int fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	FAILS(connect(fd, (struct sockaddr *)&sa, sizeof sa), EINPROGRESS);
	struct pollfd p = { fd, POLLOUT, 0 };
	EQ(poll(&p, 1, -1), 1);
	EQ(p.revents, POLLOUT);
	EQ(soerror(fd), 0);
	/* Linux: the next connect says success once, and then EISCONN. */
	EQ(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	FAILS(connect(fd, (struct sockaddr *)&sa, sizeof sa), EISCONN);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	OK(close(OK(accept(l, NULL, NULL))));
	OK(close(fd));
	pass("in progress");
}

static void
progressrefused(void)
{
	int fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	FAILS(connect(fd, (struct sockaddr *)&sa, sizeof sa), EINPROGRESS);
	struct pollfd p = { fd, POLLOUT, 0 };
	EQ(poll(&p, 1, -1), 1);
	EQ(p.revents, POLLOUT | POLLERR | POLLHUP);
	EQ(soerror(fd), ECONNREFUSED);
	EQ(soerror(fd), 0);
	OK(close(fd));
	pass("refused in progress");
}

static struct sockaddr_un su;
static socklen_t sulen = sizeof su;
static atomic_int ndialed;

static void *
dialer(void *arg)
{
	char b[4];
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(connect(fd, (struct sockaddr *)&su, sulen));
	EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ndialed++;
	EQ(recv(fd, b, 2, MSG_WAITALL), 2);
	OK(close(fd));
	return NULL;
}

/* More threads connect than the backlog takes: they wait until there is room. */
static void
backlog(void)
{
	enum { N = 40 };
	su.sun_family = AF_UNIX;
	int l = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(l, (struct sockaddr *)&su, sizeof(sa_family_t)));
	OK(getsockname(l, (struct sockaddr *)&su, &sulen));
	OK(listen(l, 2));
	pthread_t *t = spawnall(N, dialer);
	while(ndialed < 3) /* the backlog takes one more than it says */
		sched_yield();
	nudge();
	EQ(ndialed, 3);
	int fd = OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	FAILS(connect(fd, (struct sockaddr *)&su, sulen), EAGAIN);
	OK(close(fd));
	for(int i = 0; i < N; i++) {
		int a = OK(accept(l, NULL, NULL));
		EQ(write(a, "ok", 2), 2);
		OK(close(a));
	}
	joinall(t, N);
	EQ(ndialed, N);
	OK(close(l));
	pass("full backlog");
}

static void *
waitdialer(void *arg)
{
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	int r = connect(fd, (struct sockaddr *)&su, sulen), e = errno;
	OK(close(fd));
	return (void *)(intptr_t)(r == 0 ? 0 : e);
}

/* The listener dies while connects wait for room. */
static void
listenerdies(void)
{
	enum { N = 10 };
	su = (struct sockaddr_un){ .sun_family = AF_UNIX };
	sulen = sizeof su;
	int l = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(l, (struct sockaddr *)&su, sizeof(sa_family_t)));
	OK(getsockname(l, (struct sockaddr *)&su, &sulen));
	OK(listen(l, 0));
	pthread_t t[N];
	for(int i = 0; i < N; i++)
		t[i] = spawn(waitdialer, NULL);
	/* One fits: wait for it, so that the others are the ones that wait. */
	struct pollfd p = { l, POLLIN, 0 };
	EQ(poll(&p, 1, -1), 1);
	nudge();
	OK(close(l));
	int ok = 0;
	for(int i = 0; i < N; i++) {
		int e = (intptr_t)join(t[i]);
		if(e == 0)
			ok++;
		else
			EQ(e, ECONNREFUSED);
	}
	EQ(ok, 1);
	pass("listener dies");
}

static void
edges(int l)
{
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	FAILS(connect(fd, (struct sockaddr *)&sa, 3), EINVAL);
	FAILS(connect(fd, HIDE((struct sockaddr *)8), sizeof sa), EFAULT);
	struct sockaddr_in bad = { .sin_family = 200 };
	FAILS(connect(fd, (struct sockaddr *)&bad, sizeof bad), EAFNOSUPPORT);
	OK(connect(fd, (struct sockaddr *)&sa, sizeof sa));
	FAILS(connect(fd, (struct sockaddr *)&sa, sizeof sa), EISCONN);
	OK(close(OK(accept(l, NULL, NULL))));
	OK(close(fd));
	FAILS(connect(fd, (struct sockaddr *)&sa, sizeof sa), EBADF);
	int p[2];
	OK(pipe(p));
	FAILS(connect(p[0], (struct sockaddr *)&sa, sizeof sa), ENOTSOCK);
	OK(close(p[0])), OK(close(p[1]));
	struct sockaddr_un none = { .sun_family = AF_UNIX, .sun_path = "/nonexistent/net_connect" };
	fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	FAILS(connect(fd, (struct sockaddr *)&none, sizeof none), ENOENT);
	OK(close(fd));
	/* Datagram sockets: connect only names the peer, and AF_UNSPEC takes it back. */
	fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	OK(connect(fd, (struct sockaddr *)&sa, sizeof sa));
	struct sockaddr un = { .sa_family = AF_UNSPEC };
	OK(connect(fd, &un, sizeof un));
	FAILS(send(fd, "x", 1, 0), EDESTADDRREQ);
	OK(close(fd));
	pass("edges");
}

static void *
dialback(void *arg)
{
	for(int i = 0, n = scale(20); i < n; i++) {
		int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
		OK(connect(fd, (struct sockaddr *)&sa, sizeof sa));
		EQ(soerror(fd), 0);
		char b;
		EQ(read(fd, &b, 1), 1);
		OK(close(fd));
	}
	return NULL;
}

int
main(void)
{
	int l = tcplisten(&sa, 50);
	pthread_t *t = spawnall(10, dialback);
	for(int i = 0, n = 10 * scale(20); i < n; i++) {
		int a = OK(accept(l, NULL, NULL));
		EQ(write(a, "x", 1), 1);
		OK(close(a));
	}
	joinall(t, 10);
	pass("many");
	progress(l);
	edges(l);
	OK(close(l)); /* from now on the port is closed */
	joinall(spawnall(10, refused), 10);
	pass("refused");
	progressrefused();
	backlog();
	listenerdies();
	return 0;
}
