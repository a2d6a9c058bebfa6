/* SPDX-License-Identifier: MIT */
/* Cancellation points. See cancel.c. */
#ifndef HEDDLE_CANCEL_H
#define HEDDLE_CANCEL_H

#include "runtime.h"

/* cancelnow is for a G with ATTN_CANCEL set, in user mode. It returns if cancellation is disabled, after clearing that. */
void cancelnow(struct g *gp);

/* cancelpoint: where the program's thread may be cancelled. User mode. */
static inline void
cancelpoint(struct g *gp)
{
	if(unlikely(load_relaxed(&gp->attn) & ATTN_CANCEL))
		cancelnow(gp);
}

/* The same in runtime mode, between two waits. */
static inline void
cancelpointrt(struct g *gp)
{
	if(unlikely(load_relaxed(&gp->attn) & ATTN_CANCEL)){
		rtexit(gp);
		cancelnow(gp);
		rtenter(gp);
	}
}

/*
 * unwindsyscall says, within a function that calls libc between entersyscall and exitsyscall, that the call may not
 * return: libc acts on a cancellation at its cancellation points, and unwinds. (The directive holds for the
 * function as a whole: pc-relative, 32 bits.)
 */
#define unwindsyscall() __asm__ volatile(".cfi_personality 0x1b, syscallpersonality")

#endif
