/* SPDX-License-Identifier: MIT */
/*
 * Blocking calls and what a signal's handler does to each: signal(7), "Interruption
 * of system calls and library functions by signal handlers".
 *
 * For each call: begin makes it block, run makes it, finish makes it succeed,
 * end cleans up.  Without SA_RESTART every one gives EINTR; with it those that
 * restart go on as if nothing had been, and the others give EINTR.  (sem_timedwait is
 * among the others, whatever the manual says: the kernel does not restart a
 * futex wait with a time when a handler has run.)
 *
 * A helper thread sends the signal again and again, so that it does not matter
 * whether one arrives before the call has begun to wait.
 */
#include "io_util.h"
#include <mqueue.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/timerfd.h>

static int a[2]; /* the call at hand's descriptors */
static sem_t sem;
static int sysv;
static pid_t kid;
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

static void nothing(void) { }

static int
donanosleep(void)
{
	struct timespec ts = { 20, 0 }, rem = { 0, 0 };
	int e = res(nanosleep(&ts, &rem));
	if(e == EINTR)
		CHECK(rem.tv_sec <= 20 && rem.tv_sec >= 10);
	return e;
}

static int
doclocknanosleep(void)
{
	struct timespec ts = { 20, 0 }, rem = { 0, 0 };
	int e = clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &rem);
	if(e == EINTR)
		CHECK(rem.tv_sec <= 20 && rem.tv_sec >= 10);
	return e;
}

static int
doabssleep(void)
{
	struct timespec ts;
	OK(clock_gettime(CLOCK_REALTIME, &ts));
	ts.tv_sec += 20;
	return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL);
}

static int dousleep(void) { return res(usleep(20000000)); }
static int dosleep(void) { int left = sleep(20); return left >= 10 && left <= 20 ? EINTR : -left; }

static void mksem(void) { OK(sem_init(&sem, 0, 0)); }
static void rmsem(void) { OK(sem_destroy(&sem)); }
static void post(void) { OK(sem_post(&sem)); }
static int dosemwait(void) { return res(sem_wait(&sem)); }

static int
dosemtimed(void)
{
	struct timespec ts;
	OK(clock_gettime(CLOCK_REALTIME, &ts));
	ts.tv_sec += 20;
	return res(sem_timedwait(&sem, &ts));
}

static void
mkkid(void)
{
	mkpipe();
	if((kid = OK(fork())) == 0) {
		char b;
		close(a[1]);
		while(read(a[0], &b, 1) < 0)
			;
		_exit(0);
	}
}

static void
rmkid(void)
{
	close2();
	int st;
	while(waitpid(kid, &st, 0) < 0 && errno == EINTR)
		;
}

static int dowaitpid(void) { return res(waitpid(kid, NULL, 0)); }
static int dowaitid(void) { siginfo_t si; return res(waitid(P_PID, kid, &si, WEXITED)); }

static void
mklock(void)
{
	a[0] = OK(mkstemp(tmpname));
	a[1] = OK(open(tmpname, O_RDWR));
	OK(unlink(tmpname));
	strcpy(tmpname + strlen(tmpname) - 6, "XXXXXX");
	struct flock l = { .l_type = F_WRLCK };
	OK(flock(a[0], LOCK_EX));
	OK(fcntl(a[0], F_OFD_SETLK, &l));
}

static int doflock(void) { return res(flock(a[1], LOCK_EX)); }
static int doofd(void) { struct flock l = { .l_type = F_WRLCK }; return res(fcntl(a[1], F_OFD_SETLKW, &l)); }

static void
unlock(void)
{
	struct flock l = { .l_type = F_UNLCK };
	OK(flock(a[0], LOCK_UN));
	OK(fcntl(a[0], F_OFD_SETLK, &l));
}

static int dopause(void) { return res(pause()); }
static int dosuspend(void) { sigset_t s; sigemptyset(&s); return res(sigsuspend(&s)); }

static int
dosigtimed(void)
{
	sigset_t s;
	struct timespec ts = { 20, 0 };
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 5);
	return res(sigtimedwait(&s, NULL, &ts));
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

static void mkmsg(void) { sysv = OK(msgget(IPC_PRIVATE, 0600)); }
static void rmmsg(void) { OK(msgctl(sysv, IPC_RMID, NULL)); }
static int domsgrcv(void) { struct { long t; char b[8]; } m; return res(msgrcv(sysv, &m, 8, 0, 0)); }
static void mksysvsem(void) { sysv = OK(semget(IPC_PRIVATE, 1, 0600)); }
static void rmsysvsem(void) { OK(semctl(sysv, 0, IPC_RMID)); }
static int dosemop(void) { struct sembuf o = { 0, -1, 0 }; return res(semop(sysv, &o, 1)); }

static const struct call {
	const char *name;
	bool restarts;
	void (*begin)(void);
	int (*run)(void);
	void (*finish)(void), (*end)(void);
} calls[] = {
	{ "read pipe", true, mkpipe, doread, give, close2 },
	{ "readv pipe", true, mkpipe, doreadv, give, close2 },
	{ "read unix", true, mkunix, doread, give, close2 },
	{ "read tcp", true, mktcp, doread, give, close2 },
	{ "recv unix", true, mkunix, dorecv, give, close2 },
	{ "recv tcp", true, mktcp, dorecv, give, close2 },
	{ "recvfrom", true, mktcp, dorecvfrom, give, close2 },
	{ "recvmsg", true, mkunix, dorecvmsg, give, close2 },
	{ "recv with timeout", false, mktimeo, dorecv, give, close2 },
	{ "read eventfd", true, mkevent, doread8, give8, close2 },
	{ "read timerfd", true, mktimer, doread8, arm, close2 },
	{ "write pipe", true, mkfull, dowrite, drain, close2 },
	{ "write unix", true, mkfullsock, dowrite, drain, close2 },
	{ "send unix", true, mkfullsock, dosend, drain, close2 },
	{ "accept", true, mklisten, doaccept, dial, close2 },
	{ "connect", true, mkbacklog, doconnect, acceptone, close2 },
	{ "open fifo", true, mkfifo1, doopen, openother, rmfifo },
	{ "poll", false, mkpipe, dopoll, give, close2 },
	{ "ppoll", false, mkpipe, doppoll, give, close2 },
	{ "select", false, mkpipe, doselect, give, close2 },
	{ "pselect", false, mkpipe, dopselect, give, close2 },
	{ "epoll_wait", false, mkpipe, doepoll, give, close2 },
	{ "nanosleep", false, nothing, donanosleep, nothing, nothing },
	{ "clock_nanosleep", false, nothing, doclocknanosleep, nothing, nothing },
	{ "clock_nanosleep absolute", false, nothing, doabssleep, nothing, nothing },
	{ "usleep", false, nothing, dousleep, nothing, nothing },
	{ "sleep", false, nothing, dosleep, nothing, nothing },
	{ "sem_wait", true, mksem, dosemwait, post, rmsem },
	{ "sem_timedwait", false, mksem, dosemtimed, post, rmsem },
	{ "waitpid", true, mkkid, dowaitpid, give, rmkid },
	{ "waitid", true, mkkid, dowaitid, give, rmkid },
	{ "flock", true, mklock, doflock, unlock, close2 },
	{ "F_OFD_SETLKW", true, mklock, doofd, unlock, close2 },
	{ "pause", false, nothing, dopause, nothing, nothing },
	{ "sigsuspend", false, nothing, dosuspend, nothing, nothing },
	{ "sigtimedwait", false, nothing, dosigtimed, nothing, nothing },
	{ "msgrcv", false, mkmsg, domsgrcv, nothing, rmmsg },
	{ "semop", false, mksysvsem, dosemop, nothing, rmsysvsem },
};

static atomic_int handled;
static atomic_bool returned;

/*
 * Sends until the call has returned, or, when it is to restart, until three
 * were handled; then lets the call succeed.  sender sends one signal.
 */
static void
pester(const struct call *c, bool restart, void (*sender)(void))
{
	struct timespec ts = { 0, 2 * MS };
	while(!returned) {
		sender();
		nanosleep(&ts, NULL);
		if(restart && c->restarts && handled >= 3) {
			c->finish();
			break;
		}
	}
}

/* The outcome that signal(7) asks for. */
static void
verdict(const struct call *c, bool restart, int err)
{
	int want = restart && c->restarts ? 0 : EINTR;
	if(err != want)
		die(__FILE__, __LINE__, "%s %s SA_RESTART: error %d, not %d", c->name,
		    restart ? "with" : "without", err, want);
	CHECK(handled > 0);
	pass("%s: %s", c->name, want ? "EINTR" : "restarts");
}
