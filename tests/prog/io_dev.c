/* SPDX-License-Identifier: MIT */
/* Files of the kernel's that are neither data on a disk nor streams: devices, /proc, random numbers, and copies by pidfd_getfd. */
#include "io_util.h"
#include <sys/random.h>

enum { BIG = 1 << 20, THREADS = 4 };

static bool
allzero(const char *b, size_t n)
{
	for(size_t i = 0; i < n; i++)
		if(b[i] != 0)
			return false;
	return true;
}

/* All that was asked for, in calls that may be cut short beyond 256 bytes. */
static void *
randoms(void *arg)
{
	char *b = calloc(1, BIG);
	size_t k = 0;

	for(int i = 0; i < 100; i++) {
		memset(b, 0, 64);
		EQ(getrandom(b, 64, i % 2 ? GRND_NONBLOCK : 0), 64);
		CHECK(!allzero(b, 64));
		OK(getentropy(b, 256));
	}
	while(k < BIG)
		k += OK(getrandom(b + k, BIG - k, 0));
	CHECK(!allzero(b + BIG - 64, 64));
	EQ(getrandom(b, 0, 0), 0);
	FAILS(getrandom(b, 1, HIDE(0x1000)), EINVAL);
	FAILS(getrandom(HIDE((char *)8), 8, 0), EFAULT);
	free(b);
	return NULL;
}

static void *
devices(void *arg)
{
	static const char *const readable[] = { "/dev/zero", "/dev/full" };
	char b[4096];
	int fd;

	for(size_t i = 0; i < nelem(readable); i++) {
		memset(b, 1, sizeof b);
		fd = OK(open(readable[i], O_RDWR));
		EQ(read(fd, b, sizeof b), sizeof b);
		CHECK(allzero(b, sizeof b));
		if(i == 1) {
			FAILS(write(fd, b, 10), ENOSPC);
			FAILS(writev(fd, &(struct iovec){ b, 10 }, 1), ENOSPC);
		} else
			EQ(write(fd, b, 10), 10);
		OK(close(fd));
	}
	fd = OK(open("/dev/null", O_RDWR));
	EQ(read(fd, b, 10), 0);
	EQ(write(fd, b, sizeof b), sizeof b);
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	EQ(poll(&p, 1, -1), 1);
	EQ(p.revents, POLLIN | POLLOUT);
	OK(close(fd));
	fd = OK(open("/dev/urandom", O_RDONLY));
	readn(fd, b, sizeof b);
	OK(close(fd));
	return NULL;
}

static void *
proc(void *arg)
{
	char b[4096], small[3];
	ssize_t n, k = 0, r;
	struct pollfd p;
	int fd;

	fd = OK(open("/proc/self/stat", O_RDONLY));
	n = OK(read(fd, b, sizeof b));
	CHECK(n > 0 && atoi(b) == getpid());
	EQ(read(fd, b, sizeof b), 0);
	OK(close(fd));
	fd = OK(open("/proc/self/cmdline", O_RDONLY));
	n = OK(read(fd, b, sizeof b));
	EQ(lseek(fd, 0, SEEK_SET), 0);
	while((r = OK(read(fd, small, sizeof small))) > 0) {
		CHECK(memcmp(small, b + k, r) == 0);
		k += r;
	}
	EQ(k, n);
	OK(close(fd));
	/* this one can be polled: for changes, of which there is none */
	p = (struct pollfd){ .fd = OK(open("/proc/self/mounts", O_RDONLY)), .events = POLLPRI };
	CHECK(OK(read(p.fd, b, sizeof b)) > 0);
	EQ(poll(&p, 1, 10), 0);
	OK(close(p.fd));
	FAILS(open("/proc/self/nothing", O_RDONLY), ENOENT);
	return NULL;
}

/* A second number for a socket on which a thread waits, had in another way than by dup; O_NONBLOCK set by that is for both. */
static void
getfd(void)
{
	int pid = (int)syscall(SYS_pidfd_open, getpid(), 0), s[2], fd;
	pthread_t t;

	if(pid < 0)
		return;
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	t = spawn(echofd, FDARG(s[1]));
	talkto(s[0], 20);
	if((fd = (int)syscall(SYS_pidfd_getfd, pid, s[0], 0)) >= 0) {
		char b;

		talkto(fd, 20);
		OK(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK));
		FAILS(read(s[0], &b, 1), EAGAIN);
		OK(fcntl(fd, F_SETFL, O_RDWR));
		talkto(s[0], 20);
		OK(close(fd));
		talkto(s[0], 20);
	}
	OK(shutdown(s[0], SHUT_WR));
	join(t);
	OK(close(s[0]));
	OK(close(s[1]));
	OK(close(pid));
}

int
main(void)
{
	void *(*const f[])(void *) = { randoms, devices, proc };
	pthread_t t[THREADS];

	for(size_t i = 0; i < nelem(f); i++) {
		for(int k = 0; k < THREADS; k++)
			t[k] = spawn(f[i], NULL);
		for(int k = 0; k < THREADS; k++)
			join(t[k]);
		pass("%zu", i);
	}
	getfd();
	pass("pidfd_getfd");
	return 0;
}
