/* SPDX-License-Identifier: MIT */
/*
 * Asking the cache in time for the lines of a TCB, its TLS and the stack below that a start or a reset of a G is to touch. Of threads
 * made by the thousand each line is in the second-level cache at best when it is wanted, and to fetch one costs as much as
 * a few dozen instructions.
 */
#include "runtime.h"
#include "tls.h"
#include "tlscal.h"

struct lines {
	uint32_t n;
	ptrdiff_t at[24]; /* from the TCB, which begins a line; each once */
};

static struct lines startlines, resetlines;

static void
addline(struct lines *l, ptrdiff_t off)
{
	off &= -(ptrdiff_t)CACHELINE;
	for(uint32_t i = 0; i < l->n; i++)
		if(l->at[i] == off)
			return;
	if(l->n < nelem(l->at))
		l->at[l->n++] = off;
}

void
tlsfindlines(const struct tlscal *cal, ptrdiff_t tlsgoff)
{
	ptrdiff_t top = -(ptrdiff_t)(tcblayout.tlssize - tcblayout.size);
	ptrdiff_t written[] = {tcblayout.cleanupjmpbuf - (ptrdiff_t)sizeof(void *), tcblayout.cancelhandling, tcblayout.tid,
	    tcblayout.resp, tlsgoff, top - CACHELINE};

	for(size_t i = 0; i < nelem(written); i++){
		addline(&resetlines, written[i]);
		addline(&startlines, written[i]);
	}
	addline(&startlines, 0);
	addline(&startlines, tcblayout.specificused);
	addline(&startlines, tcblayout.res + 2 * (ptrdiff_t)sizeof(void *)); /* cleanlibc looks there */
	for(size_t i = 0; i < cal->libctlssize; i += CACHELINE)
		addline(&startlines, cal->libctls + (ptrdiff_t)i);
	addline(&startlines, cal->libctls + (ptrdiff_t)cal->libctlssize - 1);
	for(int i = 2; i <= 6; i++)
		addline(&startlines, top - i * CACHELINE);
}

static inline void
prefetch(uintptr_t tcb, const struct lines *l)
{
	for(uint32_t i = 0; i < l->n; i++)
		__builtin_prefetch((char *)tcb + l->at[i], 1);
}

void
tlsprefetch(struct g *gp)
{
	prefetch(gp->fsbase, &startlines);
}

void
tlsprefetchreset(struct g *gp)
{
	prefetch(gp->fsbase, &resetlines);
}
