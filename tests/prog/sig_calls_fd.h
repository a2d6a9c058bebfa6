/* SPDX-License-Identifier: MIT */
/* Of the calls in sig_calls.h those that wait for a descriptor. */
#ifndef SIG_CALLS_FD_H
#define SIG_CALLS_FD_H

#include "io_util.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/timerfd.h>

static int a[2]; /* the call at hand's descriptors */
static struct sockaddr_un su;
static socklen_t sulen;
static char tmpname[] = "/tmp/sig_calls.XXXXXX";

/* Errno of a call that gives -1, else 0. */
static int
res(long r)
{
	return r == -1 ? errno : 0;
}

static void mkpipe(void) { OK(pipe(a)); }
static void mkunix(void) { OK(socketpair(AF_UNIX, SOCK_STREAM, 0, a)); }
static void mktcp(void) { tcppair(a); }
static void close2(void) { OK(close(a[0])); OK(close(a[1])); }
static void give(void) { EQ(write(a[1], "x", 1), 1); }

static int doread(void) { char b; return res(read(a[0], &b, 1)); }
static int doreadv(void) { char b; struct iovec v = { &b, 1 }; return res(readv(a[0], &v, 1)); }
static int dorecv(void) { char b; return res(recv(a[0], &b, 1, 0)); }
static int dorecvfrom(void) { char b; return res(recvfrom(a[0], &b, 1, 0, NULL, NULL)); }
static int
dorecvmsg(void)
{
	char b;
	struct iovec v = { &b, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	return res(recvmsg(a[0], &m, 0));
}

/* A socket with a timeout is never restarted. */
static void
mktimeo(void)
{
	struct timeval tv = { 20, 0 };
	mkunix();
	OK(setsockopt(a[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
}

static void
fillfd(int fd)
{
	char b[4096] = "";
	int f = OK(fcntl(fd, F_GETFL));
	OK(fcntl(fd, F_SETFL, f | O_NONBLOCK));
	while(write(fd, b, sizeof b) > 0)
		;
	while(write(fd, b, 1) > 0)
		;
	OK(fcntl(fd, F_SETFL, f));
}

static void mkfull(void) { mkpipe(); fillfd(a[1]); }
static void mkfullsock(void) { mkunix(); fillfd(a[1]); }
static int dowrite(void) { return res(write(a[1], "x", 1)); }
static int dosend(void) { return res(send(a[1], "x", 1, MSG_NOSIGNAL)); }

static void
drain(void)
{
	char b[8192];
	int f = OK(fcntl(a[0], F_GETFL));
	OK(fcntl(a[0], F_SETFL, f | O_NONBLOCK));
	while(read(a[0], b, sizeof b) > 0)
		;
	OK(fcntl(a[0], F_SETFL, f));
}

static void
mklisten(void)
{
	su = (struct sockaddr_un){ .sun_family = AF_UNIX };
	sulen = sizeof su;
	a[0] = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(a[0], (struct sockaddr *)&su, sizeof(sa_family_t)));
	OK(getsockname(a[0], (struct sockaddr *)&su, &sulen));
	OK(listen(a[0], 0));
	a[1] = OK(socket(AF_UNIX, SOCK_STREAM, 0));
}

static void dial(void) { OK(connect(a[1], (struct sockaddr *)&su, sulen)); }

static int
doaccept(void)
{
	int fd = accept(a[0], NULL, NULL);
	int e = res(fd);
	if(fd >= 0)
		OK(close(fd));
	return e;
}

/* The backlog is full with one: the next waits. */
static void mkbacklog(void) { mklisten(); dial(); }

static int
doconnect(void)
{
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	int e = res(connect(fd, (struct sockaddr *)&su, sulen));
	OK(close(fd));
	return e;
}

static void acceptone(void) { OK(close(OK(accept(a[0], NULL, NULL)))); }

static void
mkfifo1(void)
{
	OK(close(OK(mkstemp(tmpname))));
	OK(unlink(tmpname));
	OK(mkfifo(tmpname, 0600));
	a[0] = a[1] = -1;
}

static int
doopen(void)
{
	int fd = open(tmpname, O_RDONLY);
	int e = res(fd);
	if(fd >= 0)
		OK(close(fd));
	return e;
}

static void openother(void) { a[1] = open(tmpname, O_RDWR); }

static void
rmfifo(void)
{
	if(a[1] >= 0)
		OK(close(a[1]));
	OK(unlink(tmpname));
	strcpy(tmpname + strlen(tmpname) - 6, "XXXXXX");
}

static int dopoll(void) { struct pollfd p = { a[0], POLLIN, 0 }; return res(poll(&p, 1, 20000)); }
static int doppoll(void) { struct pollfd p = { a[0], POLLIN, 0 }; return res(ppoll(&p, 1, NULL, NULL)); }

static int
doselect(void)
{
	fd_set r;
	FD_ZERO(&r);
	FD_SET(a[0], &r);
	return res(select(a[0] + 1, &r, NULL, NULL, NULL));
}

static int
dopselect(void)
{
	fd_set r;
	struct timespec ts = { 20, 0 };
	FD_ZERO(&r);
	FD_SET(a[0], &r);
	return res(pselect(a[0] + 1, &r, NULL, NULL, &ts, NULL));
}

static int
doepoll(void)
{
	int e = OK(epoll_create1(0));
	struct epoll_event ev = { EPOLLIN, { 0 } };
	OK(epoll_ctl(e, EPOLL_CTL_ADD, a[0], &ev));
	int r = res(epoll_wait(e, &ev, 1, -1));
	OK(close(e));
	return r;
}

static void mkevent(void) { a[0] = OK(eventfd(0, 0)); a[1] = OK(dup(a[0])); }
static void give8(void) { OK(eventfd_write(a[1], 1)); }
static int doread8(void) { uint64_t v; return res(read(a[0], &v, 8)); }
static void mktimer(void) { a[0] = OK(timerfd_create(CLOCK_MONOTONIC, 0)); a[1] = OK(dup(a[0])); }

static void
arm(void)
{
	struct itimerspec it = { { 0, 0 }, { 0, 1 } };
	OK(timerfd_settime(a[1], 0, &it, NULL));
}

static int
doreadmmsg(void)
{
	char b;
	struct iovec v = { &b, 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &v, .msg_iovlen = 1 } };
	return res(recvmmsg(a[0], &m, 1, 0, NULL));
}

static int
dosendmsg(void)
{
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	return res(sendmsg(a[1], &m, MSG_NOSIGNAL));
}

static void
mksndtimeo(void)
{
	struct timeval tv = { 20, 0 };
	mkfullsock();
	OK(setsockopt(a[1], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
}

static void
mkaccepttimeo(void)
{
	struct timeval tv = { 20, 0 };
	mklisten();
	OK(setsockopt(a[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
}

static int
doepollp(void)
{
	int e = OK(epoll_create1(0));
	struct epoll_event ev = { EPOLLIN, { 0 } };
	OK(epoll_ctl(e, EPOLL_CTL_ADD, a[0], &ev));
	int r = res(epoll_pwait(e, &ev, 1, 20000, NULL));
	OK(close(e));
	return r;
}

/* A directory of its own: in /tmp others make files. */
static char dir[sizeof tmpname], made[sizeof dir + 2];

static void
mkinotify(void)
{
	CHECK(mkdtemp(strcpy(dir, "/tmp/sig_calls.XXXXXX")) != NULL);
	snprintf(made, sizeof made, "%s/x", dir);
	a[0] = OK(inotify_init1(0));
	a[1] = OK(dup(a[0]));
	OK(inotify_add_watch(a[0], dir, IN_CREATE));
}

static void touch(void) { OK(close(OK(open(made, O_CREAT | O_WRONLY, 0600)))); OK(unlink(made)); }
static void rminotify(void) { close2(); OK(rmdir(dir)); }
static int doinotify(void) { char b[4096]; return res(read(a[0], b, sizeof b)); }

#endif
