/* SPDX-License-Identifier: MIT */
/*
 * Load generator for an NBD server (network block device) that exports nbdkit's pattern:
 * a disk on which every 8 bytes, big-endian, are their own offset, so that each answer
 * can be checked.
 *
 *	nbd PORT CONNECTIONS IN_FLIGHT SECONDS SERVER_PID LABEL
 *
 * All connections are made and answered once; this is not measured. Then for SECONDS
 * IN_FLIGHT reads of 512 bytes are kept on their way, each on the connection that has been
 * idle longest: so all connections work in turn, and latency tells of the server, not of
 * the length of a queue made here. When the last answers are in, the difference of the
 * server's CPU clock is the requests' alone. At the end each connection is closed as the
 * protocol says, and the server must close its side.
 *
 * Reports cpu (server's microseconds per request), rate (requests/s), latency quantiles,
 * connect (ms for all connections), and the server's most rss, pagetables and threads
 * while it worked. A live line that begins with LABEL is kept on standard error if that
 * is a terminal.
 *
 * Protocol: github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, fixed newstyle
 * handshake, simple replies.
 */
#include "bench.h"
#include "listener.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { BLOCK = 512, EVENTS = 512, SILENCE_S = 10, TICK_MS = 200 };

#define NBDMAGIC      0x4e42444d41474943ull
#define IHAVEOPT      0x49484156454f5054ull
#define REQUEST_MAGIC 0x25609513u
#define REPLY_MAGIC   0x67446698u

enum { FIXED_NEWSTYLE = 1, NO_ZEROES = 2 };     /* handshake flags */
enum { OPT_EXPORT_NAME = 1 };
enum { CMD_READ = 0, CMD_DISC = 2 };

struct request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle, offset;
	uint32_t length;
} __attribute__((packed));

struct reply {
	uint32_t magic, error;
	uint64_t handle;
	unsigned char data[BLOCK];
} __attribute__((packed));

struct conn {
	int fd;
	size_t got;             /* bytes of the reply that have come */
	uint64_t handle, offset, size;
	int64_t sent_at;
	struct reply reply;
};

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

static void
receive_all(int fd, void *buf, size_t n)
{
	ssize_t got = recv(fd, buf, n, MSG_WAITALL);

	if(got != (ssize_t)n)
		die(got < 0 ? errno : 0, "handshake: %zd bytes instead of %zu", got, n);
}

static void
send_all(struct conn *c, const void *buf, size_t n)
{
	/* A connection has one request on its way, which its empty send buffer always takes. */
	if(send(c->fd, buf, n, MSG_NOSIGNAL) != (ssize_t)n)
		die(errno, "send");
}

/* Connect and shake hands; the server's thread for this connection then waits for requests. */
static void
open_connection(struct conn *c)
{
	struct sockaddr_in addr = loopback(port);
	struct timeval patience = {.tv_sec = SILENCE_S};
	struct { uint64_t magic, have; uint16_t flags; } __attribute__((packed)) greeting;
	struct { uint32_t flags; uint64_t have; uint32_t option, length; } __attribute__((packed)) choice;
	struct { uint64_t size; uint16_t flags; } __attribute__((packed)) export;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if(c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
		die(errno, "socket");
	if(connect(c->fd, (struct sockaddr *)&addr, sizeof addr) != 0)
		die(errno, "connect");
	set_nodelay(c->fd);
	receive_all(c->fd, &greeting, sizeof greeting);
	if(be64toh(greeting.magic) != NBDMAGIC || be64toh(greeting.have) != IHAVEOPT)
		die(0, "port %ld: no NBD server", port);
	if((be16toh(greeting.flags) & (FIXED_NEWSTYLE | NO_ZEROES)) != (FIXED_NEWSTYLE | NO_ZEROES))
		die(0, "port %ld: an old kind of NBD server", port);
	choice.flags = htobe32(FIXED_NEWSTYLE | NO_ZEROES);
	choice.have = htobe64(IHAVEOPT);
	choice.option = htobe32(OPT_EXPORT_NAME);
	choice.length = 0;
	send_all(c, &choice, sizeof choice);
	receive_all(c->fd, &export, sizeof export);
	c->size = be64toh(export.size);
	if(c->size < BLOCK)
		die(0, "the exported disk is too small");
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
	static uint64_t handle, random = 88172645463325252ull;
	struct request r;

	random ^= random << 13, random ^= random >> 7, random ^= random << 17;
	c->handle = ++handle;
	c->offset = random % (c->size / BLOCK) * BLOCK;
	c->got = 0;
	r = (struct request){.magic = htobe32(REQUEST_MAGIC), .type = htobe16(CMD_READ),
	    .handle = htobe64(c->handle), .offset = htobe64(c->offset), .length = htobe32(BLOCK)};
	c->sent_at = now_ns();
	send_all(c, &r, sizeof r);
	inflight++;
}

static void
check(const struct conn *c)
{
	const struct reply *r = &c->reply;

	if(be32toh(r->magic) != REPLY_MAGIC || be64toh(r->handle) != c->handle)
		die(0, "the reply is none to this request");
	if(r->error != 0)
		die((int)be32toh(r->error), "the server reports an error");
	for(uint64_t i = 0; i < BLOCK; i += 8) {
		uint64_t word;

		memcpy(&word, r->data + i, sizeof word);
		if(be64toh(word) != c->offset + i)
			die(0, "wrong data at offset %llu", (unsigned long long)(c->offset + i));
	}
}

/* Take what has come; true if that completes a reply. */
static int
receive(struct conn *c)
{
	ssize_t n = recv(c->fd, (char *)&c->reply + c->got, sizeof c->reply - c->got, MSG_DONTWAIT);

	if(n < 0 && errno == EAGAIN)
		return 0;
	if(n <= 0)
		die(n < 0 ? errno : 0, "the server closed a connection");
	c->got += (size_t)n;
	return c->got == sizeof c->reply;
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
			check(c);
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

/* Say goodbye on all connections, then see that the server has closed each. */
static void
disconnect_all(void)
{
	struct request bye = {.magic = htobe32(REQUEST_MAGIC), .type = htobe16(CMD_DISC)};
	char c;

	for(long i = 0; i < nconns; i++)
		send_all(&conns[i], &bye, sizeof bye);
	for(long i = 0; i < nconns; i++) {
		ssize_t n = recv(conns[i].fd, &c, 1, 0);

		if(n != 0)
			die(n < 0 ? errno : 0, "the server does not close connection %ld of %ld", i, nconns);
		close(conns[i].fd);
	}
}

int
main(int argc, char **argv)
{
	if(argc != 7)
		die(0, "usage: nbd PORT CONNECTIONS IN_FLIGHT SECONDS SERVER_PID LABEL");
	port = number("PORT", argv[1], 1, 65535);
	nconns = number("CONNECTIONS", argv[2], 1, 1000000);
	long most = number("IN_FLIGHT", argv[3], 1, nconns);
	long seconds = number("SECONDS", argv[4], 1, 3600);
	server = (pid_t)number("SERVER_PID", argv[5], 1, 1L << 30);
	label = argv[6];

	raise_descriptor_limit();
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
	int64_t cpu = cpu_ns_of(server);
	start = now_ns();
	work(most, 1, start + seconds * 1000000000LL);
	int64_t wall = now_ns() - start;
	cpu = cpu_ns_of(server) - cpu;
	look_at_server();
	report("cpu", (double)cpu / 1e3 / (double)answered, "us");
	report("rate", (double)answered / ((double)wall / 1e9), "requests/s");
	report("rss", (double)most_rss / 1024, "MiB");
	report("pagetables", (double)most_tables / 1024, "MiB");
	report("threads", (double)most_threads, "threads");
	report_latencies("latency", latency, answered);
	disconnect_all();
	if(isatty(2))
		fprintf(stderr, "\033[K");
	return 0;
}
