/* SPDX-License-Identifier: MIT */
/* The program's own epoll: level, edge and one-shot, nested, timeouts, errors, polled itself. */
#include "io_util.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int ep, s[2];

static int
add(int e, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { events, { .u64 = data } };
	return epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev);
}

static int
mod(int e, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { events, { .u64 = data } };
	return epoll_ctl(e, EPOLL_CTL_MOD, fd, &ev);
}

/* One event for data, within the time; then none at once if drained. */
static void
one(int e, int timeout, uint32_t events, uint64_t data)
{
	struct epoll_event ev[4];
	EQ(epoll_wait(e, ev, 4, timeout), 1);
	EQ(ev[0].events, events);
	EQ(ev[0].data.u64, data);
}

static void
timeouts(void)
{
	struct epoll_event ev;
	struct timespec ts = { 0, 12300000 }, z = { 0, 0 };
	int64_t t0 = now();
	EQ(epoll_wait(ep, &ev, 1, 0), 0);
	EQ(epoll_pwait2(ep, &ev, 1, &z, NULL), 0);
	TOOK(t0, 0, 0);
	t0 = now();
	EQ(epoll_wait(ep, &ev, 1, 20), 0);
	TOOK(t0, 20 * MS, 20 * MS);
	t0 = now();
	EQ(epoll_pwait(ep, &ev, 1, 20, NULL), 0);
	TOOK(t0, 20 * MS, 20 * MS);
	t0 = now();
	EQ(epoll_pwait2(ep, &ev, 1, &ts, NULL), 0);
	TOOK(t0, 12300000, 12300000);
	sigset_t all;
	sigfillset(&all);
	t0 = now();
	EQ(epoll_pwait(ep, &ev, 1, 10, &all), 0);
	TOOK(t0, 10 * MS, 10 * MS);
	pass("timeouts");
}

static void
level(void)
{
	char b[4];
	struct epoll_event ev[4];
	OK(add(ep, s[0], EPOLLIN, 11));
	pthread_t t = spawn(kickfd, FDARG(s[1]));
	one(ep, -1, EPOLLIN, 11);
	one(ep, -1, EPOLLIN, 11);
	join(t);
	EQ(read(s[0], b, 4), 1);
	EQ(epoll_wait(ep, ev, 4, 0), 0);
	FAILS(add(ep, s[0], EPOLLIN, 0), EEXIST);
	pass("level");
}

static void
edge(void)
{
	char b[4];
	struct epoll_event ev[4];
	OK(mod(ep, s[0], EPOLLIN | EPOLLET, 12));
	pthread_t t = spawn(kickfd, FDARG(s[1]));
	one(ep, -1, EPOLLIN, 12);
	EQ(epoll_wait(ep, ev, 4, 5), 0); /* told once */
	join(t);
	t = spawn(kickfd, FDARG(s[1]));
	one(ep, -1, EPOLLIN, 12); /* new data, though the old is unread */
	join(t);
	EQ(read(s[0], b, 4), 2);
	/* A wait on the socket itself does not use up the program's edge. */
	t = spawn(kickfd, FDARG(s[1]));
	EQ(recv(s[0], b, 1, MSG_PEEK), 1);
	join(t);
	one(ep, -1, EPOLLIN, 12);
	EQ(read(s[0], b, 4), 1);
	pass("edge");
}

static void
oneshot(void)
{
	char b[4];
	struct epoll_event ev[4];
	OK(mod(ep, s[0], EPOLLIN | EPOLLONESHOT, 13));
	pthread_t t = spawn(kickfd, FDARG(s[1]));
	one(ep, -1, EPOLLIN, 13);
	join(t);
	EQ(write(s[1], "2", 1), 1);
	EQ(epoll_wait(ep, ev, 4, 5), 0);
	OK(mod(ep, s[0], EPOLLIN | EPOLLONESHOT, 14));
	one(ep, -1, EPOLLIN, 14);
	EQ(read(s[0], b, 4), 2);
	OK(epoll_ctl(ep, EPOLL_CTL_DEL, s[0], NULL));
	FAILS(epoll_ctl(ep, EPOLL_CTL_DEL, s[0], NULL), ENOENT);
	FAILS(mod(ep, s[0], EPOLLIN, 0), ENOENT);
	pass("one-shot");
}

static void
nested(void)
{
	char b[4];
	struct epoll_event ev[4];
	int in = OK(epoll_create1(EPOLL_CLOEXEC));
	OK(add(in, s[0], EPOLLIN, 21));
	OK(add(ep, in, EPOLLIN, 22));
	pthread_t t = spawn(kickfd, FDARG(s[1]));
	one(ep, -1, EPOLLIN, 22);
	one(in, 0, EPOLLIN, 21);
	join(t);
	EQ(read(s[0], b, 4), 1);
	EQ(epoll_wait(ep, ev, 4, 0), 0);
	/* An epoll descriptor can be polled as well. */
	t = spawn(kickfd, FDARG(s[1]));
	struct pollfd p = { ep, POLLIN, 0 };
	EQ(poll(&p, 1, -1), 1);
	EQ(p.revents, POLLIN);
	join(t);
	EQ(read(s[0], b, 4), 1);
	FAILS(add(in, ep, EPOLLIN, 0), ELOOP);
	OK(close(in));
	pass("nested");
}

static void
hangup(void)
{
	int a[2];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	OK(add(ep, a[0], EPOLLIN | EPOLLRDHUP, 31));
	OK(shutdown(a[1], SHUT_WR));
	one(ep, -1, EPOLLIN | EPOLLRDHUP, 31);
	OK(close(a[1]));
	one(ep, -1, EPOLLIN | EPOLLRDHUP | EPOLLHUP, 31);
	/* close takes it out. */
	OK(close(a[0]));
	struct epoll_event ev;
	EQ(epoll_wait(ep, &ev, 1, 0), 0);
	/* But not while a duplicate is open. */
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	OK(add(ep, a[0], EPOLLIN, 32));
	int d = OK(dup(a[0]));
	OK(close(a[0]));
	EQ(write(a[1], "x", 1), 1);
	one(ep, -1, EPOLLIN, 32);
	OK(close(d)), OK(close(a[1]));
	EQ(epoll_wait(ep, &ev, 1, 0), 0);
	pass("hang-up and close");
}

static void
errors(void)
{
	struct epoll_event ev;
	FAILS(epoll_wait(ep, &ev, 0, 0), EINVAL);
	FAILS(epoll_wait(ep, &ev, HIDE(-1), 0), EINVAL);
	FAILS(epoll_wait(s[0], &ev, 1, 0), EINVAL);
	FAILS(epoll_wait(999, &ev, 1, 0), EBADF);
	FAILS(add(ep, 999, EPOLLIN, 0), EBADF);
	FAILS(add(ep, ep, EPOLLIN, 0), EINVAL);
	int fd = OK(open("/proc/self/exe", O_RDONLY));
	FAILS(add(ep, fd, EPOLLIN, 0), EPERM);
	OK(close(fd));
	FAILS(epoll_create(0), EINVAL);
	FAILS(epoll_create1(77), EINVAL);
	int p2[2];
	OK(pipe(p2));
	OK(add(ep, p2[0], EPOLLIN, 41));
	EQ(write(p2[1], "x", 1), 1);
	FAILS(epoll_wait(ep, HIDE((struct epoll_event *)8), 1, -1), EFAULT);
	OK(close(p2[0])), OK(close(p2[1]));
	pass("errors");
}

/* More ready than the array takes: the next call gives the others. */
static void
batches(void)
{
	enum { N = 50 };
	int e[N], seen[N] = { 0 }, left = N;
	for(int i = 0; i < N; i++) {
		e[i] = OK(eventfd(1, 0));
		OK(add(ep, e[i], EPOLLIN | EPOLLET, i));
	}
	while(left > 0) {
		struct epoll_event ev[7];
		int n = epoll_wait(ep, ev, 7, 10000);
		CHECK(n > 0 && n <= 7);
		for(int i = 0; i < n; i++)
			EQ(seen[ev[i].data.u64]++, 0);
		left -= n;
	}
	for(int i = 0; i < N; i++)
		OK(close(e[i]));
	pass("batches");
}

int
main(void)
{
	ep = OK(epoll_create1(0));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	timeouts();
	level();
	edge();
	oneshot();
	nested();
	hangup();
	errors();
	batches();
	return 0;
}
