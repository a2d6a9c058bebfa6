/* SPDX-License-Identifier: MIT */
/* Masks are each thread's own, inherited at its creation, kept over waits, and applied by ppoll and sigsuspend for a time. */
#include "io_util.h"
#include <sys/epoll.h>
#include <sys/select.h>

static atomic_int hits[65];
static pthread_t target, handledby;

static void
handler(int sig)
{
	hits[sig]++;
	handledby = pthread_self();
}

/* Which of the four signals this thread has blocked. */
static int
blocked(void)
{
	sigset_t s;
	EQ(pthread_sigmask(SIG_BLOCK, NULL, &s), 0);
	return sigismember(&s, SIGUSR1) | sigismember(&s, SIGUSR2) << 1 | sigismember(&s, SIGTERM) << 2 | sigismember(&s, SIGRTMIN + 2) << 3;
}

static sigset_t
setof(int bits)
{
	sigset_t s;
	sigemptyset(&s);
	if(bits & 1)
		sigaddset(&s, SIGUSR1);
	if(bits & 2)
		sigaddset(&s, SIGUSR2);
	if(bits & 4)
		sigaddset(&s, SIGTERM);
	if(bits & 8)
		sigaddset(&s, SIGRTMIN + 2);
	return s;
}

static void
mask(int bits)
{
	sigset_t s = setof(bits);
	EQ(pthread_sigmask(SIG_SETMASK, &s, NULL), 0);
}

static void *
child(void *arg)
{
	EQ(blocked(), (intptr_t)arg & 15);
	return NULL;
}

/* A thread's mask stays with it wherever it runs, and its children start with it. */
static void *
keeper(void *arg)
{
	int i = (intptr_t)arg;
	for(int k = 0, n = scale(50); k < n; k++) {
		int bits = (i * 7 + k * 5) & 15;
		mask(bits);
		struct timespec ts = { 0, 50000 };
		if(k % 4 == 0)
			OK(nanosleep(&ts, NULL));
		else if(k % 4 == 1)
			sched_yield();
		else if(k % 4 == 2)
			join(spawn(child, (void *)(intptr_t)bits));
		EQ(blocked(), bits);
	}
	mask(15);
	return NULL;
}

enum { LETIN = 6 };

static int p[2], ep;
static atomic_int state;

/* A blocked signal for a thread stays pending, for it alone, until it unblocks. */
static void *
holder(void *arg)
{
	sigset_t s;
	mask(3);
	state = 1;
	char b;
	EQ(read(p[0], &b, 1), 1);
	EQ(hits[SIGUSR1], 0);
	OK(sigpending(&s));
	CHECK(sigismember(&s, SIGUSR1) && !sigismember(&s, SIGUSR2));
	mask(2);
	EQ(hits[SIGUSR1], 1);
	CHECK(pthread_equal(handledby, pthread_self()));
	OK(sigpending(&s));
	CHECK(!sigismember(&s, SIGUSR1));
	return NULL;
}

static void
pendingthread(void)
{
	sigset_t s;
	hits[SIGUSR1] = 0;
	target = spawn(holder, NULL);
	while(state < 1)
		sched_yield();
	EQ(pthread_kill(target, SIGUSR1), 0);
	EQ(pthread_kill(target, SIGUSR1), 0); /* does not queue */
	OK(sigpending(&s));
	CHECK(!sigismember(&s, SIGUSR1));
	nudge();
	EQ(write(p[1], "x", 1), 1);
	join(target);
	EQ(hits[SIGUSR1], 1);
	pass("pending for a thread");
}

/* The k-th of the calls that let signals in while they wait: EINTR, after a handler. */
static void
letin(int k)
{
	struct pollfd f = { p[0], POLLIN, 0 };
	struct timespec ts = { 20, 0 };
	struct epoll_event ev;
	sigset_t in = setof(0);
	fd_set r;
	switch(k % LETIN) {
	case 0:
		FAILS(ppoll(&f, 1, NULL, &in), EINTR);
		break;
	case 1:
		FD_ZERO(&r);
		FD_SET(p[0], &r);
		FAILS(pselect(p[0] + 1, &r, NULL, NULL, &ts, &in), EINTR);
		CHECK(FD_ISSET(p[0], &r)); /* a call that fails leaves the sets alone */
		break;
	case 2:
		FAILS(sigsuspend(&in), EINTR);
		break;
	case 3:
		FAILS(epoll_pwait(ep, &ev, 1, -1, &in), EINTR);
		break;
	case 4:
		FAILS(epoll_pwait2(ep, &ev, 1, &ts, &in), EINTR);
		break;
	case 5:
		FAILS(ppoll(NULL, 0, &ts, &in), EINTR);
		break;
	}
	EQ(blocked(), 15);
}

/* The signal comes before the call, and is handled within it. */
static void *
before(void *arg)
{
	mask(15);
	for(int k = 0; k < LETIN; k++) {
		state = 10 + k * 2;
		while(state == 10 + k * 2)
			sched_yield(); /* by now a signal is pending */
		EQ(hits[SIGUSR2], k);
		letin(k);
		EQ(hits[SIGUSR2], k + 1);
	}
	return NULL;
}

static void
letbefore(void)
{
	target = spawn(before, NULL);
	for(int k = 0; k < LETIN; k++) {
		while(state != 10 + k * 2)
			sched_yield();
		EQ(pthread_kill(target, SIGUSR2), 0);
		state = 11 + k * 2;
	}
	join(target);
	pass("signals before the call");
}

/* The signal comes at any moment: each ends one call, and none is lost. */
static void *
anytime(void *arg)
{
	mask(15);
	for(int k = 0; k < (intptr_t)arg; k++) {
		int n = hits[SIGUSR2];
		letin(k);
		EQ(hits[SIGUSR2], n + 1);
		state++;
	}
	return NULL;
}

static void
letany(bool process)
{
	int n = scale(300);
	mask(15);
	state = 1000;
	target = spawn(anytime, (void *)(intptr_t)n);
	for(int k = 0; k < n; k++) {
		while(state != 1000 + k)
			sched_yield();
		for(volatile int i = k * 37 % 5000; i > 0; i--)
			;
		if(process)
			OK(kill(getpid(), SIGUSR2));
		else
			EQ(pthread_kill(target, SIGUSR2), 0);
	}
	join(target);
	mask(0);
	pass("signals at any moment, to the %s", process ? "process" : "thread");
}

/* Ready descriptors come first, time-outs are kept, and what is blocked stays pending. */
static void
letnone(void)
{
	struct pollfd f = { p[0], POLLIN, 0 };
	struct timespec ts = { 0, 20 * MS }, z = { 0, 0 };
	sigset_t none = setof(15), s;
	char b;
	mask(0);
	hits[SIGUSR1] = 0;
	int64_t t0 = now();
	EQ(ppoll(&f, 1, &ts, &none), 0);
	TOOK(t0, 20 * MS, 20 * MS);
	mask(1);
	EQ(raise(SIGUSR1), 0);
	t0 = now();
	EQ(ppoll(&f, 1, &ts, &none), 0);
	TOOK(t0, 20 * MS, 20 * MS);
	EQ(hits[SIGUSR1], 0);
	EQ(write(p[1], "x", 1), 1);
	EQ(ppoll(&f, 1, NULL, &none), 1);
	EQ(ppoll(&f, 1, &z, &none), 1);
	EQ(read(p[0], &b, 1), 1);
	OK(sigpending(&s));
	CHECK(sigismember(&s, SIGUSR1));
	none = setof(0);
	FAILS(ppoll(&f, 1, &z, &none), EINTR); /* even when there is no time to wait */
	EQ(hits[SIGUSR1], 1);
	EQ(blocked(), 1);
	mask(0);
	pass("time-outs");
}

/* A process's signal waits for a thread that takes it. */
static void *
taker(void *arg)
{
	char b;
	mask(11); /* all but SIGTERM */
	state = 200;
	ssize_t n = read(p[0], &b, 1);
	if(n == -1) {
		EQ(errno, EINTR);
		n = read(p[0], &b, 1);
	}
	EQ(n, 1);
	CHECK(pthread_equal(handledby, pthread_self()));
	return NULL;
}

static void
process(void)
{
	mask(15);
	hits[SIGTERM] = 0;
	OK(kill(getpid(), SIGTERM));
	nudge();
	EQ(hits[SIGTERM], 0);
	sigset_t s;
	OK(sigpending(&s));
	CHECK(sigismember(&s, SIGTERM));
	pthread_t t = spawn(taker, NULL);
	while(hits[SIGTERM] == 0)
		sched_yield();
	EQ(write(p[1], "x", 1), 1);
	join(t);
	EQ(hits[SIGTERM], 1);
	EQ(blocked(), 15);
	pass("pending for the process");
}

static void
masks(int sig)
{
	sigset_t s;
	EQ(pthread_sigmask(SIG_BLOCK, NULL, &s), 0);
	/* Its own signal and those of sa_mask are blocked while it runs. */
	CHECK(sigismember(&s, SIGUSR1) && sigismember(&s, SIGUSR2) && !sigismember(&s, SIGTERM));
	hits[sig]++;
}

static void
handlermask(void)
{
	struct sigaction sa = { .sa_handler = masks, .sa_mask = setof(2) };
	OK(sigaction(SIGUSR1, &sa, NULL));
	mask(0);
	int n = hits[SIGUSR1];
	EQ(raise(SIGUSR1), 0);
	EQ(hits[SIGUSR1], n + 1);
	EQ(blocked(), 0);
	sa.sa_flags = SA_RESETHAND;
	OK(sigaction(SIGUSR1, &sa, NULL));
	EQ(raise(SIGUSR1), 0);
	OK(sigaction(SIGUSR1, NULL, &sa));
	CHECK(sa.sa_handler == SIG_DFL);
	pass("mask of a handler");
}

int
main(void)
{
	struct sigaction sa = { .sa_handler = handler };
	OK(pipe(p));
	ep = OK(epoll_create1(0));
	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(sigaction(SIGUSR2, &sa, NULL));
	OK(sigaction(SIGTERM, &sa, NULL));
	joinall(spawnall(20, keeper), 20);
	EQ(blocked(), 0);
	pass("each its own");
	pendingthread();
	letbefore();
	letany(false);
	letany(true);
	letnone();
	process();
	handlermask();
	return 0;
}
