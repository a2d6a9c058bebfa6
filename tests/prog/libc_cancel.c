/* SPDX-License-Identifier: MIT */
/* build: -lresolv */
/*
 * Cancellation points inside libc: a thread that waits in fgets, fputs, getaddrinfo's place for an answer, is cancelled there; its
 * handlers run, and streams' locks are free again. And signals: a handler without SA_RESTART ends the wait of a stream.
 */
#include "dns.h"

enum { ROUNDS = 30 };

static int in[2], out[2];
static FILE *fin, *fout;
static atomic_int ready, cleaned;
static atomic_bool enabled;

static void
cleanup(void *arg)
{
	cleaned++;
}

static void *
reads(void *arg)
{
	char line[20];

	pthread_cleanup_push(cleanup, NULL);
	ready = 1;
	fgets(line, sizeof line, fin);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *
writes(void *arg)
{
	static char block[1 << 20];

	pthread_cleanup_push(cleanup, NULL);
	ready = 1;
	fwrite(block, 1, sizeof block, fout);
	pthread_cleanup_pop(0);
	return NULL;
}

/* One that waits for the stream's lock, which is no cancellation point, though the call behind it is. */
static void *
waits(void *arg)
{
	pthread_cleanup_push(cleanup, NULL);
	ready = 1;
	flockfile(fin);
	funlockfile(fin);
	pthread_testcancel();
	pthread_cleanup_pop(0);
	return NULL;
}

static void *
disabled(void *arg)
{
	char line[20];

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	ready = 1;
	CHECK(fgets(line, sizeof line, fin) && strcmp(line, "data\n") == 0);
	enabled = true;
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_testcancel();
	return NULL;
}

static void *
resolves(void *arg)
{
	pthread_cleanup_push(cleanup, NULL);
	dnsuse();
	ready = 1;
	unsigned char answer[512];
	res_query("h5.test", ns_c_in, ns_t_a, answer, sizeof answer);
	pthread_cleanup_pop(0);
	return NULL;
}

static void
cancels(void *(*fn)(void *))
{
	ready = cleaned = 0;
	pthread_t t = spawn(fn, NULL);
	while(!ready)
		sched_yield();
	nudge();
	EQ(pthread_cancel(t), 0);
	CHECK(join(t) == PTHREAD_CANCELED);
	EQ(cleaned, 1);
}

static void
handler(int sig)
{
}

static atomic_int how;

static void *
interrupted(void *arg)
{
	char line[20];

	ready = 1;
	errno = 0;
	CHECK(fgets(line, sizeof line, fin) == NULL);
	EQ(errno, EINTR);
	CHECK(ferror(fin) && !feof(fin));
	clearerr(fin);
	how = 1;
	return NULL;
}

int
main(void)
{
	struct sigaction sa = { .sa_handler = handler };

	OK(pipe(in));
	OK(pipe(out));
	CHECK((fin = fdopen(in[0], "r")) && (fout = fdopen(out[1], "w")));
	dnsstart(3000);
	for(int k = 0; k < ROUNDS; k++) {
		cancels(reads);
		EQ(ftrylockfile(fin), 0); /* its lock is free */
		funlockfile(fin);
	}
	pass("fgets");
	cancels(writes);
	EQ(ftrylockfile(fout), 0);
	funlockfile(fout);
	pass("fwrite");
	cancels(resolves);
	pass("res_query");
	flockfile(fin);
	ready = cleaned = 0;
	pthread_t t = spawn(waits, NULL);
	while(!ready)
		sched_yield();
	nudge();
	EQ(pthread_cancel(t), 0);
	nudge();
	EQ(cleaned, 0);
	funlockfile(fin);
	CHECK(join(t) == PTHREAD_CANCELED);
	pass("flockfile");
	ready = 0;
	t = spawn(disabled, NULL);
	while(!ready)
		sched_yield();
	nudge();
	EQ(pthread_cancel(t), 0);
	nudge();
	EQ(write(in[1], "data\n", 5), 5);
	CHECK(join(t) == PTHREAD_CANCELED && enabled);
	pass("disabled");
	OK(sigaction(SIGUSR1, &sa, NULL));
	ready = 0;
	t = spawn(interrupted, NULL);
	while(!ready)
		sched_yield();
	while(!how) {
		pthread_kill(t, SIGUSR1);
		nudge();
	}
	join(t);
	pass("interrupted");
	return 0;
}
