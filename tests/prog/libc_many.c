/* SPDX-License-Identifier: MIT */
/* native: no */
/* build: -lresolv */
/*
 * Threads that wait inside libc need no kernel threads: in fgets for sockets and pipes, in fputs for a full
 * pipe, in getaddrinfo for an answer, in malloc's place for a stream's lock.
 */
#include "dns.h"
#include "kthreads.h"
#include "manyfiles.h"

enum { READERS = 1000, WRITERS = 100, RESOLVERS = 100, LOCKERS = 100, DELAY = 1000, FEW = 40 };

static int r[READERS][2], w[WRITERS][2];
static atomic_int about;
static FILE *shared;

static void *
reads(void *arg)
{
	int i = (intptr_t)arg, n = 0, v;
	FILE *f = fdopen(r[i][0], "r");
	char line[80];

	CHECK(f);
	about++;
	while(fgets(line, sizeof line, f)) {
		EQ(sscanf(line, "%d", &v), 1);
		EQ(v, i * 100 + n++);
	}
	CHECK(feof(f) && !ferror(f));
	EQ(n, 10);
	fclose(f);
	return NULL;
}

static char block[200000];

static void *
writes(void *arg)
{
	FILE *f = fdopen(w[(intptr_t)arg][1], "w");

	CHECK(f);
	about++;
	EQ(fwrite(block, 1, sizeof block, f), sizeof block);
	EQ(fclose(f), 0);
	return NULL;
}

static void *
resolves(void *arg)
{
	dnsuse();
	about++;
	dnscheck((intptr_t)arg, AF_INET);
	return NULL;
}

static void *
locks(void *arg)
{
	about++;
	EQ(fprintf(shared, "%03d\n", (int)(intptr_t)arg), 4);
	return NULL;
}

int
main(void)
{
	char c[4096];
	ssize_t k, total;

	manyfiles(2 * READERS + 2 * WRITERS + 4 * RESOLVERS + 200);
	dnsstart(DELAY);
	for(int i = 0; i < READERS; i++)
		if(i % 2)
			OK(socketpair(AF_UNIX, SOCK_STREAM, 0, r[i]));
		else
			OK(pipe(r[i]));
	for(int i = 0; i < WRITERS; i++)
		OK(pipe(w[i]));
	CHECK((shared = tmpfile()) != NULL);
	flockfile(shared);
	pthread_t *tr = spawnall(READERS, reads), *tw = spawnall(WRITERS, writes), *tl = spawnall(LOCKERS, locks);
	while(about < READERS + WRITERS + LOCKERS)
		sched_yield();
	pthread_t *td = spawnall(RESOLVERS, resolves);
	while(about < READERS + WRITERS + LOCKERS + RESOLVERS)
		sched_yield();
	nudge();
	fewthreads(FEW);
	joinall(td, RESOLVERS);
	pass("getaddrinfo");
	for(int j = 0; j < 10; j++)
		for(int i = 0; i < READERS; i++)
			CHECK(dprintf(r[i][1], "%d\n", i * 100 + j) > 0);
	for(int i = 0; i < READERS; i++)
		OK(close(r[i][1]));
	joinall(tr, READERS);
	pass("fgets");
	for(int i = 0; i < WRITERS; i++) {
		for(total = 0; (k = OK(read(w[i][0], c, sizeof c))) > 0; total += k)
			;
		EQ(total, sizeof block);
		OK(close(w[i][0]));
	}
	joinall(tw, WRITERS);
	pass("fwrite");
	funlockfile(shared);
	joinall(tl, LOCKERS);
	EQ(ftell(shared), 4 * LOCKERS);
	pass("fprintf");
	fewthreads(FEW);
	return 0;
}
