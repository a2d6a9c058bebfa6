/* SPDX-License-Identifier: MIT */
/*
 * A resolver's server of our own on 127.0.0.1, in a child process: each question is answered `delay` ms after it has
 * come, A with 10.x.y.z for "hN.test" (N = 65536 x + 256 y + z), anything else with no address. What libc
 * asks is directed there by dnsuse, in each thread.
 */
#ifndef DNS_H
#define DNS_H

#include "io_util.h"
#include <netdb.h>
#include <nss.h>
#include <resolv.h>
#include <signal.h>
#include <sys/prctl.h>

enum { DNSQUEUE = 4096 };

struct question {
	int64_t due;
	struct sockaddr_in from;
	ssize_t n;
	unsigned char text[300];
};

static struct sockaddr_in dnsaddr;

static void
dnsanswer(int fd, struct question *q)
{
	unsigned char *p = q->text, *name = p + 12;
	unsigned n = 0;

	p[2] |= 0x80; /* an answer */
	p[3] = 0x80;
	p[10] = p[11] = 0;                                          /* without the question's additional records */
	for(unsigned char *d = name + 2; *name != 0 && *d >= '0' && *d <= '9'; d++)
		n = n * 10 + *d - '0';
	while(*name != 0)
		name += *name + 1;
	unsigned char *end = name + 5;
	if(name[2] == 1) {
		unsigned char a[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, n >> 16, n >> 8, n };
		p[7] = 1;
		memcpy(end, a, sizeof a);
		end += sizeof a;
	}
	sendto(fd, p, end - p, 0, (struct sockaddr *)&q->from, sizeof q->from);
}

__attribute__((noreturn)) static void
dnsserve(int fd, int delay)
{
	static struct question queue[DNSQUEUE];
	unsigned head = 0, tail = 0;

	for(;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		int64_t wait = head == tail ? -1 : (queue[head % DNSQUEUE].due - now() + MS - 1) / MS;
		if(head == tail || wait > 0)
			poll(&p, 1, (int)wait);
		while(head != tail && queue[head % DNSQUEUE].due <= now())
			dnsanswer(fd, &queue[head++ % DNSQUEUE]);
		struct question *q = &queue[tail % DNSQUEUE];
		socklen_t len = sizeof q->from;
		q->n = recvfrom(fd, q->text, 256, MSG_DONTWAIT, (struct sockaddr *)&q->from, &len);
		if(q->n > 16 && tail - head < DNSQUEUE) {
			q->due = now() + delay * MS;
			tail++;
		}
	}
}

/* Starts it, before the first thread. It ends with its parent. */
__attribute__((unused)) static void
dnsstart(int delay)
{
	socklen_t len = sizeof dnsaddr;
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0)), size = 4 << 20;

	dnsaddr = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	OK(bind(fd, (struct sockaddr *)&dnsaddr, sizeof dnsaddr));
	OK(getsockname(fd, (struct sockaddr *)&dnsaddr, &len));
	if(OK(fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dnsserve(fd, delay);
	}
	OK(close(fd));
	__nss_configure_lookup("hosts", "dns"); /* whatever nsswitch.conf says */
}

/* Directs the calling thread's questions there. */
__attribute__((unused)) static void
dnsuse(void)
{
	EQ(res_init(), 0);
	_res.nscount = 1;
	_res.nsaddr_list[0] = dnsaddr;
	_res.options &= ~(RES_DNSRCH | RES_DEFNAMES);
	_res.retrans = 60;
	_res.retry = 1;
}

/* The address of hN.test must be the one that it should be. */
__attribute__((unused)) static void
dnscheck(int n, int family)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM }, *ai;
	char name[40];
	int e;

	snprintf(name, sizeof name, "h%d.test", n);
	e = getaddrinfo(name, "80", &hints, &ai);
	if(e != 0)
		die(__FILE__, __LINE__, "getaddrinfo %s: %s", name, gai_strerror(e));
	EQ(ai->ai_family, AF_INET);
	EQ(ntohl(((struct sockaddr_in *)ai->ai_addr)->sin_addr.s_addr), 10u << 24 | (unsigned)n);
	CHECK(ai->ai_next == NULL);
	freeaddrinfo(ai);
}

#endif
