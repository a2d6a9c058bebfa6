/* SPDX-License-Identifier: MIT */
/*
 * What the io_, net_, poll_, sig_, fork_ and bad_ programs share: checks that
 * name the line which failed, threads, clocks, socket pairs, checksums.
 *
 * The programs know nothing of heddle.  Their oracle is the native run: same
 * standard output, same exit status.  Nothing that may vary is printed on it.
 */
#ifndef IO_UTIL_H
#define IO_UTIL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "loopback.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define nelem(a) (sizeof(a) / sizeof((a)[0]))
#define MS 1000000LL
#define SEC 1000000000LL

/*
 * How late a wake-up may be before a test calls it lost.  Far above what any
 * scheduler needs, so that a loaded machine does not fail, and far below the
 * runner's own limit.
 */
#define LATE (5 * SEC)

/* How early a socket's timeout may be: the kernel counts it in ticks, and on a busy machine its count lags. */
#define TICK (10 * MS)

__attribute__((noreturn, format(printf, 3, 4), unused)) static void
die(const char *file, int line, const char *fmt, ...)
{
	int e = errno;
	char buf[512];
	va_list ap;
	int n = snprintf(buf, sizeof buf, "%s:%d: ", file, line);

	va_start(ap, fmt);
	n += vsnprintf(buf + n, sizeof buf - n, fmt, ap);
	va_end(ap);
	if(n > (int)sizeof buf - 40)
		n = sizeof buf - 40;
	n += snprintf(buf + n, 40, " (errno %d)\n", e);
	if(write(2, buf, n) < 0)
		_exit(98);
	_exit(99);
}

/* The check fails: say where, what, and errno; the program ends with 99. */
#define CHECK(cond)                                          \
	do {                                                 \
		if(!(cond))                                  \
			die(__FILE__, __LINE__, "%s", #cond); \
	} while(0)

/* Two integers are equal; both are printed when not. */
#define EQ(a, b)                                                                  \
	do {                                                                      \
		long long a_ = (long long)(a), b_ = (long long)(b);               \
		if(a_ != b_)                                                      \
			die(__FILE__, __LINE__, "%s = %lld, not %s = %lld", #a, a_, #b, b_); \
	} while(0)

/* A call fails with -1 and this errno. */
#define FAILS(call, want)                                                             \
	do {                                                                          \
		errno = 0;                                                            \
		long long r_ = (long long)(call);                                     \
		int e_ = errno;                                                       \
		if(r_ != -1 || e_ != (want))                                          \
			die(__FILE__, __LINE__, "%s = %lld, errno %d, not -1, " #want, #call, r_, e_); \
	} while(0)

/* A call's result, which is not -1. */
#define OK(call)                                                       \
	({                                                             \
		__typeof__(call) ok_ = (call);                         \
		if(ok_ == (__typeof__(call))-1)                        \
			die(__FILE__, __LINE__, "%s fails", #call);    \
		ok_;                                                   \
	})

/* The machine has no room for the program, or not what it is about: says what is missing and ends it as "cannot run here". */
#define SKIP(...)                          \
	do {                               \
		dprintf(2, __VA_ARGS__);   \
		dprintf(2, "\n");          \
		_exit(77);                 \
	} while(0)

/* A value that the compiler knows nothing of: for arguments that it would warn of. */
#define HIDE(x) ({ __typeof__(x) hide_ = (x); __asm__("" : "+r"(hide_)); hide_; })

/* Time since t0 is at least lo ns and not absurdly longer than hi ns. */
#define TOOK(t0, lo, hi)                                                            \
	do {                                                                        \
		long long d_ = now() - (t0), lo_ = (lo), hi_ = (hi) + LATE;         \
		if(d_ < lo_ || d_ > hi_)                                            \
			die(__FILE__, __LINE__, "took %lld us, not %lld to %lld",   \
			    d_ / 1000, lo_ / 1000, hi_ / 1000);                     \
	} while(0)

/* Iterations: n times TEST_SCALE of the environment, at least one. */
__attribute__((unused)) static int
scale(int n)
{
	const char *s = getenv("TEST_SCALE");
	double f = s ? atof(s) : 1;

	n = (int)(n * f);
	return n < 1 ? 1 : n;
}

__attribute__((unused)) static int64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SEC + ts.tv_nsec;
}

__attribute__((unused)) static struct timespec
tspec(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / SEC, .tv_nsec = ns % SEC };
}

/*
 * Give the other threads time to come to rest in the calls they are about to
 * make.  It only makes the interesting interleaving likely: each test that
 * uses it has the same outcome when it returns at once.
 */
__attribute__((unused)) static void
nudge(void)
{
	struct timespec ts = { 0, 15 * MS };

	while(nanosleep(&ts, &ts) < 0)
		;
}

__attribute__((unused)) static pthread_t
spawn(void *(*f)(void *), void *arg)
{
	pthread_t t;
	pthread_attr_t a;
	int e;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 256 << 10);
	e = pthread_create(&t, &a, f, arg);
	pthread_attr_destroy(&a);
	if(e == EAGAIN)
		SKIP("no room for another thread");
	if(e != 0)
		die(__FILE__, __LINE__, "pthread_create: error %d", e);
	return t;
}

__attribute__((unused)) static void *
join(pthread_t t)
{
	void *r;
	int e = pthread_join(t, &r);

	if(e != 0)
		die(__FILE__, __LINE__, "pthread_join: error %d", e);
	return r;
}

/* n threads of f, the i-th with argument i; joined by joinall. */
__attribute__((unused)) static pthread_t *
spawnall(int n, void *(*f)(void *))
{
	pthread_t *t = calloc(n, sizeof *t);

	for(int i = 0; i < n; i++)
		t[i] = spawn(f, (void *)(intptr_t)i);
	return t;
}

__attribute__((unused)) static void
joinall(pthread_t *t, int n)
{
	for(int i = 0; i < n; i++)
		join(t[i]);
	free(t);
}

/* A thread's function: after a moment, a byte for descriptor arg. */
__attribute__((unused)) static void *
kickfd(void *arg)
{
	nudge();
	EQ(write((intptr_t)arg, "k", 1), 1);
	return NULL;
}

/* Another's: what comes on descriptor arg goes back, byte for byte, until it ends. */
__attribute__((unused)) static void *
echofd(void *arg)
{
	int fd = (intptr_t)arg;
	char b;

	while(read(fd, &b, 1) == 1)
		EQ(write(fd, &b, 1), 1);
	return NULL;
}

/* And another's: waits for the end of pipe arg, whatever handlers run meanwhile. */
__attribute__((unused)) static void *
waiteof(void *arg)
{
	ssize_t n;
	char b;

	while((n = read((intptr_t)arg, &b, 1)) == -1)
		EQ(errno, EINTR);
	EQ(n, 0);
	return NULL;
}

/* A descriptor as the argument of such a thread. */
#define FDARG(fd) ((void *)(intptr_t)(fd))

/* Writes n bytes to fd, each of which echofd at the other end has to bring back. */
__attribute__((unused)) static void
talkto(int fd, int n)
{
	char b;

	for(int i = 0; i < n; i++) {
		EQ(write(fd, &(char){ i }, 1), 1);
		EQ(read(fd, &b, 1), 1);
		EQ(b, (char)i);
	}
}

/* All n bytes, in as many calls as it takes. */
__attribute__((unused)) static void
readn(int fd, void *buf, size_t n)
{
	for(size_t k = 0; k < n;) {
		ssize_t r = read(fd, (char *)buf + k, n - k);
		if(r <= 0)
			die(__FILE__, __LINE__, "read gives %zd after %zu of %zu", r, k, n);
		k += r;
	}
}

__attribute__((unused)) static void
writen(int fd, const void *buf, size_t n)
{
	for(size_t k = 0; k < n;) {
		ssize_t r = write(fd, (const char *)buf + k, n - k);
		if(r <= 0)
			die(__FILE__, __LINE__, "write gives %zd after %zu of %zu", r, k, n);
		k += r;
	}
}

/* A reproducible stream of bytes: the position decides the byte. */
__attribute__((unused)) static void
fill(unsigned char *buf, size_t n, uint32_t seed, size_t pos)
{
	for(size_t i = 0; i < n; i++)
		buf[i] = (uint32_t)((pos + i) * 2654435761u + seed * 40503u) >> 13;
}

__attribute__((unused)) static bool
filled(const unsigned char *buf, size_t n, uint32_t seed, size_t pos)
{
	for(size_t i = 0; i < n; i++)
		if(buf[i] != (unsigned char)((uint32_t)((pos + i) * 2654435761u + seed * 40503u) >> 13))
			return false;
	return true;
}

/* Listener on the loopback at a port that the kernel chooses; its address in *sa. */
__attribute__((unused)) static int
tcplisten(struct sockaddr_in *sa, int backlog)
{
	int one = 1, fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	socklen_t len = sizeof *sa;

	OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
	*sa = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = loopback() };
	OK(bind(fd, (struct sockaddr *)sa, sizeof *sa));
	OK(listen(fd, backlog));
	OK(getsockname(fd, (struct sockaddr *)sa, &len));
	return fd;
}

__attribute__((unused)) static int
tcpdial(const struct sockaddr_in *sa)
{
	int one = 1, fd = OK(socket(AF_INET, SOCK_STREAM, 0));

	OK(connect(fd, (const struct sockaddr *)sa, sizeof *sa));
	OK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
	return fd;
}

/* Both ends of a TCP connection over the loopback. */
__attribute__((unused)) static void
tcppair(int fd[2])
{
	struct sockaddr_in sa;
	int one = 1, l = tcplisten(&sa, 1);

	fd[0] = tcpdial(&sa);
	fd[1] = OK(accept(l, NULL, NULL));
	OK(setsockopt(fd[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
	OK(close(l));
}

/*
 * Closes fd, the last name of one end of a pipe or of a local pair, and waits until the other end shows that. Nearly always it does so at
 * once; but who looks at /proc/PID/fd (ss, lsof) holds each file for a moment, and a write natively succeeds for that long.
 */
__attribute__((unused)) static void
closeend(int fd, int other)
{
	struct pollfd p = {.fd = other};
	int64_t t0 = now();

	OK(close(fd));
	while(poll(&p, 1, 0) == 0)
		CHECK(now() - t0 < LATE);
}

/* Descriptor fd in a message of one byte, tag. */
__attribute__((unused)) static void
passfd(int sock, int fd, char tag)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(int))];
	} u = { 0 };
	struct iovec v = { &tag, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof u.b };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	EQ(sendmsg(sock, &m, 0), 1);
}

/* Wait for this child; its wait status. */
__attribute__((unused)) static int
reap(pid_t pid)
{
	int st;

	for(;;) {
		pid_t r = waitpid(pid, &st, 0);
		if(r == pid)
			return st;
		if(r != -1 || errno != EINTR)
			die(__FILE__, __LINE__, "waitpid(%d) = %d", (int)pid, (int)r);
	}
}

/* A fork whose stdio buffers are empty, so that nothing is printed twice. */
__attribute__((unused)) static pid_t
forkclean(void)
{
	fflush(stdout);
	pid_t pid = fork();
	if(pid == -1 && (errno == EAGAIN || errno == ENOMEM))
		SKIP("no room for another process");
	return OK(pid);
}

/* A line of the program's output: each part of a test says that it passed. */
__attribute__((format(printf, 1, 2), unused)) static void
pass(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("ok ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	fflush(stdout);
}

#endif
