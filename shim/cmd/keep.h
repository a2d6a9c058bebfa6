/* SPDX-License-Identifier: MIT */
/* keep.h: memory that lives as long as the report on one file, and is given back at once. */
#ifndef KEEP_H
#define KEEP_H

#include <setjmp.h>
#include <stddef.h>

struct keep {
	struct block *blocks;
	sigjmp_buf *full;	/* where to go, with OUTOFMEMORY, when there is no more */
};

enum { OUTOFMEMORY = 1000 };

/* n bytes of zeros, aligned for any object, until release. Does not return when memory or the limit is reached. */
void *keep(struct keep *k, size_t n);

/* A copy of the n bytes at s, with '\0' behind them. */
char *keepstr(struct keep *k, const char *s, size_t n);

/* Gives back all that was kept. */
void release(struct keep *k);

#endif
