/* SPDX-License-Identifier: MIT */
/*
 * Contexts and signal masks: getcontext saves the thread's, setcontext, swapcontext and the end of a context's function set it,
 * while threads wait and move about. A handler may be left by setcontext, from an alternate stack too. Of what swapcontext saves
 * nothing is on the stack below its caller.
 */
#include "prog.h"
#include <signal.h>
#include <ucontext.h>

enum { THREADS = 8, ROUNDS = 60, STACK = 64 << 10 };

static __thread ucontext_t back, co, link_;
static __thread volatile int got, step;
static __thread long sum;

static void
onusr(int sig)
{
	got += sig == SIGUSR1 ? 1 : 100;
}

static int
blocked(int sig)
{
	sigset_t s;

	OK(pthread_sigmask(SIG_SETMASK, NULL, &s));
	return sigismember(&s, sig);
}

static void
block(int how, int sig)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, sig);
	OK(pthread_sigmask(how, &s, NULL));
}

/* Waits, so that it may go on elsewhere. */
static void
move(int i)
{
	if(i % 3 == 0)
		usleep(50);
	else
		sched_yield();
}

/* SIGUSR1 is sent to the thread itself and is, or is not, blocked. */
static void
expect(int isblocked)
{
	int was = got;

	move(step);
	EQ(blocked(SIGUSR1), isblocked);
	OK(pthread_kill(pthread_self(), SIGUSR1));
	EQ(got, isblocked ? was : was + 1);
	if(isblocked){
		sigset_t s;

		OK(sigpending(&s));
		CHECK(sigismember(&s, SIGUSR1));
	}
}

static void
body(int a, int b, int c, int d, int e, int f, int g, int h, int i)
{
	sum += a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i;
	CHECK(((uintptr_t)__builtin_frame_address(0) & 15) == 0);
	expect(1); /* made by getcontext when SIGUSR1 was blocked */
	step++;
	EQ(swapcontext(&co, &back), 0);
	/* co was saved with the mask of that moment; what got pending was delivered in between */
	expect(1);
	step++;
} /* uc_link: again another mask */

static void
coroutine(char *stack)
{
	volatile int linked = 0;
	int was;

	sum = step = 0;
	OK(getcontext(&link_));
	if(linked){
		CHECK(!blocked(SIGUSR1));
		CHECK(!blocked(SIGUSR2));
		EQ(step, 2);
		return;
	}
	linked = 1;
	block(SIG_BLOCK, SIGUSR1);
	OK(getcontext(&co));
	co.uc_stack.ss_sp = stack;
	co.uc_stack.ss_size = STACK;
	co.uc_link = &link_;
	makecontext(&co, (void (*)(void))body, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9);
	block(SIG_UNBLOCK, SIGUSR1);
	expect(0);
	OK(swapcontext(&back, &co));
	EQ(sum, 1 + 4 + 9 + 16 + 25 + 36 + 49 + 64 + 81);
	CHECK(!blocked(SIGUSR1)); /* as it was when back was saved */
	was = got;
	expect(0);
	EQ(got, was + 1);
	block(SIG_BLOCK, SIGUSR2);
	OK(setcontext(&co));
	CHECK(!"here");
}

/* Writes over the stack below its caller. */
static __attribute__((noinline)) void
scribble(void)
{
	volatile char below[4096];

	for(size_t i = 0; i < sizeof below; i++)
		below[i] = 0x55;
}

/* A context that has been saved goes on after one that runs on the same stack, above it, has written over what is below. */
static void
sibling(void)
{
	volatile int round = 0, back = 0;

	OK(getcontext(&co));
	if(round++ == 0){
		block(SIG_BLOCK, SIGUSR1);
		OK(swapcontext(&link_, &co));
		CHECK(blocked(SIGUSR1));
		back++;
	}else{
		CHECK(!blocked(SIGUSR1));
		scribble();
		setcontext(&link_);
	}
	EQ(round, 2);
	EQ(back, 1);
	block(SIG_UNBLOCK, SIGUSR1);
}

static __thread ucontext_t out;

static void
leave(int sig)
{
	CHECK(blocked(SIGUSR2));
	move(sig);
	setcontext(&out);
}

static void
leavehandler(void)
{
	volatile int left = 0;

	OK(getcontext(&out));
	CHECK(!blocked(SIGUSR2));
	if(left++ < 3)
		pthread_kill(pthread_self(), SIGUSR2);
	EQ(left, 4);
}

static void *
work(void *arg)
{
	char *stack = malloc(STACK), *alt = malloc(STACK);
	stack_t ss = {.ss_sp = alt, .ss_size = STACK};

	CHECK(stack != NULL && alt != NULL);
	OK(sigaltstack(&ss, NULL));
	for(int i = 0; i < ROUNDS; i++){
		coroutine(stack);
		leavehandler();
		sibling();
	}
	ss.ss_flags = SS_DISABLE;
	OK(sigaltstack(&ss, NULL));
	free(stack);
	free(alt);
	return arg;
}

int
main(void)
{
	struct sigaction sa = {.sa_handler = onusr, .sa_flags = SA_RESTART}, sb = {.sa_handler = leave, .sa_flags = SA_ONSTACK};
	pthread_t t[THREADS];

	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(sigaction(SIGUSR2, &sb, NULL));
	for(int i = 0; i < THREADS; i++)
		t[i] = spawn(work, NULL);
	work(NULL);
	for(int i = 0; i < THREADS; i++)
		join(t[i]);
	puts("ok");
	return 0;
}
