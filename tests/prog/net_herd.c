/* SPDX-License-Identifier: MIT */
/*
 * Many who wait for the same: accepters on one listener, with fewer connections than there are of them; loops with an epoll instance
 * each that has the same listener, with and without EPOLLEXCLUSIVE. Each connection goes to one, none is lost, and those
 * for whom there was nothing slept on: the process has not changed threads as often as for a herd.
 */
#include "io_util.h"
#include <sys/epoll.h>

enum { ACCEPTERS = 64, ROUNDS = 8, LOOPS = 6, PER = 40 };

static int listener;
static struct sockaddr_in where;
static atomic_int accepted, wakeups, begun;

/* Takes its share, which ends with the listener. */
static void *
accepter(void *arg)
{
	char b;

	begun++;
	for(;;) {
		int fd = accept(listener, NULL, NULL);
		if(fd < 0)
			break;
		EQ(read(fd, &b, 1), 1);
		EQ(write(fd, &b, 1), 1);
		OK(close(fd));
		accepted++;
	}
	EQ(errno, EINVAL);
	return NULL;
}

static void
accepters(void)
{
	pthread_t t[ACCEPTERS];
	struct rusage a, b;
	long turns;

	listener = tcplisten(&where, ACCEPTERS);
	for(int i = 0; i < ACCEPTERS; i++)
		t[i] = spawn(accepter, NULL);
	while(begun < ACCEPTERS)
		nudge();
	nudge();
	OK(getrusage(RUSAGE_SELF, &a));
	for(int r = 0; r < ROUNDS; r++) {
		int c[ACCEPTERS / 2];
		char b1 = r;

		for(int i = 0; i < ACCEPTERS / 2; i++)
			c[i] = tcpdial(&where);
		for(int i = 0; i < ACCEPTERS / 2; i++)
			EQ(write(c[i], &b1, 1), 1);
		for(int i = 0; i < ACCEPTERS / 2; i++) {
			EQ(read(c[i], &b1, 1), 1);
			EQ(b1, (char)r);
			EQ(read(c[i], &b1, 1), 0); /* closed by its accepter */
			b1 = r;
			OK(close(c[i]));
		}
	}
	while(accepted < ROUNDS * ACCEPTERS / 2)
		nudge();
	OK(getrusage(RUSAGE_SELF, &b));
	EQ(accepted, ROUNDS * ACCEPTERS / 2);
	OK(shutdown(listener, SHUT_RDWR));
	for(int i = 0; i < ACCEPTERS; i++)
		join(t[i]);
	OK(close(listener));
	/* natively two for each connection; a herd would have come all for each: 64 x 256 */
	turns = b.ru_nvcsw - a.ru_nvcsw;
	if(turns > ROUNDS * ACCEPTERS * 12)
		die(__FILE__, __LINE__, "%ld context switches", turns);
	pass("accepters");
}

/* ---- loops ---- */

struct loop {
	int ep, stop;
	uint32_t flags;
	int got;
};

static void *
loop(void *arg)
{
	struct loop *l = arg;
	struct epoll_event ev[4];
	bool on = true;

	begun++;
	while(on) {
		int n = epoll_wait(l->ep, ev, 4, -1);
		if(n < 0) {
			EQ(errno, EINTR);
			continue;
		}
		CHECK(n > 0);
		wakeups++;
		for(int i = 0; i < n; i++) {
			if(ev[i].data.fd == l->stop) {
				on = false;
				continue;
			}
			for(;;) {
				int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
				if(fd < 0) {
					EQ(errno, EAGAIN);
					break;
				}
				OK(close(fd));
				l->got++;
				accepted++;
			}
		}
	}
	return NULL;
}

static void
loops(const char *name, uint32_t flags)
{
	struct loop l[LOOPS];
	pthread_t t[LOOPS];
	int stop[2], sum = 0;

	listener = tcplisten(&where, PER);
	OK(fcntl(listener, F_SETFL, O_NONBLOCK));
	OK(pipe(stop));
	accepted = wakeups = begun = 0;
	for(int i = 0; i < LOOPS; i++) {
		struct epoll_event ev = { .events = EPOLLIN | flags, .data.fd = listener };

		l[i] = (struct loop){ .ep = OK(epoll_create1(EPOLL_CLOEXEC)), .stop = stop[0] };
		OK(epoll_ctl(l[i].ep, EPOLL_CTL_ADD, listener, &ev));
		ev = (struct epoll_event){ .events = EPOLLIN, .data.fd = stop[0] };
		OK(epoll_ctl(l[i].ep, EPOLL_CTL_ADD, stop[0], &ev));
		t[i] = spawn(loop, &l[i]);
	}
	while(begun < LOOPS)
		nudge();
	nudge();
	for(int i = 0; i < PER; i++) {
		int c = tcpdial(&where);
		char b;

		EQ(read(c, &b, 1), 0); /* some loop has taken it, or it would never end */
		OK(close(c));
	}
	while(accepted < PER)
		nudge();
	EQ(accepted, PER);
	CHECK(wakeups >= 1 && wakeups <= PER * LOOPS);
	EQ(write(stop[1], "s", 1), 1);
	for(int i = 0; i < LOOPS; i++) {
		join(t[i]);
		sum += l[i].got;
		OK(close(l[i].ep));
	}
	EQ(sum, PER);
	OK(close(stop[0]));
	OK(close(stop[1]));
	OK(close(listener));
	pass("loops, %s", name);
}

int
main(void)
{
	accepters();
	loops("level", 0);
	loops("edge", EPOLLET);
	loops("exclusive", EPOLLEXCLUSIVE);
	loops("exclusive, edge", EPOLLEXCLUSIVE | EPOLLET);
	return 0;
}
