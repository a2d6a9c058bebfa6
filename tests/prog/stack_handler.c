/* SPDX-License-Identifier: MIT */
/* status: 9 */
/* The program's own SIGSEGV handler, on the thread's alternate stack, sees a stack overflow with the address of the guard. */
#include "prog.h"
#include <signal.h>

static char *lo;

static void
onsegv(int sig, siginfo_t *si, void *uc UNUSED)
{
	static const char msg[] = "handled\n";
	char *a = si->si_addr;

	if(sig != SIGSEGV || a >= lo + 65536 || a < lo - (1 << 20))
		_exit(1);
	_exit(write(1, msg, sizeof msg - 1) > 0 ? 9 : 1);
}

static void *
overflow(void *arg UNUSED)
{
	struct sigaction sa;
	pthread_attr_t a;
	stack_t ss;
	size_t size;
	void *addr;

	OK(pthread_getattr_np(pthread_self(), &a));
	OK(pthread_attr_getstack(&a, &addr, &size));
	lo = addr;
	ss.ss_size = 65536;
	ss.ss_sp = malloc(ss.ss_size);
	ss.ss_flags = 0;
	EQ(sigaltstack(&ss, NULL), 0);
	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = onsegv;
	sa.sa_flags = SA_ONSTACK | SA_SIGINFO;
	EQ(sigaction(SIGSEGV, &sa, NULL), 0);
	return (void *)(intptr_t)deeper(0);
}

int
main(void)
{
	pthread_attr_t a;
	pthread_t t;

	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, 256 << 10));
	OK(pthread_create(&t, &a, overflow, NULL));
	join(t);
	return 0;
}
