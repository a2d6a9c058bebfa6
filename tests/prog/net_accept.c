/* SPDX-License-Identifier: MIT */
/* Several threads, and several processes, accept on one listener: each connection goes to one of them. */
#include "io_util.h"
#include <stddef.h>

enum { NA = 8, NC = 200 };

static struct sockaddr_in sa;
static int lfd;
static atomic_int accepted;

static void *
accepter(void *arg)
{
	int n = 0;
	for(;;) {
		int fd = n % 2 ? accept(lfd, NULL, NULL) : accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
		if(fd < 0) {
			EQ(errno, EINVAL); /* shut down */
			return (void *)(intptr_t)n;
		}
		CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
		EQ(!!(fcntl(fd, F_GETFD) & FD_CLOEXEC), n % 2 == 0);
		int v;
		readn(fd, &v, sizeof v);
		v++;
		writen(fd, &v, sizeof v);
		n++;
		accepted++; /* before the client can see the end */
		OK(close(fd));
	}
}

static void *
client(void *arg)
{
	for(int i = 0, n = scale(NC / 10); i < n; i++) {
		int v = (intptr_t)arg * 1000 + i, w = 0, fd = tcpdial(&sa);
		writen(fd, &v, sizeof v);
		readn(fd, &w, sizeof w);
		EQ(w, v + 1);
		EQ(read(fd, &w, 1), 0);
		OK(close(fd));
	}
	return NULL;
}

static void
threads(void)
{
	int sum = 0;
	lfd = tcplisten(&sa, 50);
	pthread_t *a = spawnall(NA, accepter);
	nudge();
	joinall(spawnall(10, client), 10);
	EQ(accepted, 10 * scale(NC / 10));
	/* All of them wait again; a shutdown wakes every one. */
	OK(shutdown(lfd, SHUT_RD));
	for(int i = 0; i < NA; i++)
		sum += (intptr_t)join(a[i]);
	free(a);
	EQ(sum, 10 * scale(NC / 10));
	OK(close(lfd));
	pass("threads");
}

static int stop[2];

/* Takes connections as fast as the other process, until the pipe is closed. */
static void *
rival(void *arg)
{
	for(;;) {
		int v, fd = accept(lfd, NULL, NULL);
		if(fd < 0)
			return NULL;
		readn(fd, &v, sizeof v);
		v++;
		writen(fd, &v, sizeof v);
		OK(close(fd));
		accepted++;
	}
}

/*
 * Two processes accept on one listener.  A connection wakes both; the loser of
 * the race waits on, and neither makes the shared description non-blocking.
 */
static void
processes(void)
{
	lfd = tcplisten(&sa, 50);
	accepted = 0;
	OK(pipe(stop));
	pid_t pid = forkclean();
	if(pid == 0) {
		OK(close(stop[1]));
		spawn(rival, NULL);
		spawn(rival, NULL);
		char b;
		struct pollfd p = { stop[0], POLLIN, 0 };
		while(poll(&p, 1, 0) == 0)
			if(fcntl(lfd, F_GETFL) & O_NONBLOCK)
				_exit(3);
		_exit(read(stop[0], &b, 1) != 0);
	}
	OK(close(stop[0]));
	pthread_t *a = spawnall(2, rival);
	joinall(spawnall(10, client), 10);
	EQ(fcntl(lfd, F_GETFL) & O_NONBLOCK, 0);
	OK(close(stop[1]));
	EQ(reap(pid), 0);
	OK(shutdown(lfd, SHUT_RDWR));
	joinall(a, 2);
	OK(close(lfd));
	pass("processes");
}

static void *
unixaccepter(void *arg)
{
	struct sockaddr_un su;
	socklen_t len = sizeof su;
	int fd = OK(accept(lfd, (struct sockaddr *)&su, &len));
	struct ucred uc;
	socklen_t ul = sizeof uc;
	OK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &uc, &ul));
	EQ(uc.pid, getpid());
	EQ(su.sun_family, AF_UNIX);
	EQ(write(fd, "hi", 2), 2);
	OK(close(fd));
	return NULL;
}

static void
unixdomain(void)
{
	struct sockaddr_un su = { .sun_family = AF_UNIX };
	int n = snprintf(su.sun_path + 1, sizeof su.sun_path - 1, "net_accept.%d", getpid());
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 1 + n;
	lfd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(lfd, (struct sockaddr *)&su, len));
	OK(listen(lfd, 5));
	pthread_t *t = spawnall(20, unixaccepter);
	nudge();
	for(int i = 0; i < 20; i++) {
		char b[4];
		int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
		OK(connect(fd, (struct sockaddr *)&su, len));
		EQ(recv(fd, b, 4, MSG_WAITALL), 2);
		OK(close(fd));
	}
	joinall(t, 20);
	OK(close(lfd));
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	FAILS(connect(fd, (struct sockaddr *)&su, len), ECONNREFUSED);
	OK(close(fd));
	pass("unix");
}

int
main(void)
{
	threads();
	processes();
	unixdomain();
	return 0;
}
