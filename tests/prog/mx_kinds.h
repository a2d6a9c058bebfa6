/* SPDX-License-Identifier: MIT */
/* The kinds of descriptors of the table in mx.h: how each is made, and made ready. */
#ifndef MX_KINDS_H
#define MX_KINDS_H

#include <linux/io_uring.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <termios.h>

#include "mq_util.h"
#include "mx_sockets.h"

static char dir[32];

static void
kindsinit(void)
{
	strcpy(dir, "/tmp/mx.XXXXXX");
	table_nr++;
	CHECK(mkdtemp(dir));
}

static void
kindsdone(void)
{
	char cmd[64];

	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	EQ(system(cmd), 0);
}

/* ---- pipes and terminals ---- */

static void
mkpipe(struct end *e)
{
	int fd[2];

	OK(pipe(fd));
	put(e, fd);
}

static void
mkfifo1(struct end *e)
{
	snprintf(e->path, sizeof e->path, "%s/fifo.%d", dir, e->nr);
	OK(mkfifo(e->path, 0600));
	e->fd = OK(open(e->path, O_RDONLY | O_NONBLOCK));
	e->peer = OK(open(e->path, O_WRONLY));
	OK(fcntl(e->fd, F_SETFL, 0));
}

static void
mkpty(struct end *e, bool master)
{
	struct termios t;
	int m, s;

	OK(openpty(&m, &s, NULL, NULL, NULL));
	OK(tcgetattr(s, &t));
	cfmakeraw(&t);
	OK(tcsetattr(s, TCSANOW, &t));
	e->fd = master ? m : s;
	e->peer = master ? s : m;
}

static void mktty(struct end *e) { mkpty(e, false); }
static void mkptm(struct end *e) { mkpty(e, true); }

/* ---- counters, events ---- */

static void
mkeventfd(struct end *e)
{
	e->fd = OK(eventfd(0, 0));
}

static void
feedeventfd(struct end *e)
{
	int fd = e->aux[0] >= 0 ? e->aux[0] : e->fd;

	OK(eventfd_write(fd, 3));
}

static void
mktimerfd(struct end *e)
{
	e->fd = OK(timerfd_create(CLOCK_MONOTONIC, 0));
}

static void
feedtimerfd(struct end *e)
{
	struct itimerspec it = { .it_value = { 0, 1 } };

	OK(timerfd_settime(e->aux[0] >= 0 ? e->aux[0] : e->fd, 0, &it, NULL));
}

/* A signal of its own for each cell. */
static void
mksignalfd(struct end *e)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 2 + e->nr);
	e->fd = OK(signalfd(-1, &s, 0));
}

static void
feedsignalfd(struct end *e)
{
	OK(kill(getpid(), SIGRTMIN + 2 + e->nr));
}

/*
 * An instance of inotify's or fanotify's. A user has 128 of each, of which other programs, also those of containers whose
 * root is the same, may hold all: for the moment, or for ever.
 */
static int
watcher(int (*init)(void))
{
	static int patience = 300;
	int fd;

	while((fd = init()) < 0 && errno == EMFILE) {
		if(patience-- == 0) {
			kindsdone();
			SKIP("no more inotify or fanotify instances for this user");
		}
		mxnap(50);
	}
	return fd;
}

static int fanotify(void) { return fanotify_init(FAN_CLASS_NOTIF, O_RDONLY); }

static void
mkinotify(struct end *e)
{
	e->fd = OK(watcher(inotify_init));
	snprintf(e->path, sizeof e->path, "%s/inotify.%d", dir, e->nr);
	OK(mkdir(e->path, 0700));
	CHECK(inotify_add_watch(e->fd, e->path, IN_CREATE) >= 0);
}

static void
feedtouch(struct end *e)
{
	char b[80];

	snprintf(b, sizeof b, "%s/x", e->path);
	OK(close(OK(open(b, O_CREAT | O_WRONLY, 0600))));
}

static void
mkfanotify(struct end *e)
{
	if((e->fd = watcher(fanotify)) < 0)
		return;
	snprintf(e->path, sizeof e->path, "%s/fanotify.%d", dir, e->nr);
	OK(mkdir(e->path, 0700));
	OK(fanotify_mark(e->fd, FAN_MARK_ADD, FAN_CLOSE_WRITE | FAN_EVENT_ON_CHILD, AT_FDCWD, e->path));
}

static void
mkpidfd(struct end *e)
{
	if((e->child = forkclean()) == 0) {
		/* The files of the other cells are not the child's. */
		close_range(0, ~0U, 0);
		for(;;)
			pause();
	}
	if((e->fd = pidfd_open(e->child, 0)) < 0)
		kill(e->child, SIGKILL);
}

static void
feedpidfd(struct end *e)
{
	siginfo_t si;

	OK(kill(e->child, SIGKILL));
	OK(waitid(P_PID, e->child, &si, WEXITED | WNOWAIT)); /* it is dead */
}

static void
mkepoll(struct end *e)
{
	struct epoll_event ev = { EPOLLIN, { 0 } };
	int fd[2];

	OK(pipe(fd));
	e->fd = OK(epoll_create1(0));
	e->aux[0] = fd[0];
	e->peer = fd[1];
	OK(epoll_ctl(e->fd, EPOLL_CTL_ADD, fd[0], &ev));
}

static void
mkmqueue(struct end *e)
{
	struct mq_attr a = { .mq_maxmsg = 1, .mq_msgsize = 16 };

	snprintf(e->path, sizeof e->path, "/mx.%d.%d.%d", getpid(), table_nr, e->nr);
	if((e->fd = mqmake(e->path, O_RDONLY, &a)) < 0)
		return;
	e->aux[0] = OK(mq_open(e->path, O_WRONLY));
	OK(mq_unlink(e->path));
}

static void
feedmqueue(struct end *e)
{
	OK(mq_send(e->aux[0], "abcd", 4, 0));
}

static void
mkuring(struct end *e)
{
	struct io_uring_params p = { 0 };

	e->fd = syscall(SYS_io_uring_setup, 4, &p);
	if(e->fd >= 0)
		e->aux[0] = OK(dup(e->fd));
	if(e->fd < 0)
		return;
	/* One no-op in the queue, which feeduring submits. */
	unsigned *sq = mmap(NULL, p.sq_off.array + 4 * 4, PROT_READ | PROT_WRITE, MAP_SHARED, e->fd, IORING_OFF_SQ_RING);
	struct io_uring_sqe *s = mmap(NULL, 4 * sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, e->fd, IORING_OFF_SQES);
	CHECK(sq != MAP_FAILED && s != MAP_FAILED);
	s->opcode = IORING_OP_NOP;
	sq[p.sq_off.array / 4] = 0;
	__atomic_store_n(&sq[p.sq_off.tail / 4], 1, __ATOMIC_RELEASE);
}

static void
feeduring(struct end *e)
{
	EQ(syscall(SYS_io_uring_enter, e->aux[0], 1, 0, 0, NULL, 0), 1);
}

/* ---- what is always ready ---- */

static void
mkmemfd(struct end *e)
{
	e->fd = OK(memfd_create("mx", 0));
	EQ(pwrite(e->fd, "abcd", 4, 0), 4);
}

static void
mkfile(struct end *e)
{
	snprintf(e->path, sizeof e->path, "%s/file.%d", dir, e->nr);
	e->fd = OK(open(e->path, O_RDWR | O_CREAT, 0600));
	EQ(pwrite(e->fd, "abcd", 4, 0), 4);
}

static void mkdirectory(struct end *e) { e->fd = OK(open(dir, O_RDONLY | O_DIRECTORY)); }
static void mkproc(struct end *e) { e->fd = OK(open("/proc/sys/kernel/ostype", O_RDONLY)); }
static void mkzero(struct end *e) { e->fd = OK(open("/dev/zero", O_RDONLY)); }
static void mknull(struct end *e) { e->fd = OK(open("/dev/null", O_RDONLY)); }
static void mkurandom(struct end *e) { e->fd = OK(open("/dev/urandom", O_RDONLY)); }

/* ---- full ones, to write to ---- */

/* Fills fd, which does not block; true if something went in. */
static bool
stuffonce(int fd)
{
	static char b[65536];
	bool any = false;

	for(size_t n = sizeof b; n > 0; n /= 2)
		while(write(fd, b, n) > 0)
			any = true;
	return any;
}

/* Fills it again: true if something went in. */
static bool
stuffmore(struct end *e)
{
	int fl = OK(fcntl(e->fd, F_GETFL));
	bool any;

	OK(fcntl(e->fd, F_SETFL, fl | O_NONBLOCK));
	any = stuffonce(e->fd);
	OK(fcntl(e->fd, F_SETFL, fl));
	return any;
}

/* Fills e->fd, until nothing went in twice in a row, as some of it may move on. */
static void
stuff(struct end *e)
{
	for(int quiet = 0; quiet < 2; quiet++) {
		if(stuffmore(e))
			quiet = 0;
		sched_yield();
	}
}

static void
drain(struct end *e)
{
	static char b[65536];
	struct pollfd p = { e->peer, POLLIN, 0 };

	for(int i = 0; i < 100 && poll(&p, 1, 0) > 0 && read(e->peer, b, sizeof b) > 0; i++)
		;
}

static void
smallbuffers(struct end *e)
{
	int n = 4096;

	OK(setsockopt(e->fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof n));
}

#define FULL(name, mk)                      \
	static void full##name(struct end *e) \
	{                                   \
		mk(e);                      \
		smallbuffers(e);            \
		stuff(e);                   \
	}
#ifndef MX_NOFULLTCP
FULL(tcp, mktcp)
#endif
FULL(unix, mkunix)
FULL(seq, mkseq)
FULL(dgram, mkdgram)

/* What is written to a terminal goes on to the other side by and by: it is full only when it is stopped. */
static void
fulltty(struct end *e)
{
	mktty(e);
	e->aux[0] = OK(dup(e->fd));
	OK(tcflow(e->fd, TCOOFF));
	stuff(e);
}

static void
draintty(struct end *e)
{
	tcflow(e->aux[0], TCOON);
	drain(e);
}

static void
swap(struct end *e)
{
	int fd = e->fd;

	e->fd = e->peer;
	e->peer = fd;
	stuff(e);
}

static void
fullpipe(struct end *e)
{
	mkpipe(e);
	swap(e);
}

static void
fullfifo(struct end *e)
{
	e->nr += 1000;
	mkfifo1(e);
	swap(e);
}

static void
fulleventfd(struct end *e)
{
	e->fd = OK(eventfd(0, 0));
	OK(eventfd_write(e->fd, UINT64_MAX - 1));
}

static void
draineventfd(struct end *e)
{
	eventfd_t v;
	struct pollfd p = { e->aux[0] >= 0 ? e->aux[0] : e->fd, POLLIN, 0 };

	if(poll(&p, 1, 0) > 0 && (p.revents & POLLIN))
		OK(eventfd_read(p.fd, &v));
}

static const struct kind kinds[] = {
	{ "tcp", false, mktcp, feedwrite, 0 }, { "unix", false, mkunix, feedwrite, 0 },
	{ "seqpacket", false, mkseq, feedwrite, 0 }, { "dgram", false, mkdgram, feedwrite, 0 },
	{ "udp", false, mkudp, feedwrite, 0 }, { "raw", false, mkraw, feedwrite, 20 },
	{ "packet", false, mkpacket, feedwrite, 0 }, { "netlink", false, mknetlink, feedwrite, 0 }, { "abstract", false, mkabstract, feedwrite, 0 },
	{ "listener", false, mklistener, feedlistener, -1 },
	{ "unixlistener", false, mkunixlistener, feedunixlistener, -1 },
	{ "pipe", false, mkpipe, feedwrite, 0 }, { "fifo", false, mkfifo1, feedwrite, 0 },
	{ "tty", false, mktty, feedwrite, 0 }, { "ptm", false, mkptm, feedwrite, 0 },
	{ "eventfd", false, mkeventfd, feedeventfd, -1 }, { "timerfd", false, mktimerfd, feedtimerfd, -1 },
	{ "signalfd", false, mksignalfd, feedsignalfd, -1 }, { "inotify", false, mkinotify, feedtouch, -1 },
	{ "fanotify", false, mkfanotify, feedtouch, -1 }, { "pidfd", false, mkpidfd, feedpidfd, -1 },
	{ "epoll", false, mkepoll, feedwrite, -1 }, { "mqueue", false, mkmqueue, feedmqueue, -1 },
	{ "uring", false, mkuring, feeduring, -1 }, { "memfd", false, mkmemfd, NULL, 0 },
	{ "file", false, mkfile, NULL, 0 }, { "directory", false, mkdirectory, NULL, -1 },
	{ "proc", false, mkproc, NULL, 0 }, { "zero", false, mkzero, NULL, -1 },
	{ "null", false, mknull, NULL, -1 }, { "urandom", false, mkurandom, NULL, -1 },
#ifndef MX_NOFULLTCP
	{ "tcp", true, fulltcp, drain, -1 },
#endif
	{ "unix", true, fullunix, drain, -1 },
	{ "seqpacket", true, fullseq, drain, -1 }, { "dgram", true, fulldgram, drain, -1 },
	{ "pipe", true, fullpipe, drain, -1 }, { "fifo", true, fullfifo, drain, -1 },
	{ "tty", true, fulltty, draintty, -1 }, { "eventfd", true, fulleventfd, draineventfd, -1 },
};

#endif
