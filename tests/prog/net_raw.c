/* SPDX-License-Identifier: MIT */
/*
 * Raw sockets: threads that send echo requests to the loopback address (ICMP) and receive what the kernel answers, each its own among
 * all that come to each; and headers made by hand, below IP.
 */
#include "others.h"
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <sys/epoll.h>

enum { PINGERS = 8, ROUNDS = 12 };

static struct sockaddr_in lo = { .sin_family = AF_INET };

static uint16_t
checksum(const void *p, size_t n)
{
	const uint16_t *w = p;
	uint32_t s = 0;

	for(; n > 1; n -= 2)
		s += *w++;
	s = (s >> 16) + (s & 0xffff);
	return ~(s + (s >> 16));
}

static void
await(int fd, int how)
{
	struct pollfd p = { fd, POLLIN, 0 };
	struct epoll_event e = { .events = EPOLLIN };
	int ep;

	if(how == 1)
		EQ(poll(&p, 1, 20000), 1);
	if(how != 2)
		return;
	ep = OK(epoll_create1(0));
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	EQ(epoll_wait(ep, &e, 1, 20000), 1);
	OK(close(ep));
}

/* The answer to this request, whatever else comes; how many bytes of IP's header are before it. */
static size_t
answer(int fd, int how, const struct icmphdr *q)
{
	char b[200];

	for(;;) {
		struct sockaddr_in from;
		socklen_t n = sizeof from;
		await(fd, how);
		ssize_t r = OK(recvfrom(fd, b, sizeof b, 0, (struct sockaddr *)&from, &n));
		struct iphdr *ip = (void *)b;
		struct icmphdr *a = (void *)(b + ip->ihl * 4);
		CHECK(r >= (ssize_t)(ip->ihl * 4 + sizeof *a));
		if(a->type == ICMP_ECHOREPLY && a->un.echo.id == q->un.echo.id && a->un.echo.sequence == q->un.echo.sequence) {
			EQ(from.sin_addr.s_addr, lo.sin_addr.s_addr);
			return ip->ihl * 4;
		}
	}
}

static void *
pings(void *arg)
{
	int n = (intptr_t)arg, fd = OK(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	struct icmphdr q = { .type = ICMP_ECHO };

	q.un.echo.id = getpid() * 16 + n;
	for(int i = 0; i < ROUNDS; i++) {
		q.un.echo.sequence = i;
		q.checksum = 0;
		q.checksum = checksum(&q, sizeof q);
		EQ(sendto(fd, &q, sizeof q, 0, (struct sockaddr *)&lo, sizeof lo), sizeof q);
		EQ(answer(fd, n % 3, &q), sizeof(struct iphdr));
	}
	OK(close(fd));
	return NULL;
}

/* ---- frames ---- */

static int frames, proto;

/* One from each sender, in any order; and no more. */
static void *
takes(void *arg)
{
	unsigned char b[100];
	struct sockaddr_ll from;
	int seen = 0;

	for(int i = 0; i < PINGERS; i++) {
		socklen_t n = sizeof from;
		EQ(recvfrom(frames, b, sizeof b, 0, (struct sockaddr *)&from, &n), sizeof(struct ether_header) + 4);
		EQ(from.sll_pkttype, PACKET_HOST);
		CHECK(b[14] < PINGERS);
		seen |= 1 << b[14];
	}
	EQ(seen, (1 << PINGERS) - 1);
	FAILS(recv(frames, b, sizeof b, MSG_DONTWAIT), EAGAIN);
	return NULL;
}

static void *
sends(void *arg)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex("lo"), .sll_halen = 6 };
	int fd = OK(socket(AF_PACKET, SOCK_RAW, 0));
	struct {
		struct ether_header h;
		unsigned char data[4];
	} f = { .h = { .ether_type = htons(proto) }, .data = { (intptr_t)arg } };

	EQ(sendto(fd, &f, sizeof f, 0, (struct sockaddr *)&to, sizeof to), sizeof f);
	OK(close(fd));
	return NULL;
}

static void
below(void)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex("lo") };

	proto = 0x0a00 + getpid() % 50000;
	ll.sll_protocol = htons(proto);
	frames = OK(socket(AF_PACKET, SOCK_RAW, 0));
	OK(bind(frames, (struct sockaddr *)&ll, sizeof ll));
	pthread_t t = spawn(takes, NULL);
	nudge();
	joinall(spawnall(PINGERS, sends), PINGERS);
	join(t);
	OK(close(frames));
	pass("frames");
}

int
main(void)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	pthread_t w;

	if(fd < 0) {
		fprintf(stderr, "no raw sockets for us: %s\n", strerror(errno));
		return 77;
	}
	OK(close(fd));
	/* an address of this process's own, so that few others' answers come */
	lo.sin_addr.s_addr = htonl(0x7f000001 + (getpid() % 0xffff << 8));
	workpause = 1000;
	w = spawn(worker, NULL);
	joinall(spawnall(PINGERS, pings), PINGERS);
	pass("echoes");
	below();
	over = true;
	join(w);
	return 0;
}
