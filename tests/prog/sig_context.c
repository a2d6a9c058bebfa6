/* SPDX-License-Identifier: MIT */
/* build: -O1 -fno-omit-frame-pointer -rdynamic */
/*
 * The context that a handler is given is the thread's: registers, vector registers, stack, mask and alternate stack are those of what it has
 * interrupted, and what the handler changes in it is in force when it returns. After faults, in the midst of computing, and in calls that wait.
 */
#include "prog.h"
#include <execinfo.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { ALT = 64 << 10, N = 6, ROUNDS = 50 };

static __thread struct {
	volatile sig_atomic_t hits, bad;
	char *lo, *hi; /* its stack */
	char *alt;
} me;

static void
limits(void)
{
	pthread_attr_t a;
	void *lo;
	size_t size;

	OK(pthread_getattr_np(pthread_self(), &a));
	OK(pthread_attr_getstack(&a, &lo, &size));
	OK(pthread_attr_destroy(&a));
	me.lo = lo;
	me.hi = me.lo + size;
}

static int
within(const void *p)
{
	return (const char *)p >= me.lo && (const char *)p < me.hi;
}

/* ---- faults ---- */

static __thread volatile int faulted;

/* As managed languages have it: the fault is turned into a value, behind the instruction. */
static void
onfault(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;
	char here;

	if(!within((void *)uc->uc_mcontext.gregs[REG_RSP]) || !within(&here) || (uintptr_t)&here > (uintptr_t)uc->uc_mcontext.gregs[REG_RSP] - 128)
		me.bad = 1;
	if(uc->uc_mcontext.gregs[REG_R12] != 0x1212121212 || uc->uc_mcontext.fpregs->_xmm[7].element[0] != 0x77777777)
		me.bad = 2;
	if(sig == SIGSEGV && si->si_code == SEGV_MAPERR && uc->uc_mcontext.gregs[REG_CR2] != (greg_t)si->si_addr)
		me.bad = 3;
	uc->uc_mcontext.gregs[REG_RIP] = uc->uc_mcontext.gregs[REG_RCX];
	uc->uc_mcontext.gregs[REG_RAX] = 4711;
	uc->uc_mcontext.gregs[REG_R12]++;
	uc->uc_mcontext.fpregs->_xmm[7].element[1] = 0x12345678;
	faulted = sig;
}

/* Does ins with known registers; %rcx is the address behind it. */
#define FAULT(want, ins)                                                                                     \
	do {                                                                                                 \
		uint64_t rax = 1, r12 = 0x1212121212, seven = 0x77777777, x = 0;                             \
		__asm__ volatile("movq %2, %%xmm7\n\tmovq %1, %%r12\n\tleaq 1f(%%rip), %%rcx\n\t" ins "\n1:\t" \
				 "movq %%r12, %1\n\tmovq %%xmm7, %3"                                           \
				 : "+a"(rax), "+r"(r12), "+r"(seven), "=r"(x)                                  \
				 :                                                                           \
				 : "rcx", "rdx", "r12", "xmm7", "memory", "cc");                              \
		EQ(faulted, want);                                                                           \
		EQ(me.bad, 0);                                                                               \
		EQ(rax, 4711);                                                                               \
		EQ(r12, 0x1212121213);                                                                       \
		EQ(x, 0x1234567877777777);                                                                   \
		faulted = 0;                                                                                 \
	} while(0)

static void
faults(void)
{
	FAULT(SIGSEGV, "movl $1, 64");
	FAULT(SIGILL, "ud2");
	FAULT(SIGFPE, "xorl %%edx, %%edx\n\tmovl $0, -132(%%rsp)\n\tdivl -132(%%rsp)");
	FAULT(SIGTRAP, "int3");
	FAULT(SIGSEGV, "hlt");
}

/* ---- while it computes ---- */

extern char loopbegins[], loopends[];
static __thread volatile uint64_t turned;

static void
onusr1(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;
	greg_t *r = uc->uc_mcontext.gregs;

	if((char *)r[REG_RIP] < loopbegins || (char *)r[REG_RIP] >= loopends || (r[REG_EFL] & 1))
		return; /* not there yet, or on its way out */
	if(r[REG_R13] != 0x1313 || r[REG_R14] != 0x1414 || r[REG_R15] != 0x1515 || !within((void *)r[REG_RSP]) ||
	    uc->uc_mcontext.fpregs->_xmm[15].element[2] != 15)
		me.bad = 4;
	r[REG_R13]++;
	r[REG_EFL] |= 1; /* carry: the way out */
	uc->uc_mcontext.fpregs->_xmm[15].element[2]++;
	me.hits++;
}

static void
loop(void)
{
	uint32_t v[4] = { 0, 0, 15, 0 };
	uint64_t r13;

	__asm__ volatile("movq $0x1313, %%r13\n\tmovq $0x1414, %%r14\n\tmovq $0x1515, %%r15\n\tmovdqu %1, %%xmm15\n\tclc\n"
			 "loopbegins:\tjc 1f\n\tpause\n\tjmp loopbegins\n\tnop\nloopends:\n1:\tmovq %%r13, %0\n\tmovdqu %%xmm15, %1"
			 : "=r"(r13), "+m"(v)
			 :
			 : "r13", "r14", "r15", "xmm15", "memory", "cc");
	EQ(me.bad, 0);
	EQ(r13, 0x1314);
	EQ(v[2], 16);
}

/* The signals are a timer's, as a profiler has it. */
static void *
loops(void *arg)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	struct itimerspec it = { { 0, 300000 }, { 0, 300000 } };
	timer_t t;

	limits();
	ev._sigev_un._tid = gettid();
	OK(timer_create(CLOCK_MONOTONIC, &ev, &t));
	OK(timer_settime(t, 0, &it, NULL));
	loop();
	EQ(me.hits, 1);
	OK(timer_delete(t));
	return arg;
}

static void
computing(void)
{
	for(int i = 0; i < 10; i++)
		join(spawn(loops, NULL));
}

/* ---- masks and stacks ---- */

static sem_t sem;

static void
onusr2(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;
	char here;

	if(sigismember(&uc->uc_sigmask, SIGUSR2) || !sigismember(&uc->uc_sigmask, SIGHUP))
		me.bad = 5;
	if(uc->uc_stack.ss_sp != me.alt || (me.alt && (uc->uc_stack.ss_size != ALT || &here < me.alt || &here >= me.alt + ALT)))
		me.bad = 6;
	if(!me.alt && !within(&here))
		me.bad = 7;
	if(!within((void *)uc->uc_mcontext.gregs[REG_RSP]))
		me.bad = 8;
	/* in force behind the handler, whatever that itself sets meanwhile */
	sigaddset(&uc->uc_sigmask, SIGTERM);
	sigdelset(&uc->uc_sigmask, SIGHUP);
	me.hits++;
}

/* The call's own frames can be found from within the handler. */
static _Atomic int frames;
static void *found[64];
static int nfound;

static void
onhup(int sig, siginfo_t *si, void *uc)
{
	if(frames) {
		nfound = backtrace(found, 64);
		frames = 0;
	}
}

static __attribute__((noinline)) int
waitshere(void)
{
	int n = 0;

	while(sem_wait(&sem) != 0)
		n++;
	return n;
}

static void *
backtraced(void *arg)
{
	_Atomic int *ready = arg;

	*ready = 1;
	return (void *)(intptr_t)(waitshere() + 1);
}

static void
traced(void)
{
	_Atomic int ready = 0;
	pthread_t t = spawn(backtraced, (void *)&ready);
	int here = 0, top = 0;

	while(!ready)
		sched_yield();
	msleep(5);
	frames = 1;
	OK(pthread_kill(t, SIGHUP));
	while(frames)
		usleep(100);
	OK(sem_post(&sem));
	join(t);
	for(int i = 0; i < nfound; i++) {
		here += (char *)found[i] > (char *)waitshere && (char *)found[i] < (char *)waitshere + 200;
		top += (char *)found[i] > (char *)backtraced && (char *)found[i] < (char *)backtraced + 200;
	}
	CHECK(here > 0 && top > 0);
}

static void
sets(int how, int a, int b)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, a);
	if(b)
		sigaddset(&s, b);
	OK(pthread_sigmask(how, &s, NULL));
}

static void
waits(int way)
{
	struct timespec ts = { 0, 30 * MS };

	if(way == 0)
		OK(pthread_kill(pthread_self(), SIGUSR2));
	else if(way == 1)
		OK(raise(SIGUSR2));
	else if(way == 2) {
		sets(SIG_BLOCK, SIGUSR2, 0);
		OK(pthread_kill(pthread_self(), SIGUSR2));
		sets(SIG_UNBLOCK, SIGUSR2, 0);
	} else {
		timer_t t;
		struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2 };
		struct itimerspec it = { .it_value = { 0, 1 } };
		int n = me.hits;

		ev._sigev_un._tid = gettid();
		OK(timer_create(CLOCK_MONOTONIC, &ev, &t));
		OK(timer_settime(t, 0, &it, NULL));
		while(me.hits == n)
			sem_timedwait(&sem, (ts = deadline(CLOCK_REALTIME, 30 * MS), &ts));
		OK(timer_delete(t));
	}
}

static void *
masks(void *arg)
{
	sigset_t s;
	stack_t ss = { .ss_size = ALT };

	limits();
	faults();
	if(arg) {
		me.alt = ss.ss_sp = malloc(ALT);
		OK(sigaltstack(&ss, NULL));
	}
	for(int i = 0; i < ROUNDS; i++) {
		sets(SIG_SETMASK, SIGHUP, 0);
		waits(i % (i % 10 == 9 ? 4 : 3));
		EQ(me.bad, 0);
		EQ(me.hits, i + 1);
		OK(pthread_sigmask(SIG_BLOCK, NULL, &s));
		EQ(sigismember(&s, SIGTERM), 1);
		EQ(sigismember(&s, SIGHUP), 0);
		EQ(sigismember(&s, SIGUSR2), 0);
		sched_yield();
		faults();
	}
	return NULL;
}

static void
install(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	OK(sigaction(sig, &sa, NULL));
}

int
main(void)
{
	pthread_t t[N];

	OK(sem_init(&sem, 0, 0));
	install(SIGSEGV, onfault, 0);
	install(SIGILL, onfault, 0);
	install(SIGFPE, onfault, 0);
	install(SIGTRAP, onfault, 0);
	install(SIGUSR1, onusr1, SA_RESTART);
	install(SIGUSR2, onusr2, SA_RESTART | SA_ONSTACK);
	install(SIGHUP, onhup, SA_RESTART);
	masks(NULL);
	sets(SIG_UNBLOCK, SIGTERM, 0);
	puts("faults and masks, alone: ok");
	for(int i = 0; i < N; i++)
		t[i] = spawn(masks, i % 2 ? &sem : NULL);
	for(int i = 0; i < N; i++)
		join(t[i]);
	me.hits = 0;
	masks(NULL);
	sets(SIG_UNBLOCK, SIGTERM, 0);
	puts("faults and masks: ok");
	computing();
	puts("computing: ok");
	(void)backtrace(found, 2); /* loads what it needs */
	for(int i = 0; i < 10; i++)
		traced();
	puts("backtrace: ok");
	return 0;
}
