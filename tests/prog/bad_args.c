/* SPDX-License-Identifier: MIT */
/* Wrong arguments to calls that wait: the kernel's errors, from main and from a thread, and at once. */
#include "io_util.h"
#include <sys/epoll.h>
#include <sys/select.h>

static void *
calls(void *arg)
{
	char b[8];
	int s[2], u = OK(socket(AF_INET, SOCK_DGRAM, 0)), lim = INT_MAX;
	void *bad = HIDE((void *)8);
	struct iovec vbad = { bad, 8 }, v = { b, 8 };
	struct msghdr mvbad = { .msg_iov = &vbad, .msg_iovlen = 1 }, m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct msghdr many = { .msg_iov = &v, .msg_iovlen = IOV_MAX + 1 };
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));

	/* Descriptors that are none. */
	for(int i = 0; i < 3; i++) {
		int fd = i == 0 ? -1 : i == 1 ? lim : 777;
		FAILS(read(fd, b, 8), EBADF);
		FAILS(write(fd, b, 8), EBADF);
		FAILS(readv(fd, &v, 1), EBADF);
		FAILS(writev(fd, &v, 1), EBADF);
		FAILS(recv(fd, b, 8, 0), EBADF);
		FAILS(send(fd, b, 8, 0), EBADF);
		FAILS(recvmsg(fd, &m, 0), EBADF);
		FAILS(sendmsg(fd, &m, 0), EBADF);
		FAILS(recvmmsg(fd, (struct mmsghdr *)&m, 1, 0, NULL), EBADF);
		FAILS(accept(fd, NULL, NULL), EBADF);
		FAILS(connect(fd, (struct sockaddr *)b, 8), EBADF);
		FAILS(close(fd), EBADF);
		FAILS(shutdown(fd, SHUT_RD), EBADF);
		FAILS(fcntl(fd, F_GETFL), EBADF);
		FAILS(dup(fd), EBADF);
		FAILS(fsync(fd), EBADF);
		FAILS(pread(fd, b, 8, 0), EBADF);
		struct epoll_event ev;
		FAILS(epoll_wait(fd, &ev, 1, 0), EBADF);
	}
	/* Memory that is none: a pending byte makes the calls look at it. */
	EQ(write(s[1], "x", 1), 1);
	FAILS(read(s[0], bad, 8), EFAULT);
	FAILS(readv(s[0], &vbad, 1), EFAULT);
	FAILS(recv(s[0], bad, 8, 0), EFAULT);
	FAILS(recvmsg(s[0], &mvbad, 0), EFAULT);
	FAILS(write(s[1], bad, 8), EFAULT);
	FAILS(writev(s[1], &vbad, 1), EFAULT);
	FAILS(send(s[1], bad, 8, 0), EFAULT);
	FAILS(sendmsg(s[1], &mvbad, 0), EFAULT);
	FAILS(sendmsg(s[1], &many, 0), EMSGSIZE);
	FAILS(connect(u, bad, 16), EFAULT);
	FAILS(sendto(u, b, 8, 0, bad, 16), EFAULT);
	EQ(read(s[0], b, 8), 1); /* nothing of all that took the byte */
	FAILS(recv(s[0], b, 8, MSG_DONTWAIT), EAGAIN);
	/* Negative and huge counts. */
	FAILS(readv(s[0], &v, HIDE(-1)), EINVAL);
	FAILS(writev(s[1], &v, HIDE(-1)), EINVAL);
	FAILS(poll((struct pollfd *)b, HIDE(1u << 30), 0), EINVAL);
	FAILS(select(HIDE(-5), NULL, NULL, NULL, NULL), EINVAL);
	vbad = (struct iovec){ b, HIDE((size_t)-1) };
	FAILS(readv(s[0], &vbad, 1), EINVAL);
	FAILS(writev(s[1], &vbad, 1), EINVAL);
	/* Descriptors of the wrong kind. */
	int null = OK(open("/dev/null", O_RDWR));
	FAILS(recv(null, b, 8, 0), ENOTSOCK);
	FAILS(send(null, b, 8, 0), ENOTSOCK);
	FAILS(accept(null, NULL, NULL), ENOTSOCK);
	FAILS(connect(null, (struct sockaddr *)b, 8), ENOTSOCK);
	FAILS(listen(null, 1), ENOTSOCK);
	FAILS(shutdown(null, SHUT_RD), ENOTSOCK);
	FAILS(accept(u, NULL, NULL), EOPNOTSUPP);
	FAILS(accept4(u, NULL, NULL, 0x40000000), EINVAL);
	FAILS(recv(u, b, 8, MSG_DONTWAIT), EAGAIN);
	FAILS(recv(u, b, 8, MSG_OOB | MSG_DONTWAIT), EAGAIN);
	int w = OK(open("/dev/null", O_WRONLY)), r = OK(open("/dev/null", O_RDONLY)), path = OK(open("/dev/null", O_PATH));
	FAILS(read(w, b, 8), EBADF);
	FAILS(write(r, b, 8), EBADF);
	FAILS(read(path, b, 8), EBADF);
	FAILS(fcntl(r, 9999), EINVAL);
	FAILS(open("/nonexistent/file", O_RDONLY), ENOENT);
	FAILS(open("/", O_WRONLY), EISDIR);
	EQ(read(null, b, 8), 0);
	EQ(write(null, b, 8), 8);
	OK(close(null)), OK(close(w)), OK(close(r)), OK(close(path));
	OK(close(s[0])), OK(close(s[1])), OK(close(u));
	return NULL;
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	calls(NULL);
	pass("main, no threads");
	join(spawn(calls, NULL));
	pass("thread");
	calls(NULL);
	pass("main");
	joinall(spawnall(10, calls), 10);
	pass("threads");
	return 0;
}
