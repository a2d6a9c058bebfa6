/* SPDX-License-Identifier: MIT */
/*
 * Load generator for the echo servers: a fixed number of requests over a fixed number of
 * connections, and what they cost the server.
 *
 *	load PORT CONNECTIONS REQUESTS SERVER_PID
 *
 * Each connection has at most one request of 64 bytes on its way. First all connections
 * are made and each is answered once, so that a server which uses threads has them all;
 * these are not measured. Then REQUESTS are sent in all, each as soon as the connection's
 * last one has been answered, and the end is when the last answer is in: then the server
 * has done exactly REQUESTS times the same work, and the difference of its CPU clock is
 * theirs alone.
 *
 * Reports cpu (server's microseconds per request), rate (requests/s), latency quantiles,
 * connect (ms until all connections were answered once), rss and threads of the server
 * while all connections are open.
 */
#include "bench.h"
#include "listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MESSAGE = 64, EVENTS = 1024, CONNECT_TRIES = 50, SILENCE_MS = 20000 };

struct conn {
	int fd;
	int missing;        /* bytes of the answer that are still to come; 0: idle */
	int64_t sent_at;
};

static int epoll;
static long nconns, nrequests;
static struct conn *conns;
static long sent, answered;         /* requests of this phase */
static int64_t *latency;            /* of each answered request */
static long port;

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if(getrlimit(RLIMIT_NOFILE, &limit) != 0)
		die(errno, "RLIMIT_NOFILE");
	if(limit.rlim_max < (rlim_t)nconns + 16)
		die(0, "%ld connections need more descriptors than the limit of %lu allows", nconns,
		    (unsigned long)limit.rlim_max);
	limit.rlim_cur = limit.rlim_max;
	if(setrlimit(RLIMIT_NOFILE, &limit) != 0)
		die(errno, "RLIMIT_NOFILE");
}

/* The server may still be starting, or its listen queue may be full: try for 5 s. */
static int
connect_to_server(void)
{
	struct sockaddr_in addr = loopback(port);

	for(int try = 0;; try++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if(fd < 0)
			die(errno, "socket");
		if(connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0)
			return fd;
		if(try == CONNECT_TRIES)
			die(errno, "connect to port %ld", port);
		close(fd);
		usleep(100000);
	}
}

static void
connect_all(void)
{
	for(long i = 0; i < nconns; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &conns[i]};

		conns[i].fd = connect_to_server();
		set_nodelay(conns[i].fd);
		if(epoll_ctl(epoll, EPOLL_CTL_ADD, conns[i].fd, &ev) != 0)
			die(errno, "epoll_ctl");
	}
}

static void
request(struct conn *c)
{
	static const char message[MESSAGE] = "sixty-four bytes of text that the server is to send back as is";

	c->missing = MESSAGE;
	c->sent_at = now_ns();
	if(write(c->fd, message, MESSAGE) != MESSAGE)
		die(errno, "write");
	sent++;
}

/* Take what has come; true if that completes an answer. */
static int
receive(struct conn *c)
{
	char buf[MESSAGE];
	ssize_t n = recv(c->fd, buf, sizeof buf, MSG_DONTWAIT);

	if(n < 0 && errno == EAGAIN)
		return 0;
	if(n <= 0)
		die(n < 0 ? errno : 0, "the server closed a connection");
	if(n > c->missing)
		die(0, "the server sent more than it got");
	c->missing -= (int)n;
	return c->missing == 0;
}

/* Send total requests over all connections and wait for all answers. */
static void
phase(long total)
{
	struct epoll_event events[EVENTS];

	sent = answered = 0;
	for(long i = 0; i < nconns && sent < total; i++)
		request(&conns[i]);
	while(answered < total) {
		int n = epoll_wait(epoll, events, EVENTS, SILENCE_MS);

		if(n < 0 && errno == EINTR)
			continue;
		if(n <= 0)
			die(n < 0 ? errno : 0, "no answer for %d s: %ld sent, %ld answered", SILENCE_MS / 1000,
			    sent, answered);
		for(int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if(!receive(c))
				continue;
			latency[answered++] = now_ns() - c->sent_at;
			if(sent < total)
				request(c);
		}
	}
}

int
main(int argc, char **argv)
{
	if(argc != 5)
		die(0, "usage: load PORT CONNECTIONS REQUESTS SERVER_PID");
	port = number("PORT", argv[1], 1, 65535);
	nconns = number("CONNECTIONS", argv[2], 1, 1000000);
	nrequests = number("REQUESTS", argv[3], 1, 1000000000);
	pid_t server = (pid_t)number("SERVER_PID", argv[4], 1, 1L << 30);

	raise_descriptor_limit();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	conns = alloc((size_t)nconns, sizeof conns[0]);
	latency = alloc((size_t)(nrequests > nconns ? nrequests : nconns), sizeof latency[0]);

	int64_t start = now_ns();
	connect_all();
	phase(nconns);
	report("connect", (double)(now_ns() - start) / 1e6, "ms");

	int64_t cpu = cpu_ns_of(server);
	start = now_ns();
	phase(nrequests);
	int64_t wall = now_ns() - start;
	cpu = cpu_ns_of(server) - cpu;
	report("cpu", (double)cpu / 1e3 / (double)nrequests, "us");
	report("rate", (double)nrequests / ((double)wall / 1e9), "requests/s");
	report("rss", (double)proc_status(server, "VmRSS") / 1024, "MiB");
	report("threads", (double)proc_status(server, "Threads"), "threads");
	report_latencies("latency", latency, nrequests);
	return 0;
}
