/* SPDX-License-Identifier: MIT */
/* build: -fnon-call-exceptions -fasynchronous-unwind-tables */
/*
 * Handlers that are left by what unwinds: an exception thrown for a fault, in the thread that has caused it; pthread_exit; a cancellation that acts in
 * a handler. The frames that were interrupted are unwound as if they had thrown. And exceptions caught within a handler.
 */
#include "prog.h"
#include <atomic>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdexcept>
#include <sys/select.h>

enum { N = 8, ROUNDS = 40 };

static std::atomic<int> dtors, begun, handled;
static thread_local int depth;

struct Guard {
	Guard() { depth++; }
	~Guard() { depth--, dtors++; }
};

struct Fault : std::runtime_error {
	int sig;
	Fault(int s) : std::runtime_error("fault"), sig(s) {}
};

static void
throws(int sig)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, sig);
	OK(pthread_sigmask(SIG_UNBLOCK, &s, NULL)); /* nobody else will */
	throw Fault(sig);
}

static volatile int zero;
static volatile int sink;
static int *volatile nowhere = (int *)64;

__attribute__((noinline)) static int
deep(int n, int kind)
{
	Guard g;

	if(n > 0)
		return deep(n - 1, kind) + 1;
	sink = kind ? *nowhere : 7 / zero;
	return sink;
}

static void *
faults(void *)
{
	for(int i = 0; i < ROUNDS; i++) {
		int caught = 0;

		try {
			deep(5, i % 2);
		} catch(const Fault &f) {
			caught = f.sig;
		}
		EQ(caught, i % 2 ? SIGSEGV : SIGFPE);
		EQ(depth, 0);
		if(i % 3)
			sched_yield();
		else
			usleep(100);
	}
	return nullptr;
}

/* ---- inside a handler ---- */

static void
catches(int)
{
	try {
		Guard g;
		throw std::logic_error("inside");
	} catch(const std::exception &e) {
		if(strcmp(e.what(), "inside") == 0)
			handled++;
	}
}

/* ---- pthread_exit and cancellation from a handler ---- */

static sem_t never;

static void
exits(int)
{
	Guard g;

	pthread_exit(&never);
}

static void
cancelled(int)
{
	Guard g;

	handled++;
	for(;;)
		pause();
}

/* The signals come in one call only, of which the frames around it know that it may throw. */
static void
letin(int way)
{
	struct timespec ts = { 100, 0 };
	sigset_t none;

	sigemptyset(&none);
	if(way == 0)
		sigsuspend(&none);
	else if(way == 1)
		ppoll(NULL, 0, &ts, &none);
	else
		pselect(0, NULL, NULL, NULL, &ts, &none);
}

__attribute__((noinline)) static void
wait(int n, int way)
{
	Guard g;

	if(n > 0) {
		wait(n - 1, way);
	} else {
		begun++;
		letin(way);
	}
	sink = n;
}

static void *
waits(void *arg)
{
	wait(4, (int)(intptr_t)arg);
	return nullptr;
}

static void
install(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = {};

	sa.sa_handler = fn;
	sa.sa_flags = flags;
	OK(sigaction(sig, &sa, NULL));
}

/* Each is sent sig where it waits, or just before. */
static void
leave(int sig, bool cancel, void *want)
{
	sigset_t s, old;

	sigemptyset(&s);
	sigaddset(&s, sig);
	OK(pthread_sigmask(SIG_BLOCK, &s, &old));
	for(int i = 0; i < 30; i++) {
		int was = handled;

		begun = dtors = 0;
		pthread_t t = spawn(waits, (void *)(intptr_t)(i % 3));
		while(begun == 0)
			sched_yield();
		if(i % 2)
			usleep(500);
		OK(pthread_kill(t, sig));
		if(cancel) {
			while(handled == was)
				sched_yield();
			OK(pthread_cancel(t));
		}
		CHECK(join(t) == want);
		EQ(dtors, 6);
	}
	OK(pthread_sigmask(SIG_SETMASK, &old, NULL));
}

int
main()
{
	pthread_t t[N];

	OK(sem_init(&never, 0, 0));
	install(SIGFPE, throws, 0);
	install(SIGSEGV, throws, 0);
	install(SIGUSR1, catches, SA_RESTART);
	install(SIGUSR2, exits, SA_RESTART);
	install(SIGHUP, cancelled, SA_RESTART);
	faults(nullptr);
	for(int i = 0; i < N; i++)
		t[i] = spawn(faults, nullptr);
	for(int i = 0; i < N; i++) {
		for(int k = 0; k < 10; k++)
			OK(pthread_kill(t[i], SIGUSR1));
		join(t[i]);
	}
	faults(nullptr);
	puts("exceptions from faults: ok");
	for(int i = 0; i < 100; i++)
		OK(raise(SIGUSR1));
	CHECK(handled >= 100);
	puts("exceptions inside: ok");
	leave(SIGHUP, true, PTHREAD_CANCELED);
	puts("cancelled in a handler: ok");
	leave(SIGUSR2, false, &never);
	puts("pthread_exit in a handler: ok");
	return 0;
}
