/* SPDX-License-Identifier: MIT */
/* Pointers to no memory in the arguments that a call must look into before it waits: EFAULT, never a crash. */
#include "io_util.h"
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>

static void
pointers(void *bad)
{
	char b[8];
	int s[2];
	struct msghdr mbad = { .msg_iov = bad, .msg_iovlen = 1 };
	struct mmsghdr mmbad = { .msg_hdr = mbad };
	struct epoll_event ev;
	struct timespec z = { 0, 0 };

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	EQ(write(s[1], "x", 1), 1);
	FAILS(readv(s[0], bad, 1), EFAULT);
	FAILS(writev(s[1], bad, 1), EFAULT);
	FAILS(recvmsg(s[0], bad, 0), EFAULT);
	FAILS(recvmsg(s[0], &mbad, 0), EFAULT);
	FAILS(sendmsg(s[1], bad, 0), EFAULT);
	FAILS(sendmsg(s[1], &mbad, 0), EFAULT);
	FAILS(recvmmsg(s[0], bad, 1, 0, NULL), EFAULT);
	FAILS(recvmmsg(s[0], &mmbad, 1, 0, NULL), EFAULT);
	FAILS(sendmmsg(s[1], bad, 1, 0), EFAULT);
	FAILS(sendmmsg(s[1], &mmbad, 1, 0), EFAULT);
	FAILS(poll(bad, 1, -1), EFAULT);
	FAILS(ppoll(bad, 1, &z, NULL), EFAULT);
	FAILS(select(s[0] + 1, bad, NULL, NULL, NULL), EFAULT);
	FAILS(select(s[0] + 1, NULL, bad, NULL, NULL), EFAULT);
	FAILS(select(s[0] + 1, NULL, NULL, bad, NULL), EFAULT);
	FAILS(nanosleep(bad, NULL), EFAULT);
	EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, bad, NULL), EFAULT);
	EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, bad, NULL), EFAULT);
	int e = OK(epoll_create1(0));
	ev = (struct epoll_event){ EPOLLIN, { 0 } };
	OK(epoll_ctl(e, EPOLL_CTL_ADD, s[0], &ev));
	FAILS(epoll_wait(e, bad, 1, -1), EFAULT);
	FAILS(epoll_pwait2(e, &ev, 1, bad, NULL), EFAULT);
	OK(close(e));
	/* None of them took the byte. */
	EQ(recv(s[0], b, 8, MSG_DONTWAIT), 1);
	OK(close(s[0])), OK(close(s[1]));
}

static void *
calls(void *arg)
{
	void *none = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(none != MAP_FAILED);
	pointers(HIDE((void *)8));
	pointers((char *)none + 100);
	pointers((void *)(intptr_t)-4096);
	OK(munmap(none, 8192));
	return NULL;
}

int
main(void)
{
	calls(NULL);
	pass("main, no threads");
	join(spawn(calls, NULL));
	pass("thread");
	calls(NULL);
	pass("main");
	return 0;
}
