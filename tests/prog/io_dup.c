/* SPDX-License-Identifier: MIT */
/* dup, dup2, dup3, F_DUPFD: descriptors that share a description, waited for by several threads. */
#include "io_util.h"

static int p[2];

static void *
readone(void *arg)
{
	char b;
	int fd = (intptr_t)arg;
	EQ(read(fd, &b, 1), 1);
	return (void *)(intptr_t)b;
}

/* Threads wait on different numbers of one description: each byte goes to one of them. */
static void
shared(void)
{
	OK(pipe(p));
	int a = OK(dup(p[0])), b = OK(fcntl(p[0], F_DUPFD_CLOEXEC, 200)), c = OK(dup2(p[0], 300)), d = OK(dup3(p[0], 301, O_CLOEXEC));
	CHECK(b >= 200);
	EQ(c, 300);
	EQ(d, 301);
	CHECK(fcntl(b, F_GETFD) & FD_CLOEXEC);
	CHECK(!(fcntl(c, F_GETFD) & FD_CLOEXEC));
	CHECK(fcntl(d, F_GETFD) & FD_CLOEXEC);
	int fd[5] = { p[0], a, b, c, d };
	pthread_t t[5];
	for(int i = 0; i < 5; i++)
		t[i] = spawn(readone, (void *)(intptr_t)fd[i]);
	nudge();
	int mask = 0;
	for(int i = 0; i < 5; i++)
		EQ(write(p[1], &(char){ 'a' + i }, 1), 1);
	for(int i = 0; i < 5; i++)
		mask |= 1 << ((int)(intptr_t)join(t[i]) - 'a');
	EQ(mask, 31);
	/* Flags are the description's: set by one number, seen by all. */
	OK(fcntl(a, F_SETFL, O_NONBLOCK));
	char x;
	for(int i = 0; i < 5; i++)
		FAILS(read(fd[i], &x, 1), EAGAIN);
	OK(fcntl(d, F_SETFL, 0));
	for(int i = 0; i < 4; i++)
		OK(close(fd[i]));
	closeend(fd[4], p[1]);
	FAILS(write(p[1], "x", 1), EPIPE);
	OK(close(p[1]));
	pass("shared description");
}

/* Closing one number leaves those alone who wait on another. */
static void
closeone(void)
{
	OK(pipe(p));
	int a = OK(dup(p[0]));
	pthread_t t = spawn(readone, (void *)(intptr_t)a);
	nudge();
	OK(close(p[0]));
	nudge();
	EQ(write(p[1], "k", 1), 1);
	EQ((intptr_t)join(t), 'k');
	int w = OK(dup(p[1]));
	OK(close(p[1]));
	t = spawn(readone, (void *)(intptr_t)a);
	nudge();
	EQ(write(w, "l", 1), 1);
	EQ((intptr_t)join(t), 'l');
	OK(close(w));
	char b;
	EQ(read(a, &b, 1), 0);
	OK(close(a));
	pass("close of one number");
}

/* dup2 onto an open number: those who use it afterwards get the new file. */
static void
onto(void)
{
	int q[2];
	for(int k = 0, n = scale(200); k < n; k++) {
		OK(pipe(p));
		OK(pipe(q));
		int old = p[0];
		/* The number has been in use for the old file. */
		EQ(write(p[1], "o", 1), 1);
		EQ((intptr_t)readone((void *)(intptr_t)old), 'o');
		EQ(dup2(q[0], old), old);
		FAILS(write(p[1], "o", 1), EPIPE);
		pthread_t t = spawn(readone, (void *)(intptr_t)old);
		if(k % 16 == 0)
			nudge();
		EQ(write(q[1], "n", 1), 1);
		EQ((intptr_t)join(t), 'n');
		OK(close(p[1])), OK(close(q[0])), OK(close(q[1])), OK(close(old));
	}
	pass("dup2 onto an open number");
}

static void
errors(void)
{
	OK(pipe(p));
	FAILS(dup(-1), EBADF);
	FAILS(dup2(p[0], -1), EBADF);
	FAILS(dup2(HIDE(999), 5), EBADF);
	EQ(dup2(p[0], p[0]), p[0]);
	FAILS(dup3(p[0], p[0], 0), EINVAL);
	FAILS(dup3(p[0], 50, O_APPEND), EINVAL);
	FAILS(fcntl(p[0], F_DUPFD, -1), EINVAL);
	FAILS(close(HIDE(999)), EBADF);
	OK(close(p[0]));
	FAILS(close(p[0]), EBADF);
	OK(close(p[1]));
	/* The lowest free number is what the next one gets. */
	int a = OK(open("/dev/null", O_RDONLY)), b = OK(open("/dev/null", O_RDONLY));
	EQ(b, a + 1);
	OK(close(a));
	EQ(OK(dup(b)), a);
	OK(close(a)), OK(close(b));
	pass("errors");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	shared();
	closeone();
	onto();
	errors();
	return 0;
}
