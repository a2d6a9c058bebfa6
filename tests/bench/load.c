/* SPDX-License-Identifier: MIT */
/*
 * Load generator: a fixed number of requests over a fixed number of connections, and what
 * they cost the server.
 *
 *	load PORT CONNECTIONS REQUESTS SERVER_PID [PROTOCOL]
 *
 * PROTOCOL is one of protocol.h's, echo by default.
 *
 * Each connection has at most one request on its way. First all connections
 * are made and each is answered once, so that a server which uses threads has them all;
 * these are not measured. Then REQUESTS are sent in all, each as soon as the connection's
 * last one has been answered, and the end is when the last answer is in: then the server
 * has done exactly REQUESTS times the same work, and the difference of its CPU clock is
 * theirs alone.
 *
 * Reports cpu (server's microseconds per request), busy (the share of the time that the server
 * used a CPU: well below 100 % it waits for the generator), rate (requests/s), latency quantiles,
 * connect (ms until all connections were answered once), rss and threads of the server
 * while all connections are open.
 */
#include "bench.h"
#include "listener.h"
#include "protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ANSWER_MAX = 65536, ANSWER_HEAD = 12, ANSWER_TAIL = 64 }; /* HEAD: "HTTP/1.1 200" */
enum { EVENTS = 1024, CONNECT_TRIES = 50, SILENCE_MS = 20000 };

struct conn {
	int fd;
	size_t got;         /* bytes of the answer to the last request */
	int64_t sent_at;
};

static int epoll;
static long nconns, nrequests;
static struct conn *conns;
static long sent, answered;         /* requests of this phase */
static int64_t *latency;            /* of each answered request */
static long port;
static const struct protocol *protocol;
static size_t request_len;
static char *first_answer;          /* the others are to be like it */
static size_t answer_len;

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

/* Read into buf until it holds all that is due; blocking. */
static void
receive_all(int fd, char *buf, size_t due)
{
	for(size_t got = 0; got < due;) {
		ssize_t n = read(fd, buf + got, due - got);

		if(n <= 0)
			die(n < 0 ? errno : 0, "the server closed a connection");
		got += (size_t)n;
	}
}

static void
send_all(int fd, const char *text, size_t len)
{
	if(write(fd, text, len) != (ssize_t)len)
		die(errno, "write");
}

/* Store what the requests will ask for, and learn what an answer is like, on a connection of its own. */
static void
learn(void)
{
	int fd = connect_to_server();
	size_t n = 0;

	if(protocol->prepare != NULL) {
		size_t len = strlen(protocol->prepared);
		char answer[64];

		send_all(fd, protocol->prepare, strlen(protocol->prepare));
		receive_all(fd, answer, len);
		if(memcmp(answer, protocol->prepared, len) != 0)
			die(0, "the server answered \"%.*s\" to the preparation", (int)len, answer);
	}
	send_all(fd, protocol->request, request_len);
	first_answer = alloc(ANSWER_MAX + 1, 1);
	while((answer_len = protocol->length(first_answer, n)) == 0 && n < ANSWER_MAX)
		receive_all(fd, first_answer + n++, 1);
	if(answer_len == 0 || answer_len > ANSWER_MAX)
		die(0, "the answer is longer than %d bytes", ANSWER_MAX);
	receive_all(fd, first_answer + n, answer_len - n);
	close(fd);
}

static void
request(struct conn *c)
{
	c->got = 0;
	c->sent_at = now_ns();
	send_all(c->fd, protocol->request, request_len);
	sent++;
}

/* Is buf, which is bytes [at, at + n) of an answer, like the first one, as far as it is the same in all? */
static int
as_expected(const char *buf, size_t at, size_t n)
{
	size_t head = answer_len < ANSWER_HEAD ? answer_len : ANSWER_HEAD;
	size_t tail = answer_len < ANSWER_TAIL ? 0 : answer_len - ANSWER_TAIL;

	for(size_t i = 0; i < n; i++)
		if((at + i < head || at + i >= tail) && buf[i] != first_answer[at + i])
			return 0;
	return 1;
}

/* Take what has come; true if that completes an answer. */
static int
receive(struct conn *c)
{
	static char buf[ANSWER_MAX];
	ssize_t n = recv(c->fd, buf, sizeof buf, MSG_DONTWAIT);

	if(n < 0 && errno == EAGAIN)
		return 0;
	if(n <= 0)
		die(n < 0 ? errno : 0, "the server closed a connection");
	if((size_t)n > answer_len - c->got)
		die(0, "the server sent more than it should");
	if(!as_expected(buf, c->got, (size_t)n))
		die(0, "a wrong answer");
	c->got += (size_t)n;
	return c->got == answer_len;
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
	if(argc != 5 && argc != 6)
		die(0, "usage: load PORT CONNECTIONS REQUESTS SERVER_PID [PROTOCOL]");
	port = number("PORT", argv[1], 1, 65535);
	nconns = number("CONNECTIONS", argv[2], 1, 1000000);
	nrequests = number("REQUESTS", argv[3], 1, 1000000000);
	pid_t server = (pid_t)number("SERVER_PID", argv[4], 1, 1L << 30);
	protocol = find_protocol(argc == 6 ? argv[5] : "echo");
	request_len = strlen(protocol->request);

	raise_descriptor_limit(nconns);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	conns = alloc((size_t)nconns, sizeof conns[0]);
	latency = alloc((size_t)(nrequests > nconns ? nrequests : nconns), sizeof latency[0]);

	int64_t start = now_ns();
	learn();
	connect_all();
	phase(nconns);
	report("connect", (double)(now_ns() - start) / 1e6, "ms");

	int64_t cpu = cpu_ns_of(server);
	start = now_ns();
	phase(nrequests);
	int64_t wall = now_ns() - start;
	cpu = cpu_ns_of(server) - cpu;
	report("cpu", (double)cpu / 1e3 / (double)nrequests, "us");
	report("busy", (double)cpu * 100 / (double)wall, "%");
	report("rate", (double)nrequests / ((double)wall / 1e9), "requests/s");
	report("rss", (double)proc_status(server, "VmRSS") / 1024, "MiB");
	report("threads", (double)proc_status(server, "Threads"), "threads");
	report_latencies("latency", latency, nrequests);
	return 0;
}
