/* SPDX-License-Identifier: MIT */
/* Datagrams: UDP, unix datagram and seqpacket sockets; boundaries, sources, truncation, many at once. */
#include "io_util.h"

static int a, b; /* b's messages arrive at a */
static struct sockaddr_storage aaddr, baddr;
static socklen_t alen, blen;

static void
udppair(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	a = OK(socket(AF_INET, SOCK_DGRAM, 0));
	b = OK(socket(AF_INET, SOCK_DGRAM, 0));
	OK(bind(a, (struct sockaddr *)&sa, sizeof sa));
	OK(bind(b, (struct sockaddr *)&sa, sizeof sa));
	alen = blen = sizeof aaddr;
	OK(getsockname(a, (struct sockaddr *)&aaddr, &alen));
	OK(getsockname(b, (struct sockaddr *)&baddr, &blen));
}

/* The length lies in the address, so autobind's abstract names do. */
static void
unixpair(void)
{
	struct sockaddr_un su = { .sun_family = AF_UNIX };
	a = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	b = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	OK(bind(a, (struct sockaddr *)&su, sizeof(sa_family_t)));
	OK(bind(b, (struct sockaddr *)&su, sizeof(sa_family_t)));
	alen = blen = sizeof aaddr;
	OK(getsockname(a, (struct sockaddr *)&aaddr, &alen));
	OK(getsockname(b, (struct sockaddr *)&baddr, &blen));
}

static void *
sender(void *arg)
{
	char buf[200];
	for(int i = 1; i <= 100; i++) {
		memset(buf, i, i);
		if(i % 30 == 0)
			nudge();
		struct iovec v[2] = { { buf, i / 2 }, { buf + i / 2, i - i / 2 } };
		struct msghdr m = { .msg_iov = v, .msg_iovlen = 2, .msg_name = &aaddr, .msg_namelen = alen };
		if(i % 2)
			EQ(sendto(b, buf, i, 0, (struct sockaddr *)&aaddr, alen), i);
		else
			EQ(sendmsg(b, &m, 0), i);
	}
	return NULL;
}

/* Each message whole, in order, with its source. */
static void
boundaries(const char *name)
{
	char buf[200];
	struct sockaddr_storage src;
	pthread_t t = spawn(sender, NULL);
	for(int i = 1; i <= 100; i++) {
		socklen_t len = sizeof src;
		struct iovec v = { buf, sizeof buf };
		struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_name = &src, .msg_namelen = sizeof src };
		if(i % 3 == 0) {
			EQ(recvmsg(a, &m, 0), i);
			EQ(m.msg_flags, 0);
			len = m.msg_namelen;
		} else
			EQ(recvfrom(a, buf, sizeof buf, 0, (struct sockaddr *)&src, &len), i);
		EQ(len, blen);
		CHECK(memcmp(&src, &baddr, len) == 0);
		for(int k = 0; k < i; k++)
			EQ(buf[k], i);
	}
	join(t);
	pass("%s: boundaries", name);
}

static void
truncation(const char *name)
{
	char buf[8] = "";
	struct iovec v = { buf, 4 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	for(int i = 0; i < 5; i++)
		EQ(sendto(b, "truncated", 9, 0, (struct sockaddr *)&aaddr, alen), 9);
	EQ(recv(a, buf, 4, 0), 4);
	EQ(recv(a, buf, 4, MSG_TRUNC), 9);
	CHECK(memcmp(buf, "trun", 5) == 0);
	EQ(recvmsg(a, &m, 0), 4);
	EQ(m.msg_flags & MSG_TRUNC, MSG_TRUNC);
	EQ(recv(a, buf, 4, MSG_PEEK), 4);
	EQ(recv(a, buf, 8, MSG_PEEK | MSG_TRUNC), 9);
	EQ(read(a, buf, 2), 2);
	EQ(recv(a, buf, 0, 0), 0);
	FAILS(recv(a, buf, 4, MSG_DONTWAIT), EAGAIN);
	/* An empty message is a message. */
	EQ(sendto(b, "", 0, 0, (struct sockaddr *)&aaddr, alen), 0);
	EQ(recv(a, buf, 4, 0), 0);
	FAILS(recv(a, buf, 4, MSG_DONTWAIT), EAGAIN);
	pass("%s: truncation", name);
}

static void *
lots(void *arg)
{
	enum { V = 5 };
	char buf[V][8];
	struct iovec v[V];
	struct mmsghdr mm[V];
	memset(mm, 0, sizeof mm);
	for(int i = 0; i < V; i++) {
		v[i] = (struct iovec){ buf[i], 8 };
		mm[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1, .msg_name = &aaddr, .msg_namelen = alen };
		memset(buf[i], 'a' + i, 8);
	}
	nudge();
	for(int sent = 0; sent < V;)
		sent += OK(sendmmsg(b, mm + sent, V - sent, 0));
	return NULL;
}

static void
many(const char *name)
{
	enum { V = 8 };
	char buf[V][16];
	struct iovec v[V];
	struct mmsghdr mm[V];
	for(int i = 0; i < V; i++) {
		v[i] = (struct iovec){ buf[i], 16 };
		mm[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1 } };
	}
	pthread_t t = spawn(lots, NULL);
	/* Waits for the first, takes what there is. */
	int got = 0;
	while(got < 5) {
		int n = OK(recvmmsg(a, mm + got, 5 - got, MSG_WAITFORONE, NULL));
		CHECK(n >= 1);
		got += n;
	}
	join(t);
	for(int i = 0; i < 5; i++) {
		EQ(mm[i].msg_len, 8);
		for(int k = 0; k < 8; k++)
			EQ(buf[i][k], 'a' + i);
	}
	/* Without the flag all five are waited for. */
	t = spawn(lots, NULL);
	EQ(recvmmsg(a, mm, 5, 0, NULL), 5);
	join(t);
	/* The timeout is looked at after each message. */
	struct timespec ts = { 0, 0 };
	t = spawn(lots, NULL);
	EQ(recvmmsg(a, mm, 5, 0, &ts), 1);
	EQ(recvmmsg(a, mm, 4, 0, NULL), 4);
	join(t);
	FAILS(recvmmsg(a, mm, 5, MSG_DONTWAIT, NULL), EAGAIN);
	pass("%s: many at once", name);
}

static void *
slowdrain(void *arg)
{
	char buf[2000];
	int n = 0;
	nudge();
	for(;;) {
		ssize_t r = recv(a, buf, sizeof buf, 0);
		if(r == 1)
			return (void *)(intptr_t)n;
		EQ(r, 1000);
		n++;
	}
}

/* A unix datagram's sender waits for room in the receiver's queue: none is lost. */
static void
fullqueue(void)
{
	char buf[1000] = "";
	pthread_t t = spawn(slowdrain, NULL);
	for(int i = 0; i < 400; i++)
		EQ(sendto(b, buf, 1000, 0, (struct sockaddr *)&aaddr, alen), 1000);
	EQ(sendto(b, buf, 1, 0, (struct sockaddr *)&aaddr, alen), 1);
	EQ((intptr_t)join(t), 400);
	pass("unix: full queue");
}

static void *
seqdrain(void *arg)
{
	char buf[2000];
	int n = 0;
	nudge();
	while(recv(a, buf, sizeof buf, 0) == 700)
		n++;
	return (void *)(intptr_t)n;
}

static void
seqpacket(void)
{
	int s[2];
	char buf[700] = "";
	OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	a = s[0], b = s[1];
	pthread_t t = spawn(seqdrain, NULL);
	for(int i = 0; i < 1000; i++)
		EQ(send(b, buf, 700, 0), 700);
	OK(shutdown(b, SHUT_WR));
	EQ((intptr_t)join(t), 1000);
	EQ(send(a, "abcdef", 6, MSG_EOR), 6);
	struct iovec v = { buf, 3 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	EQ(recvmsg(b, &m, 0), 3);
	EQ(m.msg_flags & MSG_TRUNC, MSG_TRUNC);
	OK(close(a));
	EQ(recv(b, buf, 3, 0), 0);
	OK(close(b));
	pass("seqpacket");
}

/* An error that the network reports: a closed port, seen by a waiting receiver. */
static void *
connrefused(void *arg)
{
	char c;
	FAILS(recv(b, &c, 1, 0), ECONNREFUSED);
	return NULL;
}

static void
icmp(void)
{
	udppair();
	OK(connect(b, (struct sockaddr *)&aaddr, alen));
	OK(close(a));
	pthread_t t = spawn(connrefused, NULL);
	nudge();
	EQ(send(b, "x", 1, 0), 1);
	join(t);
	OK(close(b));
	pass("refused");
}

int
main(void)
{
	udppair();
	boundaries("udp"), truncation("udp"), many("udp");
	OK(close(a)), OK(close(b));
	unixpair();
	boundaries("unix"), truncation("unix"), many("unix");
	fullqueue();
	OK(close(a)), OK(close(b));
	seqpacket();
	icmp();
	return 0;
}
