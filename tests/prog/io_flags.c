/* SPDX-License-Identifier: MIT */
/*
 * The flags of an open file description belong to the program: a thread that
 * waits on a descriptor leaves O_NONBLOCK as it was, seen by another process
 * that shares the description, before, during and after the wait.
 */
#include "io_util.h"
#include <sys/eventfd.h>
#include <sys/timerfd.h>

enum { MAXFD = 16 };

static int fds[MAXFD], nfd, stop[2];

static void
add(int fd)
{
	fds[nfd++] = fd;
}

/* The observer: looks at all flags until told to stop; status 0 when none ever changed. */
static void
observe(const int *want)
{
	struct pollfd p = { stop[0], POLLIN, 0 };
	long looks = 0;
	do {
		for(int i = 0; i < nfd; i++)
			if(fcntl(fds[i], F_GETFL) != want[i])
				_exit(10 + i);
		looks++;
	} while(poll(&p, 1, 0) == 0);
	_exit(looks > 10 ? 0 : 1);
}

static void *
reader(void *arg)
{
	char b[8];
	int i = (intptr_t)arg;
	ssize_t n = read(fds[i], b, sizeof b);
	CHECK(n == 1 || n == 8);
	return NULL;
}

static void *
accepter(void *arg)
{
	OK(close(OK(accept(*(int *)arg, NULL, NULL))));
	return NULL;
}

int
main(void)
{
	int p[2], s[2], d[2], t[2], want[MAXFD];
	struct sockaddr_in sa;

	OK(pipe(stop));
	OK(pipe(p));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
	tcppair(t);
	int e = OK(eventfd(0, 0)), tm = OK(timerfd_create(CLOCK_MONOTONIC, 0)), l = tcplisten(&sa, 5);
	add(p[0]), add(s[0]), add(d[0]), add(t[0]), add(e), add(tm);
	int nread = nfd;
	add(l), add(p[1]), add(s[1]), add(t[1]);
	int c = OK(socket(AF_INET, SOCK_STREAM, 0));
	add(c);
	for(int i = 0; i < nfd; i++) {
		want[i] = OK(fcntl(fds[i], F_GETFL));
		CHECK(!(want[i] & O_NONBLOCK));
	}
	pid_t pid = forkclean();
	if(pid == 0)
		observe(want);

	pthread_t *th = spawnall(nread, reader), a = spawn(accepter, &l);
	for(int i = 0; i < 4; i++)
		nudge();
	for(int i = 0; i < nfd; i++)
		EQ(fcntl(fds[i], F_GETFL), want[i]);
	uint64_t one = 1;
	EQ(write(p[1], "x", 1), 1);
	EQ(write(s[1], "x", 1), 1);
	EQ(write(d[1], "x", 1), 1);
	EQ(write(t[1], "x", 1), 1);
	EQ(write(e, &one, 8), 8);
	struct itimerspec it = { { 0, 0 }, { 0, 1 } };
	OK(timerfd_settime(tm, 0, &it, NULL));
	int other = tcpdial(&sa);
	join(a);
	joinall(th, nread);
	OK(close(other));
	pass("waiting readers");

	/* Writers that fill the buffers and wait, while a reader is slow. */
	size_t n = 1 << 20;
	char *buf = calloc(1, n);
	for(int k = 0; k < 3; k++) {
		int w = k == 0 ? p[1] : k == 1 ? s[1] : t[1];
		int r = k == 0 ? p[0] : k == 1 ? s[0] : t[0];
		pid_t q = forkclean();
		if(q == 0) {
			char b[4096];
			nudge();
			for(size_t got = 0; got < n;) {
				ssize_t m = read(r, b, sizeof b);
				if(m <= 0)
					_exit(1);
				got += m;
			}
			_exit(0);
		}
		EQ(write(w, buf, n), n);
		EQ(reap(q), 0);
	}
	free(buf);
	pass("waiting writers");
	for(int i = 0; i < nfd; i++)
		EQ(fcntl(fds[i], F_GETFL), want[i]);
	EQ(write(stop[1], "", 1), 1);
	EQ(reap(pid), 0);
	pass("another process saw no change");

	/* A flag that another process sets is obeyed at once. */
	pid = forkclean();
	if(pid == 0)
		_exit(fcntl(p[0], F_SETFL, O_NONBLOCK) != 0);
	EQ(reap(pid), 0);
	char b;
	FAILS(read(p[0], &b, 1), EAGAIN);
	OK(fcntl(p[0], F_SETFL, 0));
	CHECK(!(fcntl(p[0], F_GETFL) & O_NONBLOCK));
	pass("another process's flag");
	return 0;
}
