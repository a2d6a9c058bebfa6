/* SPDX-License-Identifier: MIT */
/* build: -lutil -lrt */
/* timeout: 90 */
/*
 * Every descriptor kind x every operation: another file takes the descriptor's number, by dup2, dup3 or close_range
 * and dup2, while the operation waits. It goes on with the file that it has, which becomes ready afterwards; what
 * looks at the number anew, like poll, finds the other. See mx.h.
 */
#include "mx.h"

static int other[2];

static void
replaceit(struct cell *c)
{
	int fd = c->e.fd;

	if(c->e.aux[0] < 0 && c->e.peer < 0)
		c->e.aux[0] = OK(fcntl(fd, F_DUPFD_CLOEXEC, 5000));
	if(c->done)
		return;
	switch(c->e.nr % 3) {
	case 0:
		EQ(dup2(other[0], fd), fd);
		break;
	case 1:
		EQ(dup3(other[0], fd, O_CLOEXEC), fd);
		break;
	case 2:
		OK(close_range(fd, fd, 0));
		EQ(dup2(other[0], fd), fd);
		break;
	}
}

/* An epoll instance forgets a file that is closed: its waiter may wait for ever. */
static bool
watching(struct cell *c)
{
	return strstr("epollet oneshot nested", c->op->name) != NULL;
}

int
main(void)
{
	char b[16];

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, other));
	EQ(write(other[1], "wrong", 5), 5);
	mxstart(60000, NULL);
	mxeach(replaceit);
	mxnap(100);
	mxeach(mxfeed);
	mxfinish(watching);
	mxprintall();
	EQ(recv(other[0], b, sizeof b, MSG_DONTWAIT), 5);
	EQ(recv(other[1], b, sizeof b, MSG_DONTWAIT), -1);
	return 0;
}
