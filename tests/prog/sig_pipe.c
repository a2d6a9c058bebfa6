/* SPDX-License-Identifier: MIT */
/* SIGPIPE: ignored it is EPIPE, by default it kills, a handler runs in the thread that wrote. */
#include "io_util.h"

static pthread_t handledby;
static atomic_int handled;

static void
handler(int sig)
{
	handledby = pthread_self();
	handled++;
}

static void
broken(int fd[2], int kind)
{
	if(kind == 0)
		OK(pipe(fd));
	else if(kind == 1)
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	else {
		tcppair(fd);
		OK(shutdown(fd[1], SHUT_WR));
		return;
	}
	closeend(fd[0], fd[1]);
}

static void *
writer(void *arg)
{
	for(int kind = 0; kind < 3; kind++) {
		int fd[2];
		struct iovec v = { "x", 1 };
		struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
		broken(fd, kind);
		int n = handled, want = arg != NULL;
		FAILS(write(fd[1], "x", 1), EPIPE);
		FAILS(writev(fd[1], &v, 1), EPIPE);
		EQ(handled - n, want * 2);
		if(want)
			CHECK(pthread_equal(handledby, pthread_self()));
		if(kind > 0) {
			FAILS(send(fd[1], "x", 1, 0), EPIPE);
			FAILS(sendmsg(fd[1], &m, 0), EPIPE);
			EQ(handled - n, want * 4);
			/* Never with this flag. */
			FAILS(send(fd[1], "x", 1, MSG_NOSIGNAL), EPIPE);
			FAILS(sendmsg(fd[1], &m, MSG_NOSIGNAL), EPIPE);
			FAILS(sendto(fd[1], "x", 1, MSG_NOSIGNAL, NULL, 0), EPIPE);
			EQ(handled - n, want * 4);
		}
		OK(close(fd[1]));
		if(kind == 2)
			OK(close(fd[0]));
	}
	return NULL;
}

static int full[2];

static void *
waitingwriter(void *arg)
{
	static char big[1 << 20];
	ssize_t n = write(full[1], big, sizeof big);
	CHECK(n > 0 && n < (ssize_t)sizeof big); /* what went in before the end */
	FAILS(write(full[1], big, 1), EPIPE);
	return NULL;
}

/* The writer waits for room when the reader goes. */
static void
waiting(void)
{
	char b;
	OK(pipe(full));
	pthread_t t = spawn(waitingwriter, NULL);
	EQ(read(full[0], &b, 1), 1);
	nudge();
	OK(close(full[0]));
	join(t);
	OK(close(full[1]));
}

static void
child(void)
{
	pid_t pid = forkclean();
	if(pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		join(spawn(writer, NULL));
		_exit(0);
	}
	int st = reap(pid);
	CHECK(WIFSIGNALED(st));
	EQ(WTERMSIG(st), SIGPIPE);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	join(spawn(writer, NULL));
	writer(NULL);
	waiting();
	pass("ignored");
	child();
	pass("default");
	signal(SIGPIPE, handler);
	join(spawn(writer, (void *)1));
	writer((void *)1);
	pass("handled");
	return 0;
}
