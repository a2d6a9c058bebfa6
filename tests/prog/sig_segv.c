/* SPDX-License-Identifier: MIT */
/* Faults in threads: handlers on the alternate stack or not, siglongjmp out, a page made readable, death by default. */
#include "io_util.h"
#include <setjmp.h>
#include <sys/mman.h>

static __thread sigjmp_buf out;
static __thread char *altlo, *althi;
static __thread void *faultaddr;
static __thread int faultsig;

static void
jumps(int sig, siginfo_t *si, void *uc)
{
	char here;
	if(altlo && (&here < altlo || &here >= althi))
		_exit(97);
	faultaddr = si->si_addr;
	faultsig = sig;
	siglongjmp(out, 1);
}

enum { ALT = 64 << 10 };

static void
altstack(bool on)
{
	stack_t ss = { .ss_flags = SS_DISABLE }, old;
	if(on) {
		altlo = malloc(ALT);
		althi = altlo + ALT;
		ss = (stack_t){ .ss_sp = altlo, .ss_size = ALT };
		OK(sigaltstack(&ss, NULL));
		OK(sigaltstack(NULL, &old));
		CHECK(old.ss_sp == altlo && old.ss_size == ALT && old.ss_flags == 0);
	} else {
		OK(sigaltstack(&ss, &old));
		CHECK(old.ss_sp == altlo);
		free(altlo);
		altlo = NULL;
	}
}

static void
faults(int k)
{
	static char *ro;
	char *volatile bad = (char *)(intptr_t)(0x1000 + k * 8);
	if(sigsetjmp(out, 1) == 0) {
		switch(k % 3) {
		case 0:
			*(volatile char *)bad = 1;
			break;
		case 1: {
			volatile int zero = 0, seven = 7;
			bad = NULL;
			faultsig = seven / zero;
			break;
		}
		case 2:
			ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			bad = ro + 100;
			*(volatile char *)bad = 1;
			break;
		}
		CHECK(!"reached");
	}
	EQ(faultsig, k % 3 == 1 ? SIGFPE : SIGSEGV);
	if(bad)
		CHECK(faultaddr == bad);
	if(k % 3 == 2)
		OK(munmap(bad - 100, 4096));
	/* The mask is as before: the signal is not left blocked. */
	sigset_t s;
	EQ(pthread_sigmask(SIG_BLOCK, NULL, &s), 0);
	CHECK(!sigismember(&s, SIGSEGV) && !sigismember(&s, SIGFPE));
}

static void *
thread(void *arg)
{
	int i = (intptr_t)arg;
	if(i % 2)
		altstack(true);
	/* Where we wait in between is another kernel thread, perhaps. */
	for(int k = 0; k < 9; k++) {
		struct timespec ts = { 0, 100000 };
		faults(k);
		if(k % 2)
			OK(nanosleep(&ts, NULL));
		else
			sched_yield();
	}
	if(i % 2)
		altstack(false);
	return NULL;
}

static void
install(void (*f)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = f, .sa_flags = SA_SIGINFO | flags };
	OK(sigaction(SIGSEGV, &sa, NULL));
	OK(sigaction(SIGFPE, &sa, NULL));
	OK(sigaction(SIGBUS, &sa, NULL));
}

static void
repairs(int sig, siginfo_t *si, void *uc)
{
	char *page = (char *)((uintptr_t)si->si_addr & ~4095ul);
	if(mprotect(page, 4096, PROT_READ | PROT_WRITE) != 0)
		_exit(96);
}

/* As garbage collectors do: the handler makes the page accessible, and the instruction runs again. */
static void *
barrier(void *arg)
{
	enum { PAGES = 50 };
	char *p = mmap(NULL, PAGES * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	for(int i = 0; i < PAGES; i++) {
		p[i * 4096 + i] = i + 1;
		sched_yield();
	}
	for(int i = 0; i < PAGES; i++)
		EQ(p[i * 4096 + i], i + 1);
	OK(munmap(p, PAGES * 4096));
	return NULL;
}

static __thread volatile int depth;

__attribute__((noinline)) static int
recurse(int n)
{
	volatile char pad[2000];
	pad[0] = n;
	depth = n;
	return n == HIDE(-1) ? 0 : recurse(n + 1) + pad[0];
}

/* The stack runs out; the handler has its own, and the thread goes on. */
static void *
overflow(void *arg)
{
	altstack(true);
	for(int i = 0; i < 3; i++)
		if(sigsetjmp(out, 1) == 0) {
			recurse(0);
			CHECK(!"reached");
		}
	EQ(faultsig, SIGSEGV);
	CHECK(depth > 50);
	altstack(false);
	return NULL;
}

static void *
crasher(void *arg)
{
	*HIDE((volatile int *)64) = 1;
	return NULL;
}

static int never[2];

static void *
waiter(void *arg)
{
	return waiteof(FDARG(never[0]));
}

static void
bydefault(void)
{
	for(int k = 0; k < 2; k++) {
		pid_t pid = forkclean();
		if(pid == 0) {
			struct rlimit none = { 0, 0 };
			int null = open("/dev/null", O_WRONLY);
			dup2(null, 2);
			setrlimit(RLIMIT_CORE, &none);
			signal(SIGSEGV, SIG_DFL);
			spawnall(5, waiter);
			if(k == 0)
				crasher(NULL);
			join(spawn(crasher, NULL));
			_exit(0);
		}
		int st = reap(pid);
		CHECK(WIFSIGNALED(st));
		EQ(WTERMSIG(st), SIGSEGV);
	}
}

int
main(void)
{
	OK(pipe(never));
	install(jumps, SA_ONSTACK);
	joinall(spawnall(10, thread), 10);
	thread((void *)1);
	thread((void *)2);
	pass("siglongjmp");
	install(jumps, SA_ONSTACK | SA_NODEFER);
	joinall(spawnall(4, thread), 4);
	pass("SA_NODEFER");
	join(spawn(overflow, NULL));
	joinall(spawnall(3, overflow), 3);
	pass("stack overflow");
	install(repairs, SA_RESTART);
	joinall(spawnall(5, barrier), 5);
	pass("repair and go on");
	bydefault();
	pass("default");
	return 0;
}
