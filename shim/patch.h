/* SPDX-License-Identifier: MIT */
/* Calls that libc makes of its own functions. */
#ifndef HEDDLE_PATCH_H
#define HEDDLE_PATCH_H

#include "dynsym.h"
#include "runtime.h"

/* patchlibc makes them arrive at heddle's wrappers, once, on the process's only thread, after libcresolve. What cannot be done is said
 * on the log. */
void patchlibc(void);

/* ---- lll.c: the locks inside libc ---- */

/* These take the place of libc's __lll_lock_wait_private and __lll_lock_wake_private. */
void lllwait(uint32_t *word);
void lllwake(uint32_t *word);
/* lllinit: both do (or not). rtlo to rthi: ld.so's data; it has functions of its own for the locks that it shares with libc. */
void lllinit(bool patched, uintptr_t rtlo, uintptr_t rthi);

#endif
