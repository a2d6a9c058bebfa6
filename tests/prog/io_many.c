/* SPDX-License-Identifier: MIT */
/*
 * Several readers and several writers on one descriptor: each record arrives
 * exactly once and whole, and every reader sees the end.
 */
#include "io_util.h"

enum { NW = 8, NR = 8, NREC = 400 };

struct rec {
	uint32_t writer, seq;
	uint64_t sum;
};

static int fdr, fdw, nrec;
static bool dgram;
static atomic_uchar *seen;

static uint64_t
sum(uint32_t w, uint32_t s)
{
	return (w * 1000003ull + s) * 0x9e3779b97f4a7c15ull;
}

static void *
writer(void *arg)
{
	for(int i = 0; i < nrec; i++) {
		struct rec r = { (intptr_t)arg, i, sum((intptr_t)arg, i) };
		/* Atomic: no more than PIPE_BUF, or a whole message. */
		EQ(write(fdw, &r, sizeof r), sizeof r);
		if(i % 97 == 0)
			sched_yield();
	}
	return NULL;
}

static void *
reader(void *arg)
{
	struct rec r;
	ssize_t n;
	while((n = read(fdr, &r, sizeof r)) > 0) {
		EQ(n, sizeof r);
		if(dgram && r.writer == UINT32_MAX)
			break;
		CHECK(r.writer < NW && r.seq < (uint32_t)nrec);
		EQ(r.sum, sum(r.writer, r.seq));
		EQ(atomic_fetch_add(&seen[r.writer * nrec + r.seq], 1), 0);
	}
	CHECK(n >= 0);
	return NULL;
}

static void
run(const char *name)
{
	nrec = scale(NREC);
	seen = calloc(NW * nrec, 1);
	pthread_t *rd = spawnall(NR, reader), *wr = spawnall(NW, writer);
	joinall(wr, NW);
	struct rec end = { .writer = UINT32_MAX };
	if(dgram)
		for(int i = 0; i < NR; i++)
			EQ(write(fdw, &end, sizeof end), sizeof end);
	else
		OK(close(fdw));
	joinall(rd, NR);
	for(int i = 0; i < NW * nrec; i++)
		EQ(seen[i], 1);
	free(seen);
	OK(close(fdr));
	if(dgram)
		OK(close(fdw));
	pass("%s", name);
}

int
main(void)
{
	int p[2];

	OK(pipe(p));
	fdr = p[0], fdw = p[1];
	run("pipe");

	OK(pipe(p));
	OK(fcntl(p[1], F_SETPIPE_SZ, 4096));
	fdr = p[0], fdw = p[1];
	run("one-page pipe");

	/* A record is an skb of its own in a unix stream: never torn either. */
	dgram = true;
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	fdr = p[0], fdw = p[1];
	run("unix datagrams");

	OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p));
	fdr = p[0], fdw = p[1];
	run("unix seqpackets");
	return 0;
}
