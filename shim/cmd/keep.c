/* SPDX-License-Identifier: MIT */
/*
 * keep.c: memory for one report. What is read from files says how much is
 * asked for, and a file may lie: hence the limit, far above what the largest
 * programs with all their libraries need.
 */
#include <stdlib.h>
#include <string.h>

#include "keep.h"

enum { CHUNK = 64 * 1024 };
#define LIMIT ((size_t)256 << 20)

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(max_align_t) char bytes[];
};

static size_t total;	/* bytes in all blocks */

static struct block *
newblock(struct keep *k, size_t n)
{
	size_t size = n > CHUNK ? n : CHUNK;
	struct block *b = NULL;

	if(size <= LIMIT - total)
		b = calloc(1, sizeof *b + size);
	if(b == NULL)
		siglongjmp(*k->full, OUTOFMEMORY);
	total += size;
	b->size = size;
	b->next = k->blocks;
	k->blocks = b;
	return b;
}

void *
keep(struct keep *k, size_t n)
{
	struct block *b = k->blocks;
	void *p;

	if(n > LIMIT)
		n = LIMIT;	/* newblock refuses it */
	n = (n + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if(b == NULL || b->size - b->used < n)
		b = newblock(k, n);
	p = b->bytes + b->used;
	b->used += n;
	return p;
}

char *
keepstr(struct keep *k, const char *s, size_t n)
{
	char *p = keep(k, n + 1);

	memcpy(p, s, n);
	return p;
}

void
release(struct keep *k)
{
	while(k->blocks != NULL) {
		struct block *b = k->blocks;

		k->blocks = b->next;
		total -= b->size;
		free(b);
	}
}
