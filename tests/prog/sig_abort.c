/* SPDX-License-Identifier: MIT */
/* abort, raise, assert, exit and _exit from threads and main: the status that the parent sees. */
#include "io_util.h"
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>

static int never[2];

static void *
waiter(void *arg)
{
	return waiteof(FDARG(never[0]));
}

static sigjmp_buf out;

static void
jumps(int sig)
{
	siglongjmp(out, 1);
}

static atomic_int handled;

static void
counts(int sig)
{
	handled++;
}

static void
atexit1(void)
{
	/* _exit's callers never come here. */
	(void)!write(1, "atexit\n", 7);
}

static void *
ends(void *arg)
{
	switch((intptr_t)arg) {
	case 0: abort();
	case 1: raise(SIGTERM); break;
	case 2: assert(arg == NULL); break;
	case 3: exit(7);
	case 4: _exit(8);
	case 5: signal(SIGABRT, SIG_IGN); abort();
	case 6: signal(SIGABRT, counts); abort();
	case 7: quick_exit(9);
	case 8: {
		sigset_t s;
		sigfillset(&s);
		pthread_sigmask(SIG_SETMASK, &s, NULL);
		abort(); /* a blocked SIGABRT does not help */
	}
	case 9:
		/* A handler that jumps is the one thing that survives. */
		signal(SIGABRT, jumps);
		if(sigsetjmp(out, 1) == 0)
			abort();
		exit(10);
	case 10: kill(getpid(), SIGKILL); pause(); break;
	case 11: raise(SIGSEGV); break;
	case 12: printf("unflushed line\n"); exit(0);
	}
	for(;;)
		pause();
}

static void
expect(int how, bool thread, int want)
{
	pid_t pid = forkclean();
	if(pid == 0) {
		struct rlimit none = { 0, 0 };
		setrlimit(RLIMIT_CORE, &none);
		dup2(open("/dev/null", O_WRONLY), 2);
		atexit(atexit1);
		spawnall(5, waiter);
		if(!thread)
			ends((void *)(intptr_t)how);
		join(spawn(ends, (void *)(intptr_t)how));
		_exit(99);
	}
	EQ(reap(pid), want);
}

int
main(void)
{
	static const int want[] = { SIGABRT, SIGTERM, SIGABRT, 7 << 8, 8 << 8, SIGABRT, SIGABRT, 9 << 8, SIGABRT, 10 << 8, SIGKILL, SIGSEGV, 0 };
	OK(pipe(never));
	for(int thread = 0; thread < 2; thread++)
		for(size_t i = 0; i < nelem(want); i++) {
			expect(i, thread, want[i]);
			pass("%zu in %s", i, thread ? "a thread" : "main");
		}
	/* raise in a thread comes back when the handler has run in that thread. */
	signal(SIGUSR1, counts);
	for(int i = 0; i < 100; i++) {
		EQ(raise(SIGUSR1), 0);
		EQ(handled, i + 1);
	}
	pass("raise");
	return 0;
}
