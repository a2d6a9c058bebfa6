/* SPDX-License-Identifier: MIT */
/* build: -lutil */
/*
 * A pseudo-terminal in packet mode (TIOCPKT): each read of the master begins with a byte that says whether data follows or what has
 * happened to the other side, which threads wait for in read, poll, select and epoll.
 */
#include "io_util.h"
#include <pty.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <termios.h>

static int m, s;

/* ---- waits for a change of state, which is urgent; the bytes that come of it ---- */

static int
state(void)
{
	unsigned char b[64];

	EQ(read(m, b, sizeof b), 1);
	return b[0];
}

static void *
reads(void *arg)
{
	return (void *)(intptr_t)state();
}

static void *
polls(void *arg)
{
	struct pollfd p = { m, POLLIN | POLLPRI, 0 }; /* for some the kernel tells of POLLIN only */

	EQ(poll(&p, 1, 20000), 1);
	EQ(p.revents, POLLIN | POLLPRI);
	return (void *)(intptr_t)state();
}

static void *
selects(void *arg)
{
	struct timeval tv = { 20, 0 };
	fd_set r, x;

	FD_ZERO(&r);
	FD_SET(m, &r);
	x = r;
	EQ(select(m + 1, &r, NULL, &x, &tv), 2);
	CHECK(FD_ISSET(m, &r) && FD_ISSET(m, &x));
	return (void *)(intptr_t)state();
}

static void *
epolls(void *arg)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLPRI };
	int ep = OK(epoll_create1(0));

	OK(epoll_ctl(ep, EPOLL_CTL_ADD, m, &e));
	EQ(epoll_wait(ep, &e, 1, 20000), 1);
	EQ(e.events, EPOLLIN | EPOLLPRI);
	OK(close(ep));
	return (void *)(intptr_t)state();
}

static void flush(void) { OK(tcflush(s, TCIFLUSH)); }
static void stop(void) { OK(tcflow(s, TCOOFF)); }
static void start(void) { OK(tcflow(s, TCOON)); }

static void
flow(bool on)
{
	struct termios t;

	OK(tcgetattr(s, &t));
	t.c_iflag = on ? t.c_iflag | IXON : t.c_iflag & ~IXON;
	OK(tcsetattr(s, TCSANOW, &t));
}

static void nostop(void) { flow(false); }
static void dostop(void) { flow(true); }

static const struct change {
	void (*make)(void);
	int byte;
} changes[] = {
	{ flush, TIOCPKT_FLUSHREAD }, { stop, TIOCPKT_STOP }, { start, TIOCPKT_START },
	{ nostop, TIOCPKT_NOSTOP }, { dostop, TIOCPKT_DOSTOP },
};

static void
waits(const char *name, void *(*f)(void *))
{
	for(int late = 0; late < 2; late++)
		for(size_t i = 0; i < nelem(changes); i++) {
			pthread_t t = spawn(f, NULL);
			if(late)
				nudge();
			changes[i].make();
			EQ((intptr_t)join(t), changes[i].byte);
		}
	pass("%s", name);
}

/* ---- data ---- */

enum { LINES = 200 };

/* All that comes but the first bytes, which say that it is data. */
static void *
collects(void *arg)
{
	unsigned char b[100];
	size_t got = 0;

	while(got < LINES * 10) {
		ssize_t n = OK(read(m, b, sizeof b));
		CHECK(n >= 1);
		EQ(b[0], TIOCPKT_DATA);
		for(int i = 1; i < n; i++, got++)
			EQ(b[i], "0123456789"[got % 10]);
	}
	EQ(got, LINES * 10);
	return NULL;
}

static void
data(void)
{
	pthread_t t = spawn(collects, NULL);

	for(int i = 0; i < LINES; i++) {
		if(i % 50 == 0)
			nudge();
		EQ(write(s, "0123456789", 10), 10);
	}
	join(t);
	pass("data");
}

int
main(void)
{
	struct termios t;
	int on = 1;

	OK(openpty(&m, &s, NULL, NULL, NULL));
	OK(tcgetattr(s, &t));
	cfmakeraw(&t);
	t.c_iflag |= IXON;
	t.c_cc[VSTART] = 'Q' & 31;
	t.c_cc[VSTOP] = 'S' & 31;
	OK(tcsetattr(s, TCSANOW, &t));
	OK(ioctl(m, TIOCPKT, &on));
	waits("read", reads);
	waits("poll", polls);
	waits("select", selects);
	waits("epoll", epolls);
	data();
	OK(close(s));
	OK(close(m));
	return 0;
}
