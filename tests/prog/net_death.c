/* SPDX-License-Identifier: MIT */
/* build: -lutil */
/*
 * The process at the other end is killed: who reads, polls or writes to it learns of that by what the kernel does to its descriptors,
 * be they sockets, pipes or terminals, as do those who hold a lock's or a pidfd's other end.
 */
#include "io_util.h"
#include <pty.h>
#include <sys/epoll.h>
#include <sys/file.h>

enum { PIPE, UNIX, SEQ, TCP, UNREAD, TTY, KINDS };

static int fds[KINDS][2];
static char path[] = "/tmp/net_death.XXXXXX";
static pid_t pid;

static void *
reads(void *arg)
{
	int k = (intptr_t)arg;
	char b[4];
	ssize_t n = read(fds[k][0], b, sizeof b);

	/* what it had not read when it was killed is a reset */
	if(k == UNREAD || k == TTY)
		CHECK(n == -1 && errno == (k == TTY ? EIO : ECONNRESET));
	else
		EQ(n, 0);
	return NULL;
}

static void *
polls(void *arg)
{
	int k = (intptr_t)arg;
	struct pollfd p = { fds[k][0], POLLIN, 0 };

	EQ(poll(&p, 1, 20000), 1);
	if(k == UNREAD)
		CHECK(p.revents & POLLIN);
	else
		EQ(p.revents, k == PIPE || k == TTY ? POLLHUP : k == TCP ? POLLIN : POLLIN | POLLHUP);
	return NULL;
}

static void *
epolls(void *arg)
{
	struct epoll_event e = { .events = EPOLLRDHUP | EPOLLET };
	int ep = OK(epoll_create1(0));

	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fds[(intptr_t)arg][0], &e));
	do
		EQ(epoll_wait(ep, &e, 1, 20000), 1);
	while(!(e.events & (EPOLLRDHUP | EPOLLHUP)));
	OK(close(ep));
	return NULL;
}

static void *
locks(void *arg)
{
	int fd = OK(open(path, O_RDWR));

	OK(flock(fd, LOCK_EX));
	OK(close(fd));
	return NULL;
}

static void *
watches(void *arg)
{
	struct pollfd p = { OK((int)syscall(SYS_pidfd_open, pid, 0)), POLLIN, 0 };

	EQ(poll(&p, 1, 20000), 1);
	EQ(p.revents, POLLIN | (p.revents & POLLHUP)); /* newer kernels: and gone */
	OK(close(p.fd));
	return NULL;
}

int
main(void)
{
	int ready[2], fd;
	pthread_t t[KINDS][3], l, w;
	char b;

	signal(SIGPIPE, SIG_IGN);
	OK(close(OK(mkstemp(path))));
	OK(pipe(ready));
	OK(pipe(fds[PIPE]));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[UNIX]));
	OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds[SEQ]));
	tcppair(fds[TCP]);
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[UNREAD]));
	EQ(write(fds[UNREAD][0], "unread", 6), 6);
	OK(openpty(&fds[TTY][0], &fds[TTY][1], NULL, NULL, NULL));
	if((pid = forkclean()) == 0) {
		for(int k = 0; k < KINDS; k++)
			OK(close(fds[k][0]));
		fd = OK(open(path, O_RDWR));
		OK(flock(fd, LOCK_EX));
		EQ(write(ready[1], "r", 1), 1);
		for(;;)
			pause();
	}
	for(int k = 0; k < KINDS; k++)
		OK(close(fds[k][1]));
	EQ(read(ready[0], &b, 1), 1);
	for(intptr_t k = 0; k < KINDS; k++) {
		t[k][1] = spawn(polls, (void *)k);
		t[k][2] = spawn(epolls, (void *)k);
		t[k][0] = k == UNREAD ? t[k][2] : spawn(reads, (void *)k);
	}
	l = spawn(locks, NULL);
	w = spawn(watches, NULL);
	nudge();
	OK(kill(pid, SIGKILL));
	for(int k = 0; k < KINDS; k++)
		for(int i = k == UNREAD; i < 3; i++)
			join(t[k][i]);
	join(l);
	join(w);
	reads((void *)UNREAD);
	for(int k = UNIX; k <= TCP; k++) {
		ssize_t n = send(fds[k][0], "x", 1, 0);
		CHECK(k == TCP ? n == 1 || errno == ECONNRESET : n == -1 && errno == EPIPE);
	}
	EQ(WTERMSIG(reap(pid)), SIGKILL);
	OK(unlink(path));
	pass("killed");
	return 0;
}
