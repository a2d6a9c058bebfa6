/* SPDX-License-Identifier: MIT */
/* Masks are each thread's own, inherited at its creation, kept over waits, and applied by ppoll and sigsuspend for a time. */
#include "io_util.h"
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

static int p[2];
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

/* The signal comes only within the call that lets it in. */
static void *
lets(void *arg)
{
	struct pollfd f = { p[0], POLLIN, 0 };
	sigset_t in = setof(0);
	fd_set r;
	mask(15);
	for(int k = 0; k < 3; k++) {
		state = 10 + k * 2;
		while(state == 10 + k * 2)
			sched_yield(); /* by now a signal is pending */
		EQ(hits[SIGUSR2], k);
		if(k == 0)
			FAILS(ppoll(&f, 1, NULL, &in), EINTR);
		else if(k == 1) {
			FD_ZERO(&r);
			FD_SET(p[0], &r);
			FAILS(pselect(p[0] + 1, &r, NULL, NULL, NULL, &in), EINTR);
		} else
			FAILS(sigsuspend(&in), EINTR);
		EQ(hits[SIGUSR2], k + 1);
		EQ(blocked(), 15);
	}
	state = 99;
	return NULL;
}

static void
letin(void)
{
	target = spawn(lets, NULL);
	for(int k = 0; k < 3; k++) {
		while(state != 10 + k * 2)
			sched_yield();
		EQ(pthread_kill(target, SIGUSR2), 0);
		state = 11 + k * 2;
	}
	join(target);
	pass("ppoll, pselect, sigsuspend");
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
	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(sigaction(SIGUSR2, &sa, NULL));
	OK(sigaction(SIGTERM, &sa, NULL));
	joinall(spawnall(20, keeper), 20);
	EQ(blocked(), 0);
	pass("each its own");
	pendingthread();
	letin();
	process();
	handlermask();
	return 0;
}
