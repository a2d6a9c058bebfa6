/* SPDX-License-Identifier: MIT */
/*
 * close of a descriptor on which other threads wait.  The kernel leaves them
 * waiting on the file that they have; what is asserted is what no program can
 * do without: data of the old file or an error, never data of the file that
 * took the number, and an end of the wait once the old file is ready or dead.
 */
#include "got.h"

static int s[2];

static pthread_t
waiting(struct got *g)
{
	pthread_t t;

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	t = halfdone(g, s[0], s[1], "OLD-");
	nudge();
	return t;
}

/* The rest, or what there was when the close came; nothing else. */
static void
onlyold(struct got *g)
{
	if(g->n == 8)
		CHECK(memcmp(g->b, "OLD-PIPE", 8) == 0);
	else {
		EQ(g->n, 4);
		CHECK(memcmp(g->b, "OLD-", 4) == 0);
	}
}

static void
reopened(void)
{
	struct got g;
	for(int k = 0, n = scale(10); k < n; k++) {
		int q[2];
		pthread_t t = waiting(&g);
		int old = s[0], keep = OK(dup(s[1]));
		OK(close(old));
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, q));
		if(q[0] != old) {
			EQ(dup2(q[0], old), old);
			OK(close(q[0]));
		}
		EQ(write(q[1], "newdata!", 8), 8);
		nudge();
		ssize_t w = write(keep, "PIPE", 4);
		CHECK(w == 4 || errno == EPIPE);
		OK(close(keep));
		OK(close(s[1]));
		join(t);
		onlyold(&g);
		char b[8];
		EQ(read(old, b, 8), 8);
		CHECK(memcmp(b, "newdata!", 8) == 0);
		OK(close(old)), OK(close(q[1]));
	}
	pass("number taken by another file");
}

static void
deadpeer(void)
{
	struct got g;
	pthread_t t = waiting(&g);
	OK(close(s[0]));
	nudge();
	OK(close(s[1]));
	join(t);
	onlyold(&g);
	pass("peer gone after close");
}

static void
pipes(void)
{
	for(int k = 0, n = scale(20); k < n; k++) {
		int p[2];
		struct got g = { 0 };
		OK(pipe(p));
		g.fd = p[0];
		pthread_t t = spawn(reader, &g);
		if(k & 1)
			nudge();
		OK(close(p[0]));
		ssize_t w = write(p[1], "data", 4);
		CHECK(w == 4 || errno == EPIPE);
		OK(close(p[1]));
		join(t);
		if(g.n == -1)
			EQ(g.err, EBADF);
		else if(g.n != 0) {
			EQ(g.n, 4);
			CHECK(memcmp(g.b, "data", 4) == 0);
		}
	}
	pass("pipe closed under its reader");
}

static void
listener(void)
{
	struct sockaddr_in sa;
	struct got g = { 0 };
	int l = tcplisten(&sa, 5), l2 = OK(dup(l));
	g.fd = l;
	pthread_t t = spawn(accepter, &g);
	nudge();
	OK(close(l));
	int c = tcpdial(&sa);
	nudge();
	OK(shutdown(l2, SHUT_RDWR));
	join(t);
	if(g.n == -1)
		CHECK(g.err == EBADF || g.err == EINVAL);
	else
		OK(close(g.n));
	OK(close(l2)), OK(close(c));
	pass("listener closed under accept");
}

static atomic_bool done;
static atomic_int slot = -1;

/* Uses whatever is at the number at the moment: any result but a hang or a crash. */
static void *
nosy(void *arg)
{
	char b;
	while(!done) {
		ssize_t n = recv(slot, &b, 1, (intptr_t)arg & 1 ? MSG_DONTWAIT : 0);
		if(n == -1)
			CHECK(errno == EBADF || errno == EAGAIN || errno == ECONNRESET);
		else if(n == 1)
			EQ(b, 'v');
		else
			sched_yield();
	}
	return NULL;
}

/* close and reopen all the time under threads that wait on the number. */
static void
storm(void)
{
	enum { T = 6 };
	pthread_t *t = spawnall(T, nosy);
	for(int k = 0, n = scale(400); k < n; k++) {
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
		slot = s[0];
		for(int i = 0; i < 3; i++)
			EQ(write(s[1], "v", 1), 1);
		if(k % 64 == 0)
			nudge();
		if(k % 2)
			OK(shutdown(s[0], SHUT_RDWR));
		OK(close(s[1]));
		OK(close(s[0]));
	}
	done = true;
	slot = -1;
	joinall(t, T);
	pass("storm of close and reopen");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	reopened();
	deadpeer();
	pipes();
	listener();
	storm();
	return 0;
}
