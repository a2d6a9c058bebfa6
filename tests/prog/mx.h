/* SPDX-License-Identifier: MIT */
/*
 * The table of descriptor kinds x operations x modes: what the mx_ programs share.
 *
 * A cell is one operation on a descriptor of its own, in a thread of its own. All cells of a mode run at
 * once: hundreds of threads start their operations, which block or not; when all have come to
 * rest, the mode's disturbance happens to each, then every descriptor is made ready, and each cell prints
 * the result, or the name of errno, and what came with it. No cell has an expectation of its own: the native run is
 * the oracle.
 *
 *	kinds to read (mx_kinds.h)   operations                         modes, a program each
 *	tcp unix seqpacket dgram     read readv preadv2 pread recv      mx_block     ready while it waits
 *	udp raw packet netlink       recvfrom recvmsg recvmmsg          mx_nonblock  O_NONBLOCK, MSG_DONTWAIT's kin
 *	abstract listener            recv+WAITALL recv+PEEK getc        mx_timeout   SO_RCVTIMEO, SO_SNDTIMEO, poll's
 *	unixlistener pipe fifo tty   poll ppoll select pselect          mx_signal    EINTR, and SA_RESTART
 *	ptm eventfd timerfd signalfd epoll epollet oneshot nested       mx_close     closed by another thread
 *	inotify fanotify pidfd epoll accept accept4 splice tee          mx_dup2      replaced by another thread
 *	mqueue uring memfd file      sendfile epwait fionread vmsplice  mx_cancel    the thread is cancelled
 *	directory proc zero null     read and recv of no bytes          mx_end       the other end goes, or shutdown
 *	urandom
 *	kinds to write, all full     operations
 *	tcp unix seqpacket dgram     write write0 writev pwritev2 send sendto sendmsg
 *	pipe fifo tty eventfd        sendmmsg poll select epoll splice vmsplice tee sendfile, write and send of no bytes
 *
 * An operation that a kind does not know fails, natively too, and that is compared as well.
 */
#ifndef MX_H
#define MX_H

#include "mx_rest.h"
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>

enum { MXBUF = 4096, MXMAX = 1200 };

/* One descriptor under test and what is needed to make it ready. */
struct end {
	int fd;       /* the operation's; -1: there is no such thing here */
	int peer;     /* its other end, or -1 */
	int aux[2];
	int nr;       /* which cell, for names and the like */
	char path[64];
	pid_t child;
};

struct kind {
	const char *name;
	bool writing;                 /* the operation is to write, and there is no room */
	void (*make)(struct end *);
	void (*feed)(struct end *);   /* makes it ready; for writing as often as need be */
	int text;                     /* where the data is that can be compared, -1 nowhere */
};

struct cell {
	const struct kind *kind;
	const struct op *op;
	struct end e;
	pthread_t t;
	atomic_bool entered, done;
	bool joined;         /* mx_cancel's, with the thread's result */
	void *result;
	int err, pollms;
	long r, took;
	char more[40];       /* what else the operation says */
	unsigned char buf[MXBUF];
};

struct op {
	const char *name;
	bool writing;
	long (*fn)(struct cell *);
};

#include "mx_kinds.h"
#include "mx_ops.h"

static struct cell *cells[MXMAX];
static int ncells;

static void *
mxthread(void *arg)
{
	struct cell *c = arg;
	int64_t t0 = now();

	c->entered = true;
	errno = 0;
	c->r = c->op->fn(c);
	c->err = errno;
	c->took = (now() - t0) / MS;
	c->done = true;
	return NULL;
}

static bool
fits(const struct kind *k, const struct op *o)
{
	return k->writing == o->writing;
}

#ifndef MX_NOFULLTCP
/*
 * What TCP has sent leaves room when it is acknowledged, which may be 40 ms later, or after a probe of the other end, which
 * comes after 200 ms. The sockets are full when nothing has gone in for longer than that.
 */
static void
mxfull(void)
{
	for(int quiet = 0; quiet < 15; quiet++) {
		mxnap(20);
		for(int i = 0; i < ncells; i++)
			if(cells[i]->kind->make == fulltcp && stuffmore(&cells[i]->e))
				quiet = 0;
	}
}
#endif

/* Makes all cells. prepare, if not NULL, is done to each before its thread starts. */
static void
mxstart(int pollms, void (*prepare)(struct cell *))
{
	struct rlimit rl;
	int low[64];
	sigset_t rt;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&rt);
	for(int s = SIGRTMIN + 2; s <= SIGRTMAX; s++)
		sigaddset(&rt, s);
	pthread_sigmask(SIG_BLOCK, &rt, NULL);
	OK(getrlimit(RLIMIT_NOFILE, &rl));
	rl.rlim_cur = rl.rlim_max < 8192 ? rl.rlim_max : 8192;
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	if(rl.rlim_cur < 8000)
		SKIP("%lld descriptors a process, not 8000", (long long)rl.rlim_cur);
	/* Numbers that new files get during the disturbance, so that they are not those of closed cells. */
	for(size_t i = 0; i < nelem(low); i++)
		low[i] = OK(open("/dev/null", O_RDONLY));
	kindsinit();
	for(size_t k = 0; k < nelem(kinds); k++)
		for(size_t o = 0; o < nelem(ops); o++) {
			if(!fits(&kinds[k], &ops[o]))
				continue;
			struct cell *c = calloc(1, sizeof *c);
			c->kind = &kinds[k];
			c->op = &ops[o];
			c->pollms = pollms;
			if(c->kind->writing)
				memset(c->buf, 'w', 8);
			c->e = (struct end){ .fd = -1, .peer = -1, .aux = { -1, -1 }, .nr = o };
			c->kind->make(&c->e);
			CHECK(ncells < MXMAX);
			cells[ncells++] = c;
			if(c->e.fd >= 0 && prepare)
				prepare(c);
		}
#ifndef MX_NOFULLTCP
	mxfull();
#endif
	for(int i = 0; i < ncells; i++)
		if(cells[i]->e.fd >= 0)
			cells[i]->t = spawn(mxthread, cells[i]);
	for(int i = 0; i < ncells; i++)
		while(cells[i]->e.fd >= 0 && !cells[i]->entered)
			mxnap(1);
	mxrest();
	for(size_t i = 0; i < nelem(low); i++)
		OK(close(low[i]));
}

/* Does f to each cell that exists; to those that wait only, if so asked. */
static void
mxeach(void (*f)(struct cell *))
{
	for(int i = 0; i < ncells; i++)
		if(cells[i]->e.fd >= 0)
			f(cells[i]);
}

static void
mxfeed(struct cell *c)
{
	if(c->kind->feed)
		c->kind->feed(&c->e);
}

/* Until the operation has come back, or the time is over. */
static void
mxawait(struct cell *c, int64_t end)
{
	if(c->e.fd < 0)
		return;
	while(!c->done && now() < end) {
		if(c->kind->writing)
			mxfeed(c);
		mxnap(1);
	}
	if(c->done)
		join(c->t);
}

/* Until all have; but those of which the program says that they may never only until the process rests after the others. */
static void
mxfinish(bool (*maystay)(struct cell *))
{
	int64_t end = now() + 20 * SEC;

	for(int i = 0; i < ncells; i++)
		if(maystay == NULL || !maystay(cells[i]))
			mxawait(cells[i], end);
	if(maystay == NULL)
		return;
	mxnap(100); /* what goes over the network may be on its way */
	mxrest();
	for(int i = 0; i < ncells; i++)
		if(maystay(cells[i]))
			mxawait(cells[i], 0);
}

static void
mxprint(struct cell *c)
{
	const struct kind *k = c->kind;

	printf("%-13s%-11s", k->name, c->op->name);
	if(c->e.fd < 0)
		puts("absent");
	else if(!c->done)
		puts("waits");
	else if(c->r < 0)
		printf("%s%s\n", strerrorname_np(c->err), c->more);
	else {
		printf("%ld%s", c->r, c->more);
		if(c->r > k->text && k->text >= 0)
			printf(" %.4s", c->buf + k->text);
		putchar('\n');
	}
}

static void
mxprintall(void)
{
	for(int i = 0; i < ncells; i++) {
		struct cell *c = cells[i];
		mxprint(c);
		for(int *fd = (int[]){ c->e.fd, c->e.peer, c->e.aux[0], -1 }; *fd >= 0 && c->done; fd++)
			close(*fd);
	}
	ncells = 0;
	kindsdone();
}

#endif
