/* SPDX-License-Identifier: MIT */
/* Of the calls in sig_calls.h the variants of others: with another clock, flag, or number of buffers. */
#ifndef SIG_CALLS_MORE_H
#define SIG_CALLS_MORE_H

#include "sig_calls_sync.h"
#include <pty.h>
#include <termios.h>
#include <threads.h>

static int
doaccept4(void)
{
	int fd = accept4(a[0], NULL, NULL, SOCK_CLOEXEC);
	int e = res(fd);
	if(fd >= 0)
		OK(close(fd));
	return e;
}

/* A connect that waits on a socket with a timeout. */
static int
doconnecttimeo(void)
{
	struct timeval tv = { 20, 0 };
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
	int e = res(connect(fd, (struct sockaddr *)&su, sulen));
	OK(close(fd));
	return e;
}

static int dosendto(void) { return res(sendto(a[1], "x", 1, MSG_NOSIGNAL, NULL, 0)); }
static int dowritev(void) { struct iovec v = { "x", 1 }; return res(writev(a[1], &v, 1)); }
static int dopreadv2(void) { char b; struct iovec v = { &b, 1 }; return res(preadv2(a[0], &v, 1, -1, 0)); }
static int dopwritev2(void) { struct iovec v = { "x", 1 }; return res(pwritev2(a[1], &v, 1, -1, 0)); }
static int dovmsplice(void) { struct iovec v = { "x", 1 }; return res(vmsplice(a[1], &v, 1, 0)); }

static int
dosendmmsg(void)
{
	struct iovec v = { "x", 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &v, .msg_iovlen = 1 } };
	return res(sendmmsg(a[1], &m, 1, MSG_NOSIGNAL));
}

static int
dosplice(void)
{
	int p[2];
	OK(pipe(p));
	int e = res(splice(a[0], NULL, p[1], NULL, 1, 0));
	OK(close(p[0])), OK(close(p[1]));
	return e;
}

static int
dotee(void)
{
	int p[2];
	OK(pipe(p));
	int e = res(tee(a[0], p[1], 1, 0));
	OK(close(p[0])), OK(close(p[1]));
	return e;
}

static int
doepollp2(void)
{
	int e = OK(epoll_create1(0));
	struct epoll_event ev = { EPOLLIN, { 0 } };
	struct timespec ts = { 20, 0 };
	OK(epoll_ctl(e, EPOLL_CTL_ADD, a[0], &ev));
	int r = res(epoll_pwait2(e, &ev, 1, &ts, NULL));
	OK(close(e));
	return r;
}

static void
mkpty(void)
{
	struct termios t;
	OK(openpty(&a[1], &a[0], NULL, NULL, NULL));
	OK(tcgetattr(a[0], &t));
	cfmakeraw(&t);
	OK(tcsetattr(a[0], TCSANOW, &t));
}

static int dowait3(void) { return res(wait3(NULL, 0, NULL)); }
static void rmwaited(void) { OK(close(a[0])), OK(close(a[1])); while(waitpid(kid, NULL, 0) < 0 && errno == EINTR) ; }
static int dolockf(void) { OK(lseek(sysv, 0, SEEK_SET)); return res(lockf(sysv, F_LOCK, 0)); }
static int domqtimedsend(void) { struct timespec ts = far(CLOCK_REALTIME); return res(mq_timedsend(mq, "y", 1, 0, &ts)); }
static int dofutexbitset(void) { return res(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 1)); }
static int dothrdsleep(void) { struct timespec ts = { 20, 0 }; return thrd_sleep(&ts, NULL) == -1 ? EINTR : 0; }

static int domutexclock(void) { struct timespec ts = far(CLOCK_MONOTONIC); return unmu(pthread_mutex_clocklock(&mu, CLOCK_MONOTONIC, &ts)); }
static int dordtimed(void) { struct timespec ts = far(CLOCK_REALTIME); return unrw(pthread_rwlock_timedrdlock(&rw, &ts)); }
static int dordclock(void) { struct timespec ts = far(CLOCK_MONOTONIC); return unrw(pthread_rwlock_clockrdlock(&rw, CLOCK_MONOTONIC, &ts)); }
static int dowrclock(void) { struct timespec ts = far(CLOCK_MONOTONIC); return unrw(pthread_rwlock_clockwrlock(&rw, CLOCK_MONOTONIC, &ts)); }
static int dojoinclock(void) { struct timespec ts = far(CLOCK_MONOTONIC); return pthread_clockjoin_np(other, NULL, CLOCK_MONOTONIC, &ts); }

#define MORECALLS \
	{ "accept4", RESTARTS, mklisten, doaccept4, dial, close2 }, \
	{ "connect with timeout", NEVER, mkbacklog, doconnecttimeo, acceptone, close2 }, \
	{ "recvfrom with timeout", NEVER, mktimeo, dorecvfrom, give, close2 }, \
	{ "recvmsg with timeout", NEVER, mktimeo, dorecvmsg, give, close2 }, \
	{ "recvmmsg with timeout", NEVER, mktimeo, doreadmmsg, give, close2 }, \
	{ "read with timeout", NEVER, mktimeo, doread, give, close2 }, \
	{ "sendmsg with timeout", NEVER, mksndtimeo, dosendmsg, drain, close2 }, \
	{ "write with timeout", NEVER, mksndtimeo, dowrite, drain, close2 }, \
	{ "sendto", RESTARTS, mkfullsock, dosendto, drain, close2 }, \
	{ "sendmmsg", RESTARTS, mkfullsock, dosendmmsg, drain, close2 }, \
	{ "writev pipe", RESTARTS, mkfull, dowritev, drain, close2 }, \
	{ "preadv2 pipe", RESTARTS, mkpipe, dopreadv2, give, close2 }, \
	{ "pwritev2 pipe", RESTARTS, mkfull, dopwritev2, drain, close2 }, \
	{ "vmsplice", RESTARTS, mkfull, dovmsplice, drain, close2 }, \
	{ "splice", RESTARTS, mkpipe, dosplice, give, close2 }, \
	{ "tee", RESTARTS, mkpipe, dotee, give, close2 }, \
	{ "read tty", RESTARTS, mkpty, doread, give, close2 }, \
	{ "epoll_pwait2", NEVER, mkpipe, doepollp2, give, close2 }, \
	{ "wait3", RESTARTS, mkkid, dowait3, give, rmwaited }, \
	{ "lockf", RESTARTS, mkposixlock, dolockf, give, rmposixlock }, \
	{ "mq_timedsend", RESTARTS, mkfullmq, domqtimedsend, mqtake, rmmq }, \
	{ "futex wait bitset", RESTARTS, mkword, dofutexbitset, wakeword, nothing }, \
	{ "thrd_sleep", NEVER, nothing, dothrdsleep, nothing, nothing }, \
	{ "pthread_mutex_clocklock", ALWAYS, mkheld, domutexclock, letgo, rmheld }, \
	{ "pthread_rwlock_timedrdlock", ALWAYS, mkheld, dordtimed, letgo, rmheld }, \
	{ "pthread_rwlock_clockrdlock", ALWAYS, mkheld, dordclock, letgo, rmheld }, \
	{ "pthread_rwlock_clockwrlock", ALWAYS, mkheld, dowrclock, letgo, rmheld }, \
	{ "pthread_clockjoin_np", ALWAYS, mkheld, dojoinclock, letgo, rmjoined }

#endif
