/* SPDX-License-Identifier: MIT */
/*
 * Changing where calls of a function go that the program's own libraries make by address, past the
 * dynamic linker: the function's first instruction becomes a jump. insn.c knows the instructions,
 * textpatch.c the pages.
 */
#ifndef HEDDLE_TEXTPATCH_H
#define HEDDLE_TEXTPATCH_H

#include "runtime.h"

struct textpatch {
	/* set by the caller */
	const char *name;
	const uint8_t *at; /* the function */
	size_t size;       /* its length in bytes, as its symbol says */
	const void *to;    /* where its callers are to arrive */
	long nr;           /* the system call that its code must be seen to make */

	const char *why;   /* why it is left alone, NULL if it is not; textmove and textpatch may set it, too */

	const void *orig; /* textmove's: the function as it was, a copy of its first instructions that goes on in the rest, or its rest */
	bool patched;     /* textpatch's */
};

/*
 * textmove prepares the patching of n functions, all of one library, and returns of how many; from then on orig may be called
 * in their place. textpatch does it, and returns how many are patched. No other thread may exist: textmove looks, and does nothing
 * if there is one. single is libc's variable that says whether it has made one, or NULL. Once in a process and its children by
 * fork.
 */
size_t textmove(struct textpatch *v, size_t n, const char *single);
size_t textpatch(struct textpatch *v, size_t n);

/* ---- insn.c ---- */

enum {
	JUMPSIZE = 5,  /* bytes of the jump that takes a function's first instructions' place */
	MAXMOVED = 32, /* at most so many bytes make up those instructions and the jump back, moved elsewhere */
};

/* insnjump writes a jump to `to`, for execution at `at`, into buf: JUMPSIZE bytes. False if that is too far. */
bool insnjump(uint8_t *buf, uintptr_t at, uintptr_t to);
/*
 * insnmove takes apart the first instructions of the function at src, at least JUMPSIZE bytes of them, and writes to buf
 * what does the same at address dst, with a jump back to the rest behind it: at most MAXMOVED bytes. It returns NULL, or what is
 * unusual there.
 */
const char *insnmove(uint8_t *buf, uintptr_t dst, const uint8_t *src, size_t size);
/*
 * insnunless returns where the function at src goes on if *flag is 0, if it begins by looking at that, and does nothing but that; else
 * NULL.
 */
const uint8_t *insnunless(const uint8_t *src, size_t size, const char *flag);
/* insnsyscall says whether the code has an instruction that makes system call nr. */
bool insnsyscall(const uint8_t *code, size_t size, long nr);
/* insnskip is the number of bytes at a function's start that have to stay there: an endbr64. */
size_t insnskip(const uint8_t *code);

#endif
