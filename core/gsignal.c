/* SPDX-License-Identifier: MIT */
/*
 * A kernel thread's part in signals: the stack on which our handlers start (Go: gsignal), from the thread's start to its end. See signal.c.
 */
#include <sys/mman.h>

#include "sig.h"

enum { PAGE = 4096 };

/* The signal stack, which a structure used again still has. Without memory for one, handlers start on the thread's own. */
void
gsignalalloc(struct m *mp)
{
	size_t size = sigstacksize();
	long p;

	if(mp->gsignal != 0)
		return;
	p = rawsyscall(SYS_mmap, 0, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if(p < 0 && p > -4096)
		return;
	rawsyscall(SYS_mprotect, p, PAGE, PROT_NONE);
	mp->gsignal = (uintptr_t)p + PAGE;
	mp->gsignalsize = size;
}

void
minitsignals(struct m *mp)
{
	stack_t ss;

	mp->signalpending = 0;
	gsignalalloc(mp);
	ss = (stack_t){.ss_sp = (void *)mp->gsignal, .ss_size = mp->gsignalsize};
	if(mp->gsignal != 0)
		rawsyscall(SYS_sigaltstack, &ss, NULL);
}

void
munitsignals(struct m *mp)
{
	stack_t ss = {.ss_flags = SS_DISABLE};

	/* libc's setuid may have this thread on its list already, and waits for it, while the thread's end waits for libc's setuid */
	sigsetkernelmask(~SIGBIT(SIGSETXIDNO));
	store_release(&mp->sigmask, ~0ULL);
	rawsyscall(SYS_sigaltstack, &ss, NULL);
}
