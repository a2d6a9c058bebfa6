/* SPDX-License-Identifier: MIT */
/*
 * What main has set before it makes its first thread stays in force: its alternate stack, and a SIGSEGV handler that runs there
 * when main's own stack has overflowed, as those of OCaml and SBCL do.
 */
#include "prog.h"
#include <setjmp.h>
#include <signal.h>

static char alt[65536];
static sigjmp_buf back;
static int here;

static void
onsegv(int sig UNUSED, siginfo_t *si UNUSED, void *uc UNUSED)
{
	char local;

	here = &local >= alt && &local < alt + sizeof alt;
	siglongjmp(back, 1);
}

static void *
nothing(void *arg)
{
	return arg;
}

static void
overflow(void)
{
	here = 0;
	if(sigsetjmp(back, 1) == 0)
		CHECK(deeper(0) == 1);
	EQ(here, 1);
}

int
main(void)
{
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt}, old;
	struct sigaction sa;
	struct rlimit lim = {1 << 20, 1 << 20};
	pthread_t t;

	EQ(setrlimit(RLIMIT_STACK, &lim), 0);
	EQ(sigaltstack(&ss, NULL), 0);
	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = onsegv;
	sa.sa_flags = SA_ONSTACK | SA_SIGINFO;
	EQ(sigaction(SIGSEGV, &sa, NULL), 0);
	overflow();
	OK(pthread_create(&t, NULL, nothing, NULL));
	OK(pthread_join(t, NULL));
	EQ(sigaltstack(NULL, &old), 0);
	CHECK(old.ss_sp == alt);
	EQ(old.ss_size, sizeof alt);
	EQ(old.ss_flags, 0);
	for(int i = 0; i < 3; i++)
		overflow();
	printf("handled\n");
	return 0;
}
