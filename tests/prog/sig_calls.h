/* SPDX-License-Identifier: MIT */
/*
 * Blocking calls and what a signal's handler does to each: signal(7), "Interruption
 * of system calls and library functions by signal handlers".
 *
 * For each call: begin makes it block, run makes it, finish makes it succeed,
 * end cleans up.  Without SA_RESTART every one gives EINTR; with it those that
 * restart go on as if nothing had been, and the others give EINTR. The pthread functions
 * never give EINTR.  (sem_timedwait is
 * among the others, whatever the manual says: the kernel does not restart a
 * futex wait with a time when a handler has run.)
 *
 * A helper thread sends the signal again and again, so that it does not matter
 * whether one arrives before the call has begun to wait.
 */
#include "io_util.h"
#include <mqueue.h>
#include <semaphore.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
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

/* ---- more ways to wait ---- */

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

static int dowait4(void) { return res(wait4(kid, NULL, 0, NULL)); }

/* A POSIX lock keeps other processes out only. */
static void
mkposixlock(void)
{
	int ready[2];
	char b;

	mkpipe();
	sysv = OK(mkstemp(tmpname));
	OK(unlink(tmpname));
	strcpy(tmpname + strlen(tmpname) - 6, "XXXXXX");
	OK(pipe(ready));
	if((kid = OK(fork())) == 0) {
		struct flock l = { .l_type = F_WRLCK };
		close(a[1]);
		if(fcntl(sysv, F_SETLK, &l) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		while(read(a[0], &b, 1) < 0)
			;
		_exit(0);
	}
	while(read(ready[0], &b, 1) < 0)
		;
	OK(close(ready[0]));
	OK(close(ready[1]));
}

static int doposixlock(void) { struct flock l = { .l_type = F_WRLCK }; return res(fcntl(sysv, F_SETLKW, &l)); }
static void rmposixlock(void) { rmkid(); OK(close(sysv)); }

static mqd_t mq;

static void
mkmq(void)
{
	struct mq_attr at = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	char name[40];

	snprintf(name, sizeof name, "/heddle-test-%d", getpid());
	mq = mq_open(name, O_RDWR | O_CREAT, 0600, &at);
	CHECK(mq != (mqd_t)-1);
	OK(mq_unlink(name));
}

static void mqgive(void) { OK(mq_send(mq, "x", 1, 0)); }
static void mqtake(void) { char b[8]; EQ(mq_receive(mq, b, 8, NULL), 1); }
static void mkfullmq(void) { mkmq(); mqgive(); }
static void rmmq(void) { OK(mq_close(mq)); }
static int domqreceive(void) { char b[8]; return res(mq_receive(mq, b, 8, NULL)); }
static int domqsend(void) { return res(mq_send(mq, "y", 1, 0)); }

static struct timespec
far(clockid_t clock)
{
	struct timespec ts;
	OK(clock_gettime(clock, &ts));
	ts.tv_sec += 20;
	return ts;
}

static int
domqtimed(void)
{
	char b[8];
	struct timespec ts = far(CLOCK_REALTIME);
	return res(mq_timedreceive(mq, b, 8, NULL, &ts));
}

static int
dosemtimedop(void)
{
	struct sembuf o = { 0, -1, 0 };
	struct timespec ts = { 20, 0 };
	return res(semtimedop(sysv, &o, 1, &ts));
}

static void
mkfullmsg(void)
{
	struct { long t; char b[1024]; } m = { .t = 1 };
	mkmsg();
	while(msgsnd(sysv, &m, sizeof m.b, IPC_NOWAIT) == 0)
		;
	EQ(errno, EAGAIN);
}

static int domsgsnd(void) { struct { long t; char b[1024]; } m = { .t = 1 }; return res(msgsnd(sysv, &m, sizeof m.b, 0)); }

static uint32_t word;

static int
waitword(const struct timespec *ts)
{
	long r = syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, ts, NULL, 0);
	return r != 0 && errno == EAGAIN ? 0 : res(r);
}

static void mkword(void) { word = 0; }
static int dofutex(void) { return waitword(NULL); }
static int dofutextimed(void) { struct timespec ts = { 20, 0 }; return waitword(&ts); }

static void
wakeword(void)
{
	__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

static int
dosemclock(void)
{
	struct timespec ts = far(CLOCK_MONOTONIC);
	return res(sem_clockwait(&sem, CLOCK_MONOTONIC, &ts));
}

static void mksemshared(void) { OK(sem_init(&sem, 1, 0)); }

static int
dosigwaitinfo(void)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 5);
	return res(sigwaitinfo(&s, NULL));
}

static void mkinotify(void) { a[0] = OK(inotify_init1(0)); OK(inotify_add_watch(a[0], "/tmp", IN_CREATE)); a[1] = OK(dup(a[0])); }
static void touch(void) { OK(close(OK(mkstemp(tmpname)))); OK(unlink(tmpname)); strcpy(tmpname + strlen(tmpname) - 6, "XXXXXX"); }
static int doinotify(void) { char b[4096]; return res(read(a[0], b, sizeof b)); }

/* ---- threads that wait for threads: never EINTR ---- */

static pthread_mutex_t mu;
static pthread_cond_t cond;
static pthread_rwlock_t rw;
static pthread_barrier_t bar;
static pthread_t other;
static sem_t has, let;
static bool flag;

static void
mkcond(int pshared)
{
	pthread_mutexattr_t ma;
	pthread_condattr_t ca;

	EQ(pthread_mutexattr_init(&ma), 0);
	EQ(pthread_condattr_init(&ca), 0);
	EQ(pthread_mutexattr_setpshared(&ma, pshared), 0);
	EQ(pthread_condattr_setpshared(&ca, pshared), 0);
	EQ(pthread_mutex_init(&mu, &ma), 0);
	EQ(pthread_cond_init(&cond, &ca), 0);
	flag = false;
}

static void mkcondprivate(void) { mkcond(PTHREAD_PROCESS_PRIVATE); }
static void mkcondshared(void) { mkcond(PTHREAD_PROCESS_SHARED); }
static void rmcond(void) { EQ(pthread_cond_destroy(&cond), 0); EQ(pthread_mutex_destroy(&mu), 0); }

static void
signalcond(void)
{
	EQ(pthread_mutex_lock(&mu), 0);
	flag = true;
	EQ(pthread_cond_signal(&cond), 0);
	EQ(pthread_mutex_unlock(&mu), 0);
}

/* A wait returns because it is signalled, not because a handler has run. */
static int
waitcond(bool timed)
{
	struct timespec ts = far(CLOCK_REALTIME);
	int e = 0, n = 0;

	EQ(pthread_mutex_lock(&mu), 0);
	for(; !flag && e == 0; n++)
		e = timed ? pthread_cond_timedwait(&cond, &mu, &ts) : pthread_cond_wait(&cond, &mu);
	EQ(pthread_mutex_unlock(&mu), 0);
	return n > 1 ? EAGAIN : e;
}

static int docond(void) { return waitcond(false); }
static int docondtimed(void) { return waitcond(true); }

/* Another thread, which blocks all signals, has the mutex and the rwlock until it is let go. */
static void *
holder(void *arg)
{
	EQ(pthread_mutex_lock(&mu), 0);
	EQ(pthread_rwlock_wrlock(&rw), 0);
	OK(sem_post(&has));
	OK(sem_wait(&let));
	EQ(pthread_rwlock_unlock(&rw), 0);
	EQ(pthread_mutex_unlock(&mu), 0);
	return arg;
}

static void
mkheld(void)
{
	sigset_t all, old;

	EQ(pthread_mutex_init(&mu, NULL), 0);
	EQ(pthread_rwlock_init(&rw, NULL), 0);
	EQ(pthread_barrier_init(&bar, NULL, 2), 0);
	OK(sem_init(&has, 0, 0));
	OK(sem_init(&let, 0, 0));
	sigfillset(&all);
	EQ(pthread_sigmask(SIG_SETMASK, &all, &old), 0);
	other = spawn(holder, NULL);
	OK(sem_wait(&has));
	EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}

static void letgo(void) { OK(sem_post(&let)); }
static void meet(void) { int e = pthread_barrier_wait(&bar); CHECK(e == 0 || e == PTHREAD_BARRIER_SERIAL_THREAD); letgo(); }
static void rmjoined(void) { EQ(pthread_mutex_destroy(&mu), 0); EQ(pthread_rwlock_destroy(&rw), 0); EQ(pthread_barrier_destroy(&bar), 0); }
static void rmheld(void) { join(other); rmjoined(); }

static int unmu(int e) { return e != 0 ? e : pthread_mutex_unlock(&mu); }
static int unrw(int e) { return e != 0 ? e : pthread_rwlock_unlock(&rw); }
static int domutex(void) { return unmu(pthread_mutex_lock(&mu)); }
static int domutextimed(void) { struct timespec ts = far(CLOCK_REALTIME); return unmu(pthread_mutex_timedlock(&mu, &ts)); }
static int dordlock(void) { return unrw(pthread_rwlock_rdlock(&rw)); }
static int dowrlock(void) { return unrw(pthread_rwlock_wrlock(&rw)); }
static int dowrtimed(void) { struct timespec ts = far(CLOCK_REALTIME); return unrw(pthread_rwlock_timedwrlock(&rw, &ts)); }
static int dobarrier(void) { int e = pthread_barrier_wait(&bar); return e == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : e; }
static int dojoin(void) { return pthread_join(other, NULL); }
static int dojointimed(void) { struct timespec ts = far(CLOCK_REALTIME); return pthread_timedjoin_np(other, NULL, &ts); }

enum restarts { NEVER, RESTARTS, ALWAYS }; /* never EINTR */

static const struct call {
	const char *name;
	enum restarts restarts;
	void (*begin)(void);
	int (*run)(void);
	void (*finish)(void), (*end)(void);
} calls[] = {
	{ "read pipe", RESTARTS, mkpipe, doread, give, close2 },
	{ "readv pipe", RESTARTS, mkpipe, doreadv, give, close2 },
	{ "read unix", RESTARTS, mkunix, doread, give, close2 },
	{ "read tcp", RESTARTS, mktcp, doread, give, close2 },
	{ "recv unix", RESTARTS, mkunix, dorecv, give, close2 },
	{ "recv tcp", RESTARTS, mktcp, dorecv, give, close2 },
	{ "recvfrom", RESTARTS, mktcp, dorecvfrom, give, close2 },
	{ "recvmsg", RESTARTS, mkunix, dorecvmsg, give, close2 },
	{ "recv with timeout", NEVER, mktimeo, dorecv, give, close2 },
	{ "read eventfd", RESTARTS, mkevent, doread8, give8, close2 },
	{ "read timerfd", RESTARTS, mktimer, doread8, arm, close2 },
	{ "write pipe", RESTARTS, mkfull, dowrite, drain, close2 },
	{ "write unix", RESTARTS, mkfullsock, dowrite, drain, close2 },
	{ "send unix", RESTARTS, mkfullsock, dosend, drain, close2 },
	{ "accept", RESTARTS, mklisten, doaccept, dial, close2 },
	{ "connect", RESTARTS, mkbacklog, doconnect, acceptone, close2 },
	{ "open fifo", RESTARTS, mkfifo1, doopen, openother, rmfifo },
	{ "poll", NEVER, mkpipe, dopoll, give, close2 },
	{ "ppoll", NEVER, mkpipe, doppoll, give, close2 },
	{ "select", NEVER, mkpipe, doselect, give, close2 },
	{ "pselect", NEVER, mkpipe, dopselect, give, close2 },
	{ "epoll_wait", NEVER, mkpipe, doepoll, give, close2 },
	{ "nanosleep", NEVER, nothing, donanosleep, nothing, nothing },
	{ "clock_nanosleep", NEVER, nothing, doclocknanosleep, nothing, nothing },
	{ "clock_nanosleep absolute", NEVER, nothing, doabssleep, nothing, nothing },
	{ "usleep", NEVER, nothing, dousleep, nothing, nothing },
	{ "sleep", NEVER, nothing, dosleep, nothing, nothing },
	{ "sem_wait", RESTARTS, mksem, dosemwait, post, rmsem },
	{ "sem_timedwait", NEVER, mksem, dosemtimed, post, rmsem },
	{ "waitpid", RESTARTS, mkkid, dowaitpid, give, rmkid },
	{ "waitid", RESTARTS, mkkid, dowaitid, give, rmkid },
	{ "flock", RESTARTS, mklock, doflock, unlock, close2 },
	{ "F_OFD_SETLKW", RESTARTS, mklock, doofd, unlock, close2 },
	{ "pause", NEVER, nothing, dopause, nothing, nothing },
	{ "sigsuspend", NEVER, nothing, dosuspend, nothing, nothing },
	{ "sigtimedwait", NEVER, nothing, dosigtimed, nothing, nothing },
	{ "sigwaitinfo", NEVER, nothing, dosigwaitinfo, nothing, nothing },
	{ "read inotify", RESTARTS, mkinotify, doinotify, touch, close2 },
	{ "recvmmsg", RESTARTS, mkunix, doreadmmsg, give, close2 },
	{ "sendmsg", RESTARTS, mkfullsock, dosendmsg, drain, close2 },
	{ "send with timeout", NEVER, mksndtimeo, dosend, drain, close2 },
	{ "accept with timeout", NEVER, mkaccepttimeo, doaccept, dial, close2 },
	{ "epoll_pwait", NEVER, mkpipe, doepollp, give, close2 },
	{ "wait4", RESTARTS, mkkid, dowait4, give, rmkid },
	{ "F_SETLKW", RESTARTS, mkposixlock, doposixlock, give, rmposixlock },
	{ "mq_receive", RESTARTS, mkmq, domqreceive, mqgive, rmmq },
	{ "mq_timedreceive", RESTARTS, mkmq, domqtimed, mqgive, rmmq },
	{ "mq_send", RESTARTS, mkfullmq, domqsend, mqtake, rmmq },
	{ "futex wait", RESTARTS, mkword, dofutex, wakeword, nothing },
	{ "futex wait with timeout", NEVER, mkword, dofutextimed, wakeword, nothing },
	{ "sem_clockwait", NEVER, mksem, dosemclock, post, rmsem },
	{ "sem_wait shared", RESTARTS, mksemshared, dosemwait, post, rmsem },
	{ "sem_timedwait shared", NEVER, mksemshared, dosemtimed, post, rmsem },
	{ "pthread_cond_wait", ALWAYS, mkcondprivate, docond, signalcond, rmcond },
	{ "pthread_cond_timedwait", ALWAYS, mkcondprivate, docondtimed, signalcond, rmcond },
	{ "pthread_cond_wait shared", ALWAYS, mkcondshared, docond, signalcond, rmcond },
	{ "pthread_cond_timedwait shared", ALWAYS, mkcondshared, docondtimed, signalcond, rmcond },
	{ "pthread_mutex_lock", ALWAYS, mkheld, domutex, letgo, rmheld },
	{ "pthread_mutex_timedlock", ALWAYS, mkheld, domutextimed, letgo, rmheld },
	{ "pthread_rwlock_rdlock", ALWAYS, mkheld, dordlock, letgo, rmheld },
	{ "pthread_rwlock_wrlock", ALWAYS, mkheld, dowrlock, letgo, rmheld },
	{ "pthread_rwlock_timedwrlock", ALWAYS, mkheld, dowrtimed, letgo, rmheld },
	{ "pthread_barrier_wait", ALWAYS, mkheld, dobarrier, meet, rmheld },
	{ "pthread_join", ALWAYS, mkheld, dojoin, letgo, rmjoined },
	{ "pthread_timedjoin_np", ALWAYS, mkheld, dojointimed, letgo, rmjoined },
	{ "semtimedop", NEVER, mksysvsem, dosemtimedop, nothing, rmsysvsem },
	{ "msgsnd", NEVER, mkfullmsg, domsgsnd, nothing, rmmsg },
	{ "msgrcv", NEVER, mkmsg, domsgrcv, nothing, rmmsg },
	{ "semop", NEVER, mksysvsem, dosemop, nothing, rmsysvsem },
};

static bool
goeson(const struct call *c, bool restart)
{
	return c->restarts == ALWAYS || (restart && c->restarts == RESTARTS);
}

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
		if(goeson(c, restart) && handled >= 3) {
			c->finish();
			break;
		}
	}
}

/* The outcome that signal(7) asks for. */
static void
verdict(const struct call *c, bool restart, int err)
{
	int want = goeson(c, restart) ? 0 : EINTR;
	if(err != want)
		die(__FILE__, __LINE__, "%s %s SA_RESTART: error %d, not %d", c->name,
		    restart ? "with" : "without", err, want);
	CHECK(handled > 0);
	pass("%s: %s", c->name, want ? "EINTR" : "restarts");
}
