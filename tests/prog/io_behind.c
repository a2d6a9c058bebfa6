/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that change in other ways than by calls of their own kind, while threads wait on them: closed by number, by
 * close_range, closefrom or fclose, and with O_NONBLOCK set and cleared by another process.
 */
#include "got.h"

/* ---- closed: who waits has the rest of what it was to receive ---- */

static void byclose(int fd) { OK(close(fd)); }
static void bynumber(int fd) { OK(syscall(SYS_close, fd)); }
static void byrange(int fd) { OK(close_range(fd, fd + 10, 0)); }

static void
bydup(int fd)
{
	EQ(dup3(2, fd, O_CLOEXEC), fd);
	OK(close(fd));
}

static void
bynumberdup(int fd)
{
	EQ(syscall(SYS_dup2, 2, fd), fd);
	OK(close(fd));
}

static void
byfclose(int fd)
{
	FILE *f = fdopen(fd, "r");

	CHECK(f && fclose(f) == 0);
}

static void
byfrom(int fd)
{
	closefrom(fd);
}

static void
closed(const char *name, void (*how)(int), int at)
{
	for(int i = 0, n = scale(10); i < n; i++) {
		struct got g;
		int s[2], fd;

		tcppair(s);
		fd = OK(fcntl(s[0], F_DUPFD, at));
		OK(close(s[0]));
		pthread_t t = halfdone(&g, fd, s[1], "half");
		nudge();
		how(fd);
		FAILS(fcntl(fd, F_GETFD), EBADF);
		nudge();
		EQ(send(s[1], "rest", 4, MSG_NOSIGNAL), 4);
		join(t);
		EQ(g.n, 8);
		CHECK(memcmp(g.b, "halfrest", 8) == 0);
		/* that was the last reference */
		EQ(recv(s[1], g.b, 1, 0), 0);
		OK(close(s[1]));
	}
	pass("%s", name);
}

/* ---- another process and O_NONBLOCK ---- */

static int pair[2], order[2], answer[2];

static void
toggler(void)
{
	char c;

	while(read(order[0], &c, 1) == 1) {
		int fl = OK(fcntl(pair[0], F_GETFL));
		OK(fcntl(pair[0], F_SETFL, c == 'n' ? fl | O_NONBLOCK : fl & ~O_NONBLOCK));
		EQ(write(answer[1], &c, 1), 1);
	}
	_exit(0);
}

static void
set(char c)
{
	EQ(write(order[1], &c, 1), 1);
	EQ(read(answer[0], &c, 1), 1);
}

static void *
one(void *arg)
{
	char c = 0;

	/* it may have been too late to wait */
	while(read(pair[0], &c, 1) != 1) {
		EQ(errno, EAGAIN);
		usleep(1000);
	}
	return (void *)(intptr_t)c;
}

static void
toggled(const char *name, int kind)
{
	char b[4096] = "";
	pid_t pid;

	if(kind == 0)
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	else if(kind == 1)
		tcppair(pair);
	else
		OK(pipe(pair));
	OK(pipe(order));
	OK(pipe(answer));
	if((pid = forkclean()) == 0) {
		OK(close(order[1]));
		toggler();
	}
	for(int i = 0, n = scale(20); i < n; i++) {
		set('n');
		FAILS(read(pair[0], b, 1), EAGAIN);
		set('b');
		pthread_t t = spawn(one, NULL);
		nudge();
		set('n');	/* who waits goes on waiting */
		nudge();
		EQ(write(pair[1], "d", 1), 1);
		EQ((intptr_t)join(t), 'd');
		FAILS(read(pair[0], b, 1), EAGAIN);
		set('b');
	}
	for(int i = 0; i < 2; i++) {
		OK(close(pair[i]));
		OK(close(order[1 - i]));
		OK(close(answer[i]));
	}
	EQ(reap(pid), 0);
	pass("%s", name);
}

int
main(void)
{
	closed("close", byclose, 20);
	closed("close by number", bynumber, 20);
	closed("close_range", byrange, 20);
	closed("dup3", bydup, 20);
	closed("dup2 by number", bynumberdup, 20);
	closed("fclose", byfclose, 20);
	closed("closefrom", byfrom, 100);
	toggled("a Unix socket's O_NONBLOCK", 0);
	toggled("a TCP socket's O_NONBLOCK", 1);
	toggled("a pipe's O_NONBLOCK", 2);
	return 0;
}
