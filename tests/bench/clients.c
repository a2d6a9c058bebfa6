/* SPDX-License-Identifier: MIT */
/*
 * The clients of a server that has a thread for each connection: what they cost it.
 *
 *	clients PROTOCOL PORT CONNECTIONS IN_FLIGHT SECONDS SERVER_PID LABEL
 *
 * PROTOCOL: nbd (clients_nbd.c) or mysql (clients_mysql.c); every answer is checked.
 *
 * All connections are made and answered once; this is not measured. Then for SECONDS
 * IN_FLIGHT requests are kept on their way, each on the connection that has been idle
 * longest: so all connections work in turn, and latency tells of the server, not of the
 * length of a queue made here. When the last answers are in, the difference of the
 * server's CPU clock is the requests' alone. At the end each connection is closed as the
 * protocol says, and the server must close its side.
 *
 * Reports cpu (server's microseconds per request), rate (requests/s), latency quantiles,
 * connect (ms for all connections), and of the server while it worked the most threads,
 * rss, and kernel: memory that the kernel needs for it and counts nowhere in rss, which is
 * its page tables and each thread's kernel stack. others is how many CPUs other programs
 * kept busy meanwhile: the more, the less rate and latency mean. A live line that begins with LABEL is kept on standard error if that
 * is a terminal.
 */
#include "clients.h"
#include "bench.h"
#include "listener.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { EVENTS = 512, SILENCE_S = 10, TICK_MS = 200 };
enum { KERNEL_STACK_KIB = 16 };         /* THREAD_SIZE of amd64 and arm64 */

static const struct protocol *const protocols[] = {&nbd, &mysql};
static const struct protocol *protocol;
static int epoll;
static long port, nconns;
static pid_t server;
static const char *label;
static struct conn *conns;

/* Idle connections, the longest idle first: a ring of nconns places. */
static struct conn **idle;
static long idle_first, nidle;

static long inflight, answered;
static int64_t *latency;        /* of each answered request */
static long latency_room;
static long most_rss, most_tables, most_threads;

static void __attribute__((format(printf, 1, 2)))
progress(const char *fmt, ...)
{
	static int64_t last;
	va_list ap;

	if(!isatty(2) || now_ns() - last < TICK_MS * 1000000LL)
		return;
	last = now_ns();
	fprintf(stderr, "\033[K%s: ", label);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\r', stderr);   /* what is printed next takes its place */
}

void
receive_all(struct conn *c, void *buf, size_t n)
{
	ssize_t got = recv(c->fd, buf, n, MSG_WAITALL);

	if(got != (ssize_t)n)
		die(got < 0 ? errno : 0, "handshake: %zd bytes instead of %zu", got, n);
}

void
send_all(struct conn *c, const void *buf, size_t n)
{
	/* A connection has one request on its way, which its empty send buffer always takes. */
	if(send(c->fd, buf, n, MSG_NOSIGNAL) != (ssize_t)n)
		die(errno, "send");
}

/* Connect and log in; the server's thread for this connection then waits for requests. */
static void
open_connection(struct conn *c)
{
	struct sockaddr_in addr = loopback(port);
	struct timeval patience = {.tv_sec = SILENCE_S};

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if(c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
		die(errno, "socket");
	if(connect(c->fd, (struct sockaddr *)&addr, sizeof addr) != 0)
		die(errno, "connect");
	set_nodelay(c->fd);
	protocol->login(c);
}

static void
connect_all(void)
{
	for(long i = 0; i < nconns; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &conns[i]};

		open_connection(&conns[i]);
		if(epoll_ctl(epoll, EPOLL_CTL_ADD, conns[i].fd, &ev) != 0)
			die(errno, "epoll_ctl");
		idle[i] = &conns[i];
		progress("%ld of %ld connections", i + 1, nconns);
	}
	nidle = nconns;
}

static void
request(struct conn *c)
{
	static uint64_t number = 88172645463325252ull;

	number ^= number << 13, number ^= number >> 7, number ^= number << 17;
	c->got = 0;
	c->sent_at = now_ns();
	protocol->request(c, number);
	inflight++;
}

/* Take what has come; true if that completes a reply. */
static int
receive(struct conn *c)
{
	ssize_t n = recv(c->fd, c->reply + c->got, sizeof c->reply - c->got, MSG_DONTWAIT);

	if(n < 0 && errno == EAGAIN)
		return 0;
	if(n <= 0)
		die(n < 0 ? errno : 0, "the server closed a connection");
	c->got += (size_t)n;
	return protocol->complete(c);
}

static void
record(int64_t ns)
{
	if(answered == latency_room) {
		latency_room = latency_room * 2 + (1L << 20);
		latency = realloc(latency, (size_t)latency_room * sizeof latency[0]);
		if(latency == NULL)
			die(errno, "latencies");
	}
	latency[answered++] = ns;
}

static void
look_at_server(void)
{
	long rss = proc_status(server, "VmRSS"), tables = proc_status(server, "VmPTE");
	long threads = proc_status(server, "Threads");

	most_rss = rss > most_rss ? rss : most_rss;
	most_tables = tables > most_tables ? tables : most_tables;
	most_threads = threads > most_threads ? threads : most_threads;
}

/* Keep most requests on their way, until the time end and for at least least answers. */
static void
work(long most, long least, int64_t end)
{
	struct epoll_event events[EVENTS];
	int64_t start = now_ns(), now = start, look = start;

	answered = 0;
	for(;;) {
		int more = now < end || answered + inflight < least;

		while(more && inflight < most && nidle > 0) {
			request(idle[idle_first]);
			idle_first = (idle_first + 1) % nconns;
			nidle--;
			more = now < end || answered + inflight < least;
		}
		if(inflight == 0)
			return;
		int n = epoll_wait(epoll, events, EVENTS, SILENCE_S * 1000);
		if(n < 0 && errno == EINTR)
			continue;
		if(n <= 0)
			die(n < 0 ? errno : 0, "no answer for %d s: %ld requests wait, %ld were answered",
			    SILENCE_S, inflight, answered);
		now = now_ns();
		for(int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if(!receive(c))
				continue;
			record(now_ns() - c->sent_at);
			protocol->check(c);
			inflight--;
			idle[(idle_first + nidle++) % nconns] = c;
		}
		if(now < look)
			continue;
		look = now + TICK_MS * 1000000LL;
		look_at_server();
		progress("%.1f s, %.0f requests/s", (double)(now - start) / 1e9,
		    (double)answered / ((double)(now - start + 1) / 1e9));
	}
}

/* Nanoseconds of CPU time that all programs and the kernel together have used. */
static int64_t
cpu_ns_of_all(void)
{
	unsigned long long user, nice, sys, rest, wait, irq, softirq;
	FILE *f = fopen("/proc/stat", "re");
	int n = 0;

	if(f != NULL) {
		n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &sys, &rest, &wait, &irq,
		    &softirq);
		fclose(f);
	}
	if(n != 7)
		die(0, "/proc/stat does not tell of the CPUs");
	return (int64_t)(user + nice + sys + irq + softirq) * (1000000000LL / sysconf(_SC_CLK_TCK));
}

/* Say goodbye on all connections, then see that the server has closed each. */
static void
disconnect_all(void)
{
	char c;

	for(long i = 0; i < nconns; i++)
		protocol->logout(&conns[i]);
	for(long i = 0; i < nconns; i++) {
		ssize_t n = recv(conns[i].fd, &c, 1, 0);

		if(n != 0)
			die(n < 0 ? errno : 0, "the server does not close connection %ld of %ld", i, nconns);
		close(conns[i].fd);
	}
}

static const struct protocol *
named(const char *name)
{
	for(size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++)
		if(strcmp(protocols[i]->name, name) == 0)
			return protocols[i];
	die(0, "no protocol %s", name);
}

int
main(int argc, char **argv)
{
	if(argc != 8)
		die(0, "usage: clients PROTOCOL PORT CONNECTIONS IN_FLIGHT SECONDS SERVER_PID LABEL");
	protocol = named(argv[1]);
	port = number("PORT", argv[2], 1, 65535);
	nconns = number("CONNECTIONS", argv[3], 1, 1000000);
	long most = number("IN_FLIGHT", argv[4], 1, nconns);
	long seconds = number("SECONDS", argv[5], 1, 3600);
	server = (pid_t)number("SERVER_PID", argv[6], 1, 1L << 30);
	label = argv[7];

	raise_descriptor_limit(nconns);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if(epoll < 0)
		die(errno, "epoll_create1");
	conns = alloc((size_t)nconns, sizeof conns[0]);
	idle = alloc((size_t)nconns, sizeof idle[0]);

	int64_t start = now_ns();
	connect_all();
	report("connect", (double)(now_ns() - start) / 1e6, "ms");
	work(most, nconns, 0);

	most_rss = most_tables = most_threads = 0;
	int64_t cpu = cpu_ns_of(server), own = cpu_ns(), all = cpu_ns_of_all();
	start = now_ns();
	work(most, 1, start + seconds * 1000000000LL);
	int64_t wall = now_ns() - start;
	cpu = cpu_ns_of(server) - cpu;
	all = cpu_ns_of_all() - all - cpu - (cpu_ns() - own);
	look_at_server();
	report("cpu", (double)cpu / 1e3 / (double)answered, "us");
	report("rate", (double)answered / ((double)wall / 1e9), "requests/s");
	report("rss", (double)most_rss / 1024, "MiB");
	report("kernel", (double)(most_tables + most_threads * KERNEL_STACK_KIB) / 1024, "MiB");
	report("threads", (double)most_threads, "threads");
	report("others", all > 0 ? (double)all / (double)wall : 0, "CPUs");
	report_latencies("latency", latency, answered);
	disconnect_all();
	if(isatty(2))
		fprintf(stderr, "\033[K");
	return 0;
}
