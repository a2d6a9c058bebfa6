/* SPDX-License-Identifier: MIT */
/*
 * Memory for kernel threads, from before they are made.
 *
 * In a program whose other threads wait nobody else maps memory: what it has unmapped stays so until it maps something there itself.
 * But Ms are made whenever there is something for them to do, and each needs a stack and a signal stack. So the first ones, as many as
 * the Ps need, the lookout and a few that block, have theirs in one mapping that the runtime's start makes, in the program's own call of
 * pthread_create. Those after them have what libc maps for them.
 *
 * On top of a kernel thread's stack are libc's TCB and the static TLS of all libraries, for which there has to be room beside what the
 * thread itself needs: OpenBLAS, of which ffmpeg has a copy, wants 60 KiB.
 *
 * A slot, from low to high: a guard page, the signal stack, a guard page, the stack. It is used once: its thread
 * may still be on it when its M is free for another (mleave), and threads do not end often.
 */
#include <sys/auxv.h>
#include <sys/mman.h>

#include "runtime.h"

enum { SIGSTACKMIN = 32 << 10, SIGSTACKUSE = 16 << 10, SPARE = 4 };
#define PAGE        4096UL
#define RESERVEMAX ((2UL << 20) - PAGE) /* no place for a huge page */

static uintptr_t reserve;  /* written at the start */
static size_t nslots;
static size_t slotsused;   /* atomic; past nslots, too */

size_t
sigstacksize(void)
{
	size_t size = getauxval(AT_MINSIGSTKSZ) + SIGSTACKUSE;

	return size < SIGSTACKMIN ? SIGSTACKMIN : (size + PAGE - 1) & ~(PAGE - 1);
}

size_t
kstacksize(size_t need)
{
	return need + ((tcblayout.tlssize + PAGE - 1) & ~(PAGE - 1));
}

static size_t
slotsize(void)
{
	return PAGE + sigstacksize() + PAGE + kstacksize(MSTACK);
}

/* Where address space is limited the program is to get what there is. */
void
mstackstart(void)
{
	size_t n = (size_t)gomaxprocs + SPARE, most = RESERVEMAX / slotsize();
	long p;

	reserve = nslots = slotsused = 0;
	if(aslimited())
		return;
	if(n > most)
		n = most;
	p = rawsyscall(SYS_mmap, 0, n * slotsize(), PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if(p < 0 && p > -4096)
		return;
	reserve = (uintptr_t)p;
	nslots = n;
}

void *
mstackget(struct m *mp)
{
	size_t i = fetch_add(&slotsused, 1);
	uintptr_t slot, stack;

	if(i >= nslots)
		return NULL;
	slot = reserve + i * slotsize();
	stack = slot + PAGE + sigstacksize() + PAGE;
	rawsyscall(SYS_mprotect, slot, PAGE, PROT_NONE);
	rawsyscall(SYS_mprotect, stack - PAGE, PAGE, PROT_NONE);
	if(mp != NULL && mp->gsignal == 0){
		mp->gsignal = slot + PAGE;
		mp->gsignalsize = sigstacksize();
	}
	return (void *)stack;
}
