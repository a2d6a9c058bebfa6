/* SPDX-License-Identifier: MIT */
/* The sockets among the kinds of mx_kinds.h: how each is made, and made ready. */
#ifndef MX_SOCKETS_H
#define MX_SOCKETS_H

#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stddef.h>

static int table_nr; /* which table this is of the program's */

/* What nobody waits for may be gone by then. */
static void
feedwrite(struct end *e)
{
	ssize_t n = write(e->peer, "abcd", 4);

	CHECK(n == 4 || errno == EPIPE || errno == ECONNREFUSED || errno == ECONNRESET || errno == EIO);
}

static void
put(struct end *e, const int fd[2])
{
	e->fd = fd[0];
	e->peer = fd[1];
}

static void
mkpair(struct end *e, int type)
{
	int fd[2];

	OK(socketpair(AF_UNIX, type, 0, fd));
	put(e, fd);
}

static void mkunix(struct end *e) { mkpair(e, SOCK_STREAM); }
static void mkseq(struct end *e) { mkpair(e, SOCK_SEQPACKET); }
static void mkdgram(struct end *e) { mkpair(e, SOCK_DGRAM); }

static void
mktcp(struct end *e)
{
	int fd[2];

	tcppair(fd);
	put(e, fd);
}

static struct sockaddr_in
myaddress(void)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = loopback() };
}

static void
mkudp(struct end *e)
{
	struct sockaddr_in sa = myaddress();
	socklen_t n = sizeof sa;

	e->fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	OK(bind(e->fd, (struct sockaddr *)&sa, sizeof sa));
	OK(getsockname(e->fd, (struct sockaddr *)&sa, &n));
	e->peer = OK(socket(AF_INET, SOCK_DGRAM, 0));
	OK(connect(e->peer, (struct sockaddr *)&sa, sizeof sa));
}

/* Each cell has a protocol of its own: raw sockets get all that comes to their address. */
static void
mkraw(struct end *e)
{
	struct sockaddr_in sa = myaddress();

	if((e->fd = socket(AF_INET, SOCK_RAW, 200 + e->nr)) < 0)
		return;
	OK(bind(e->fd, (struct sockaddr *)&sa, sizeof sa));
	e->peer = OK(socket(AF_INET, SOCK_RAW, 200 + e->nr));
	OK(connect(e->peer, (struct sockaddr *)&sa, sizeof sa));
}

/* Below IP, on the loopback interface; each cell has a protocol of its own, and it is unlikely that two processes share any. */
static int
packetsocket(int nr)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex("lo"),
		.sll_protocol = htons(0x0801 + getpid() % 900 * 64 + nr) };
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0);

	if(fd >= 0)
		OK(bind(fd, (struct sockaddr *)&ll, sizeof ll));
	return fd;
}

static void
mkpacket(struct end *e)
{
	if((e->fd = packetsocket(e->nr)) >= 0)
		e->peer = OK(packetsocket(e->nr));
}

static void
mknetlink(struct end *e)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK };
	socklen_t n = sizeof nl;

	if((e->fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK)) < 0)
		return;
	OK(bind(e->fd, (struct sockaddr *)&nl, sizeof nl));
	OK(getsockname(e->fd, (struct sockaddr *)&nl, &n));
	e->peer = OK(socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK));
	OK(connect(e->peer, (struct sockaddr *)&nl, sizeof nl));
}

static socklen_t
abstractname(struct sockaddr_un *su, struct end *e, const char *what)
{
	*su = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* the program's earlier tables have their names still */
	return offsetof(struct sockaddr_un, sun_path) + 1 +
	       snprintf(su->sun_path + 1, 60, "mx.%d.%d.%s.%d", getpid(), table_nr, what, e->nr);
}

/* A connection by an abstract name. */
static void
mkabstract(struct end *e)
{
	struct sockaddr_un su;
	socklen_t n = abstractname(&su, e, "conn");
	int l = OK(socket(AF_UNIX, SOCK_STREAM, 0));

	OK(bind(l, (struct sockaddr *)&su, n));
	OK(listen(l, 1));
	e->peer = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(connect(e->peer, (struct sockaddr *)&su, n));
	e->fd = OK(accept(l, NULL, NULL));
	OK(close(l));
}

static void
mkunixlistener(struct end *e)
{
	struct sockaddr_un su;
	socklen_t n = abstractname(&su, e, "listen");

	e->fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(e->fd, (struct sockaddr *)&su, n));
	OK(listen(e->fd, 5));
	e->aux[0] = OK(socket(AF_UNIX, SOCK_STREAM, 0));
}

static void
feedunixlistener(struct end *e)
{
	struct sockaddr_un su;
	socklen_t n = abstractname(&su, e, "listen");

	CHECK(connect(e->aux[0], (struct sockaddr *)&su, n) == 0 || errno == ECONNREFUSED);
}

static void
mklistener(struct end *e)
{
	struct sockaddr_in sa;

	e->fd = tcplisten(&sa, 5);
	e->aux[0] = OK(socket(AF_INET, SOCK_STREAM, 0));
	e->aux[1] = ntohs(sa.sin_port);
}

/*
 * A listener that is closed, and kept by who waits at it, goes with them: before the connection comes, or as soon as
 * it is there, when it is reset though connect may not have returned.
 */
static void
feedlistener(struct end *e)
{
	struct sockaddr_in sa = myaddress();

	sa.sin_port = htons(e->aux[1]);
	CHECK(connect(e->aux[0], (struct sockaddr *)&sa, sizeof sa) == 0 || errno == ECONNREFUSED || errno == ECONNRESET);
}

#endif
