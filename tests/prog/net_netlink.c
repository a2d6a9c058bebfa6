/* SPDX-License-Identifier: MIT */
/*
 * NETLINK_ROUTE in a network of the test's own: threads wait for events of interfaces and addresses, in each way to wait, while one
 * makes them come; others ask for tables, which come in several messages.
 */
#include "others.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

enum { WAITERS = 8, ASKERS = 8, EVENTS = 10 };

static int
opened(uint32_t groups)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = OK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));

	OK(bind(fd, (struct sockaddr *)&nl, sizeof nl));
	return fd;
}

/* ---- events ---- */

static void
await(int fd, int how)
{
	struct pollfd p = { fd, POLLIN, 0 };
	struct epoll_event e = { .events = EPOLLIN };
	int ep;

	switch(how) {
	case 0:
		break;
	case 1:
		EQ(poll(&p, 1, 20000), 1);
		EQ(p.revents, POLLIN);
		break;
	case 2:
		ep = OK(epoll_create1(0));
		OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
		EQ(epoll_wait(ep, &e, 1, 20000), 1);
		OK(close(ep));
		break;
	}
}

/* Up, down, up... each is told once, in order. */
static void *
waiter(void *arg)
{
	int fd = *(int *)arg, seen = 0;
	char b[8192] __attribute__((aligned(8)));

	while(seen < EVENTS) {
		struct sockaddr_nl from;
		struct iovec v = { b, sizeof b };
		struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1 };
		await(fd, fd % 3);
		int len = OK(recvmsg(fd, &m, 0));
		EQ(from.nl_pid, 0); /* the kernel */
		for(struct nlmsghdr *h = (void *)b; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
			struct ifinfomsg *i = NLMSG_DATA(h);
			EQ(h->nlmsg_type, RTM_NEWLINK);
			EQ(!!(i->ifi_flags & IFF_UP), seen % 2 == 0);
			seen++;
		}
	}
	FAILS(recv(fd, b, sizeof b, MSG_DONTWAIT), EAGAIN);
	OK(close(fd));
	return NULL;
}

static void
updown(bool up)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = up ? IFF_UP : 0 };
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));

	OK(ioctl(fd, SIOCSIFFLAGS, &r));
	OK(close(fd));
}

static void
events(void)
{
	pthread_t t[WAITERS];
	int fds[WAITERS];

	for(int i = 0; i < WAITERS; i++) {
		fds[i] = opened(RTMGRP_LINK);
		t[i] = spawn(waiter, &fds[i]);
	}
	for(int i = 0; i < EVENTS; i++) {
		if(i % 3 == 0)
			nudge();
		updown(i % 2 == 0);
	}
	for(int i = 0; i < WAITERS; i++)
		join(t[i]);
	pass("events");
}

/* ---- questions ---- */

static int
dump(int fd, int type, unsigned seq)
{
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
	} q = { .h = { .nlmsg_len = sizeof q, .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = seq },
		.g = { .rtgen_family = AF_UNSPEC } };
	char b[16384] __attribute__((aligned(8)));
	int n = 0;

	EQ(send(fd, &q, sizeof q, 0), sizeof q);
	for(;;) {
		int len = OK(recv(fd, b, sizeof b, 0));
		for(struct nlmsghdr *h = (void *)b; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
			EQ(h->nlmsg_seq, seq);
			CHECK(h->nlmsg_type != NLMSG_ERROR);
			if(h->nlmsg_type == NLMSG_DONE)
				return n;
			n++;
		}
	}
}

static void *
asker(void *arg)
{
	int fd = opened(0), links = dump(fd, RTM_GETLINK, 1);

	CHECK(links >= 1);
	for(unsigned i = 2; i < 50; i++)
		if(i % 2)
			EQ(dump(fd, RTM_GETLINK, i), links);
		else
			CHECK(dump(fd, RTM_GETROUTE, i) >= 0);
	/* an error comes as a message */
	struct nlmsghdr h = { .nlmsg_len = sizeof h, .nlmsg_type = 999, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK, .nlmsg_seq = 99 };
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} a;
	EQ(send(fd, &h, sizeof h, 0), sizeof h);
	EQ(recv(fd, &a, sizeof a, 0), sizeof a);
	EQ(a.h.nlmsg_type, NLMSG_ERROR);
	EQ(a.e.error, -EOPNOTSUPP);
	OK(close(fd));
	return NULL;
}

int
main(void)
{
	pthread_t w;

	if(unshare(CLONE_NEWNET) != 0) {
		fprintf(stderr, "no network of its own: %s\n", strerror(errno));
		return 77;
	}
	workpause = 1000;
	w = spawn(worker, NULL);
	events();
	joinall(spawnall(ASKERS, asker), ASKERS);
	pass("tables");
	over = true;
	join(w);
	return 0;
}
