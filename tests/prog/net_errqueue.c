/* SPDX-License-Identifier: MIT */
/* The error queue of sockets: what is on it ends waits with POLLERR and an error, and MSG_ERRQUEUE never waits. */
#include "io_util.h"
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <sys/epoll.h>

/* A UDP socket of the loopback, connected to a port where nobody is. */
static int
tonobody(void)
{
	int one = 1, dead = OK(socket(AF_INET, SOCK_DGRAM, 0)), fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof sa;

	OK(bind(dead, (struct sockaddr *)&sa, sizeof sa));
	OK(getsockname(dead, (struct sockaddr *)&sa, &n));
	OK(connect(fd, (struct sockaddr *)&sa, sizeof sa));
	OK(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one));
	OK(close(dead));
	return fd;
}

/* What the queue has: the errno of its first entry, -1 if it is empty; what was sent is in b. */
static int
queued(int fd, char *b, size_t n, int *origin)
{
	char ctl[512];
	struct iovec v = { b, n };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl };
	int e = -1;

	if(recvmsg(fd, &m, MSG_ERRQUEUE) < 0) {
		EQ(errno, EAGAIN);
		return -1;
	}
	CHECK(m.msg_flags & MSG_ERRQUEUE);
	for(struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) {
			struct sock_extended_err *ee = (void *)CMSG_DATA(c);
			e = ee->ee_errno;
			*origin = ee->ee_origin;
		}
	CHECK(e >= 0);
	return e;
}

static void *
receiver(void *arg)
{
	char b[8];

	return (void *)(intptr_t)(recv(*(int *)arg, b, sizeof b, 0) == -1 ? errno : 0);
}

static void *
poller(void *arg)
{
	struct pollfd p = { *(int *)arg, 0, 0 };

	EQ(poll(&p, 1, 20000), 1);
	return (void *)(intptr_t)p.revents;
}

static void *
epoller(void *arg)
{
	struct epoll_event e = { 0 };
	int ep = OK(epoll_create1(0));

	OK(epoll_ctl(ep, EPOLL_CTL_ADD, *(int *)arg, &e));
	EQ(epoll_wait(ep, &e, 1, 20000), 1);
	OK(close(ep));
	return (void *)(intptr_t)e.events;
}

static void
refused(void)
{
	char b[16] = "";
	int origin = 0, fd = tonobody(), e;

	EQ(queued(fd, b, sizeof b, &origin), -1);
	pthread_t p = spawn(poller, &fd), q = spawn(epoller, &fd);
	nudge();
	EQ(send(fd, "lost", 4, 0), 4);
	EQ((intptr_t)join(p), POLLERR);
	EQ((intptr_t)join(q), EPOLLERR);
	FAILS(recv(fd, b, sizeof b, 0), ECONNREFUSED);
	EQ(queued(fd, b, sizeof b, &origin), ECONNREFUSED);
	EQ(origin, SO_EE_ORIGIN_ICMP);
	CHECK(memcmp(b, "lost", 4) == 0);
	EQ(queued(fd, b, sizeof b, &origin), -1);
	/* who waits for data has the error, and the queue what it was about */
	pthread_t t = spawn(receiver, &fd);
	nudge();
	EQ(send(fd, "gone", 4, 0), 4);
	EQ((intptr_t)join(t), ECONNREFUSED);
	do
		e = queued(fd, b, sizeof b, &origin);
	while(e == -1);
	EQ(e, ECONNREFUSED);
	CHECK(memcmp(b, "gone", 4) == 0);
	OK(close(fd));
	pass("refused");
}

/* Time stamps of what is sent: an entry each, in order, while another thread waits for data in vain. */
static void
stamps(void)
{
	enum { N = 20 };
	int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID, origin = 0;
	int a = OK(socket(AF_INET, SOCK_DGRAM, 0)), b = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof sa;
	char buf[256];

	OK(bind(b, (struct sockaddr *)&sa, sizeof sa));
	OK(getsockname(b, (struct sockaddr *)&sa, &n));
	OK(connect(a, (struct sockaddr *)&sa, sizeof sa));
	OK(setsockopt(a, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags));
	sa = (struct sockaddr_in){ .sin_family = AF_INET };
	n = sizeof sa;
	OK(getsockname(a, (struct sockaddr *)&sa, &n));
	pthread_t t = spawn(receiver, &a);
	for(int i = 0; i < N; i++) {
		struct pollfd p = { a, 0, 0 };
		EQ(send(a, &i, sizeof i, 0), (ssize_t)sizeof i);
		EQ(poll(&p, 1, 20000), 1);
		EQ(p.revents, POLLERR);
		EQ(queued(a, buf, sizeof buf, &origin), ENOMSG);
		EQ(origin, SO_EE_ORIGIN_TIMESTAMPING);
		EQ(recv(b, buf, sizeof buf, 0), (ssize_t)sizeof i);
		EQ(*(int *)buf, i);
	}
	EQ(sendto(b, "data", 4, 0, (struct sockaddr *)&sa, n), 4);
	EQ((intptr_t)join(t), 0);
	OK(close(a));
	OK(close(b));
	pass("time stamps");
}

int
main(void)
{
	refused();
	stamps();
	return 0;
}
