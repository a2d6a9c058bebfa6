/* SPDX-License-Identifier: MIT */
/*
 * Cancellation at every cancellation point that can be made to wait, from one table: cancelled while it waits (deferred, and
 * with asynchronous cancellation), with the request pending before it, and with cancellation disabled: then the call
 * goes on, and the request acts at the next point. Each time the cleanup handler runs once, no descriptor has been
 * left open, and PTHREAD_CANCELED is what join returns.
 */
#include "prog.h"
#include "mq_util.h"
#include <aio.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <threads.h>

enum { LONG = 1000 }; /* seconds */

static int empty[2], full[2], pair[2], fullpair[2], listener, busy, ep, pty, locked, msgempty, msgfull;
static char fifo[64], otherfifo[64], sockname[64];
static mqd_t mqempty, mqfull;
static sem_t never;
static pthread_t sleepers[4];
static pid_t child;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static mtx_t cm;
static cnd_t cc;
static struct aiocb acb;
static char buf[1 << 16];
static struct iovec iov = { buf, sizeof buf };
static struct { long type; char text[8]; } msg = { 1, "" };
static const struct timespec longtime = { LONG, 0 };

static struct timespec
later(clockid_t id)
{
	return deadline(id, LONG * SEC);
}

static sigset_t
usr1(void)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	return s;
}

static sigset_t
current(void)
{
	sigset_t s;

	OK(pthread_sigmask(SIG_BLOCK, NULL, &s));
	return s;
}

/* ---- the points ---- */

#define POINT(name, ...) static void in_##name(void) { __VA_ARGS__; }

POINT(read, read(empty[0], buf, 1))
POINT(readv, readv(empty[0], &iov, 1))
POINT(write, write(full[1], buf, sizeof buf))
POINT(writev, writev(full[1], &iov, 1))
POINT(read_tty, read(pty, buf, 1))
POINT(recv, recv(pair[0], buf, 1, 0))
POINT(recvfrom, recvfrom(pair[0], buf, 1, 0, NULL, NULL))
POINT(recvmsg, struct msghdr h = {0}; h.msg_iov = &iov; h.msg_iovlen = 1; recvmsg(pair[0], &h, 0))
POINT(recvmmsg, struct mmsghdr h = {0}; h.msg_hdr.msg_iov = &iov; h.msg_hdr.msg_iovlen = 1; recvmmsg(pair[0], &h, 1, 0, NULL))
POINT(send, send(fullpair[0], buf, sizeof buf, 0))
POINT(sendto, sendto(fullpair[0], buf, sizeof buf, 0, NULL, 0))
POINT(sendmsg, struct msghdr h = {0}; h.msg_iov = &iov; h.msg_iovlen = 1; sendmsg(fullpair[0], &h, 0))
POINT(sendmmsg, struct mmsghdr h = {0}; h.msg_hdr.msg_iov = &iov; h.msg_hdr.msg_iovlen = 1; sendmmsg(fullpair[0], &h, 1, 0))
POINT(accept, accept(listener, NULL, NULL))
POINT(accept4, accept4(listener, NULL, NULL, SOCK_CLOEXEC))
POINT(connect, struct sockaddr_un a = { .sun_family = AF_UNIX }; strcpy(a.sun_path, sockname);
    connect(busy, (struct sockaddr *)&a, sizeof a))
POINT(poll, struct pollfd p = { empty[0], POLLIN, 0 }; poll(&p, 1, -1))
POINT(poll_none, poll(NULL, 0, LONG * 1000))
POINT(ppoll, struct pollfd p = { empty[0], POLLIN, 0 }; sigset_t s = current(); ppoll(&p, 1, NULL, &s))
POINT(ppoll_nomask, struct pollfd p = { empty[0], POLLIN, 0 }; ppoll(&p, 1, NULL, NULL))
POINT(select, fd_set r; FD_ZERO(&r); FD_SET(empty[0], &r); select(empty[0] + 1, &r, NULL, NULL, NULL))
POINT(pselect, fd_set r; FD_ZERO(&r); FD_SET(empty[0], &r); sigset_t s = current();
    pselect(empty[0] + 1, &r, NULL, NULL, NULL, &s))
POINT(epoll_wait, struct epoll_event e; epoll_wait(ep, &e, 1, -1))
POINT(epoll_pwait, struct epoll_event e; sigset_t s = current(); epoll_pwait(ep, &e, 1, -1, &s))
POINT(sleep, sleep(LONG))
POINT(usleep, usleep(LONG * 1000000U))
POINT(nanosleep, nanosleep(&longtime, NULL))
POINT(clock_nanosleep, clock_nanosleep(CLOCK_REALTIME, 0, &longtime, NULL))
POINT(thrd_sleep, thrd_sleep(&longtime, NULL))
POINT(pause, pause())
POINT(sigsuspend, sigset_t s = current(); sigsuspend(&s))
POINT(sigwait, sigset_t s = usr1(); int n; sigwait(&s, &n))
POINT(sigwaitinfo, sigset_t s = usr1(); sigwaitinfo(&s, NULL))
POINT(sigtimedwait, sigset_t s = usr1(); sigtimedwait(&s, NULL, &longtime))
POINT(sem_wait, sem_wait(&never))
POINT(sem_timedwait, struct timespec ts = later(CLOCK_REALTIME); sem_timedwait(&never, &ts))
POINT(sem_clockwait, struct timespec ts = later(CLOCK_MONOTONIC); sem_clockwait(&never, CLOCK_MONOTONIC, &ts))
POINT(join, pthread_join(sleepers[0], NULL))
POINT(timedjoin, struct timespec ts = later(CLOCK_REALTIME); pthread_timedjoin_np(sleepers[1], NULL, &ts))
POINT(clockjoin, struct timespec ts = later(CLOCK_MONOTONIC); pthread_clockjoin_np(sleepers[2], NULL, CLOCK_MONOTONIC, &ts))
POINT(thrd_join, thrd_join(sleepers[3], NULL))
POINT(wait, wait(NULL))
POINT(waitpid, waitpid(child, NULL, 0))
POINT(waitid, siginfo_t si; waitid(P_PID, (id_t)child, &si, WEXITED))
POINT(wait4, wait4(child, NULL, 0, NULL))
POINT(msgrcv, msgrcv(msgempty, &msg, sizeof msg.text, 0, 0))
POINT(msgsnd, msgsnd(msgfull, &msg, sizeof msg.text, 0))
POINT(mq_receive, mq_receive(mqempty, buf, sizeof buf, NULL))
POINT(mq_timedreceive, struct timespec ts = later(CLOCK_REALTIME); mq_timedreceive(mqempty, buf, sizeof buf, NULL, &ts))
POINT(mq_send, mq_send(mqfull, buf, 1, 0))
POINT(mq_timedsend, struct timespec ts = later(CLOCK_REALTIME); mq_timedsend(mqfull, buf, 1, 0, &ts))
POINT(open_fifo, int fd = open(otherfifo, O_RDONLY); close(fd))
POINT(openat_fifo, int fd = openat(AT_FDCWD, fifo, O_WRONLY); close(fd))
POINT(creat_fifo, int fd = creat(fifo, 0600); close(fd))
POINT(fcntl_lock, struct flock l = { .l_type = F_WRLCK }; int fd = locked; fcntl(fd, F_SETLKW, &l))
POINT(lockf, lseek(locked, 0, SEEK_SET); lockf(locked, F_LOCK, 1))
POINT(aio_suspend, const struct aiocb *l[1] = { &acb }; aio_suspend(l, 1, NULL))
POINT(testcancel, for(;;){ pthread_testcancel(); sched_yield(); })

/* A wait that has been cancelled has the mutex again. */
static void
unlock(void *arg)
{
	EQ(pthread_mutex_trylock(arg), EBUSY);
	OK(pthread_mutex_unlock(arg));
}

#define WITHMUTEX(call)                          \
	OK(pthread_mutex_lock(&m));              \
	pthread_cleanup_push(unlock, &m);        \
	call;                                    \
	pthread_cleanup_pop(1)

POINT(cond_wait, WITHMUTEX(pthread_cond_wait(&c, &m)))
POINT(cond_timedwait, struct timespec ts = later(CLOCK_REALTIME); WITHMUTEX(pthread_cond_timedwait(&c, &m, &ts)))
POINT(cond_clockwait, struct timespec ts = later(CLOCK_MONOTONIC);
    WITHMUTEX(pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &ts)))

static void
cunlock(void *arg UNUSED)
{
	EQ(mtx_trylock(&cm), thrd_busy);
	EQ(mtx_unlock(&cm), thrd_success);
}

POINT(cnd_wait, mtx_lock(&cm); pthread_cleanup_push(cunlock, NULL); cnd_wait(&cc, &cm); pthread_cleanup_pop(1))

/* Points that do not wait: only a request that is there before counts. */
POINT(close, close(dup(empty[0])))
POINT(fsync, fsync(locked))
POINT(fdatasync, fdatasync(locked))
POINT(msync, msync(NULL, 0, MS_SYNC))
POINT(pread, pread(locked, buf, 1, 0))
POINT(pwrite, pwrite(locked, buf, 1, 0))
POINT(preadv, preadv(locked, &iov, 1, 0))
POINT(pwritev, pwritev(locked, &iov, 1, 0))
POINT(open, close(open("/dev/null", O_RDONLY)))
POINT(tcdrain, tcdrain(pty))
POINT(write_file, write(locked, buf, 1))
POINT(fcntl_setlkw, struct flock l = { .l_type = F_UNLCK }; fcntl(locked, F_SETLKW, &l))

enum { QUICK = 1, NOASYNC = 2 }; /* does not wait; is not to be cancelled asynchronously */

static const struct point {
	const char *name;
	void (*fn)(void);
	int flags;
} points[] = {
#define P(name, flags) { #name, in_##name, flags }
	P(read, 0), P(readv, 0), P(write, 0), P(writev, 0), P(read_tty, 0), P(recv, 0), P(recvfrom, 0), P(recvmsg, 0),
	P(recvmmsg, 0), P(send, 0), P(sendto, 0), P(sendmsg, 0), P(sendmmsg, 0), P(accept, 0), P(accept4, 0), P(connect, 0),
	P(poll, 0), P(poll_none, 0), P(ppoll, 0), P(ppoll_nomask, 0), P(select, 0), P(pselect, 0), P(epoll_wait, 0),
	P(epoll_pwait, 0), P(sleep, 0), P(usleep, 0), P(nanosleep, 0), P(clock_nanosleep, 0), P(thrd_sleep, 0), P(pause, 0),
	P(sigsuspend, 0), P(sigwait, 0), P(sigwaitinfo, 0), P(sigtimedwait, 0), P(sem_wait, 0), P(sem_timedwait, 0),
	P(sem_clockwait, 0), P(join, 0), P(timedjoin, 0), P(clockjoin, 0), P(thrd_join, 0), P(wait, 0), P(waitpid, 0),
	P(waitid, 0), P(wait4, 0), P(msgrcv, 0), P(msgsnd, 0), P(mq_receive, 0), P(mq_timedreceive, 0), P(mq_send, 0),
	P(mq_timedsend, 0), P(open_fifo, 0), P(openat_fifo, 0), P(creat_fifo, 0), P(fcntl_lock, 0), P(lockf, 0),
	P(aio_suspend, 0), P(testcancel, 0),
	P(cond_wait, NOASYNC), P(cond_timedwait, NOASYNC), P(cond_clockwait, NOASYNC), P(cnd_wait, NOASYNC),
	P(close, QUICK), P(fsync, QUICK), P(fdatasync, QUICK), P(msync, QUICK), P(pread, QUICK), P(pwrite, QUICK),
	P(preadv, QUICK), P(pwritev, QUICK), P(open, QUICK), P(tcdrain, QUICK), P(write_file, QUICK), P(fcntl_setlkw, QUICK),
};

/* ---- the ways ---- */

enum way { WAITING, ASYNC, PENDING, DISABLED, WAYS };
static const char *const ways[WAYS] = { "while it waits", "while it waits, asynchronously", "pending before", "disabled" };

struct run {
	const struct point *p;
	enum way way;
	sem_t begun, requested;
	_Atomic int cleaned, returned;
};

static void
clean(void *arg)
{
	((struct run *)arg)->cleaned++;
}

static void *
runner(void *arg)
{
	struct run *r = arg;

	pthread_cleanup_push(clean, r);
	if(r->way == ASYNC)
		OK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL));
	if(r->way >= PENDING)
		OK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL));
	EQ(sem_post(&r->begun), 0);
	if(r->way >= PENDING)
		EQ(sem_wait(&r->requested), 0);
	if(r->way == PENDING)
		OK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL));
	r->p->fn();
	r->returned = 1;
	if(r->way == DISABLED)
		OK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL));
	pthread_testcancel();
	pthread_cleanup_pop(0);
	return NULL;
}

static int
nextfd(void)
{
	int fd = dup(empty[0]);

	CHECK(fd >= 0);
	EQ(close(fd), 0);
	return fd;
}

static void
report(const struct point *p, enum way way, const char *what)
{
	dprintf(2, "%s, %s: %s\n", p->name, ways[way], what);
	_exit(1);
}

static void
start(struct run *r, pthread_t *t, const struct point *p, enum way way)
{
	memset(r, 0, sizeof *r);
	r->p = p;
	r->way = way;
	sem_init(&r->begun, 0, 0);
	sem_init(&r->requested, 0, 0);
	*t = spawn(runner, r);
	EQ(sem_wait(&r->begun), 0);
}

static void
finish(struct run *r, pthread_t t)
{
	struct timespec ts = deadline(CLOCK_REALTIME, 20 * SEC);
	void *res;

	if(pthread_timedjoin_np(t, &res, &ts) != 0)
		report(r->p, r->way, "not cancelled");
	if(res != PTHREAD_CANCELED)
		report(r->p, r->way, "returned");
	if(r->returned && r->way != DISABLED)
		report(r->p, r->way, "the call returned");
	if(!r->returned && r->way == DISABLED)
		report(r->p, r->way, "cancelled though disabled");
	if(r->cleaned != 1)
		report(r->p, r->way, "cleanup handler");
}

/* All that wait at once, and then cancelled one by one. */
static void
waiting(enum way way, int skip)
{
	enum { N = sizeof points / sizeof points[0] };
	static struct run r[N];
	pthread_t t[N];
	int fd = nextfd();

	for(int i = 0; i < N; i++)
		if(!(points[i].flags & skip))
			start(&r[i], &t[i], &points[i], way);
	msleep(60); /* most wait by then; to be cancelled right before is as good */
	for(int i = 0; i < N; i++)
		if(!(points[i].flags & skip)){
			OK(pthread_cancel(t[i]));
			finish(&r[i], t[i]);
		}
	EQ(nextfd(), fd);
}

static void
before(enum way way, const struct point *p)
{
	struct run r;
	pthread_t t;
	int fd = nextfd();

	start(&r, &t, p, way);
	OK(pthread_cancel(t));
	EQ(sem_post(&r.requested), 0);
	finish(&r, t);
	if(p->fn != in_close || way != PENDING) /* cancelled before it has closed anything: what it was to close is open */
		EQ(nextfd(), fd);
}

/* ---- what they wait for ---- */

static void *
sleeps(void *arg)
{
	for(;;)
		pause();
	return arg;
}

static void
fill(int fd)
{
	EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while(write(fd, buf, sizeof buf) > 0)
		;
	while(write(fd, buf, 1) > 0)
		;
	EQ(fcntl(fd, F_SETFL, 0), 0);
}

static mqd_t
queue(const char *name, int n)
{
	struct mq_attr a = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	char path[64];
	mqd_t q;

	snprintf(path, sizeof path, "/cancel_points.%d.%s", getpid(), name);
	q = mqmake(path, O_RDWR, &a);
	if(q == (mqd_t)-1)
		SKIP("no message queues");
	mq_unlink(path);
	while(n-- > 0)
		EQ(mq_send(q, buf, 1, 0), 0);
	return q;
}

static void
sockets(const char *dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	snprintf(sockname, sizeof sockname, "%s/sock", dir);
	strcpy(a.sun_path, sockname);
	/* One that is never accepted from, its backlog full; and one that nobody calls. */
	CHECK((fd = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
	EQ(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	EQ(listen(fd, 0), 0);
	CHECK((fd = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
	EQ(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	CHECK((busy = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
	CHECK((listener = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
	EQ(listen(listener, 5), 0);
	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fullpair), 0);
	fill(fullpair[0]);
}

/* A child that has a lock on the file, and lives as long as we. */
static void
locker(const char *path)
{
	int ready[2], alive[2];
	char b;

	OK(pipe(ready));
	OK(pipe(alive));
	CHECK((locked = open(path, O_RDWR | O_CREAT, 0600)) >= 0);
	if((child = fork()) == 0){
		struct flock l = { .l_type = F_WRLCK };

		close(alive[1]);
		close(empty[0]);
		OK(fcntl(locked, F_SETLK, &l));
		EQ(write(ready[1], "", 1), 1);
		_exit(read(alive[0], &b, 1) != 0);
	}
	CHECK(child > 0);
	EQ(read(ready[0], &b, 1), 1);
}

int
main(void)
{
	char dir[] = "/tmp/cancel_points.XXXXXX", path[64];
	sigset_t s = usr1();
	struct epoll_event e = { .events = EPOLLIN };
	int tty;

	OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
	CHECK(mkdtemp(dir) != NULL);
	OK(pipe(empty));
	snprintf(path, sizeof path, "%s/lock", dir);
	locker(path);
	OK(pipe(full));
	fill(full[1]);
	sockets(dir);
	snprintf(fifo, sizeof fifo, "%s/fifo", dir);
	OK(mkfifo(fifo, 0600));
	snprintf(otherfifo, sizeof otherfifo, "%s/otherfifo", dir);
	OK(mkfifo(otherfifo, 0600));
	CHECK((pty = posix_openpt(O_RDWR | O_NOCTTY)) >= 0);
	OK(grantpt(pty));
	OK(unlockpt(pty));
	CHECK((tty = open(ptsname(pty), O_RDWR | O_NOCTTY)) >= 0);
	CHECK((ep = epoll_create1(0)) >= 0);
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, empty[0], &e));
	mqempty = queue("empty", 0);
	mqfull = queue("full", 1);
	CHECK((msgempty = msgget(IPC_PRIVATE, 0600)) >= 0);
	CHECK((msgfull = msgget(IPC_PRIVATE, 0600)) >= 0);
	while(msgsnd(msgfull, &msg, sizeof msg.text, IPC_NOWAIT) == 0)
		;
	OK(mtx_init(&cm, mtx_plain));
	OK(cnd_init(&cc));
	sem_init(&never, 0, 0);
	acb.aio_fildes = empty[0];
	acb.aio_buf = buf;
	acb.aio_nbytes = 1;
	for(int i = 0; i < 4; i++)
		sleepers[i] = spawn(sleeps, NULL);
	EQ(aio_read(&acb), 0);

	waiting(WAITING, QUICK);
	waiting(ASYNC, QUICK | NOASYNC);
	for(size_t i = 0; i < sizeof points / sizeof points[0]; i++){
		before(PENDING, &points[i]);
		if(points[i].flags & QUICK)
			before(DISABLED, &points[i]);
	}

	OK(pthread_mutex_trylock(&m));
	EQ(mtx_trylock(&cm), thrd_success);
	EQ(kill(child, 0), 0);
	EQ(msgctl(msgempty, IPC_RMID, NULL), 0);
	EQ(msgctl(msgfull, IPC_RMID, NULL), 0);
	unlink(fifo);
	unlink(otherfifo);
	unlink(sockname);
	unlink(path);
	rmdir(dir);
	puts("ok");
	fflush(stdout);
	_exit(0); /* the descriptor that keeps the child alive goes with us */
}
