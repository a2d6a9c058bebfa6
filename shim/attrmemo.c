/* SPDX-License-Identifier: MIT */
/*
 * Attributes that pthread_create has seen before.
 *
 * A pthread_attr_t is libc's secret, and to ask libc for what it holds takes longer than all the rest of a
 * thread's creation. A program makes its threads with the same attributes again and again; so the bytes of the last
 * ones are kept for each P, with what they meant. The same bytes mean the same, unless libc keeps a part elsewhere: it
 * does so for a signal mask and a set of processors, by a pointer. Where that pointer is, an experiment tells; attributes
 * in which it is not NULL are not kept.
 */
#include <string.h>

#include "thread.h"

enum { NWORD = sizeof(pthread_attr_t) / sizeof(uintptr_t) };
union words {
	pthread_attr_t attr;
	uintptr_t w[NWORD];
};

/* Of a P; its holder in runtime mode. */
static struct memo {
	union words attr;
	size_t size, guard;
	bool detached, notinherit, valid;
} cachealigned memos[MAXPROCS];

static int extension = -1; /* the word with the pointer, -1 not found */

void
attrmemoinit(void)
{
	union words a, b;
	sigset_t none;
	int found = 0;

	sigemptyset(&none);
	if(pthread_attr_init(&a.attr) != 0)
		return;
	b = a;
	if(pthread_attr_setsigmask_np(&a.attr, &none) == 0)
		for(int i = 0; i < NWORD; i++)
			if(a.w[i] != b.w[i]){
				extension = i;
				found++;
			}
	pthread_attr_destroy(&a.attr);
	if(found != 1 || b.w[extension] != 0)
		extension = -1;
}

static bool
same(const union words *a, const union words *b)
{
	uintptr_t d = 0;

#pragma GCC unroll 8
	for(int i = 0; i < NWORD; i++)
		d |= a->w[i] ^ b->w[i];
	return d == 0;
}

bool
attrrecall(struct g *self, const pthread_attr_t *attr, struct startattr *a)
{
	union words w;
	struct memo *m;
	bool hit;

	memcpy(&w.attr, attr, sizeof w.attr);
	rtenter(self);
	m = &memos[self->m->p->id];
	if((hit = m->valid && same(&m->attr, &w))){
		a->size = m->size;
		a->guard = m->guard;
		a->detached = m->detached;
		a->k.notinherit = m->notinherit;
	}
	rtexit(self);
	if(!hit)
		return false;
	a->stack = 0;
	a->hasmask = false;
	a->k.what = 0;
	return true;
}

void
attrkeep(struct g *self, const pthread_attr_t *attr, const struct startattr *a)
{
	union words w;
	struct memo *m;

	memcpy(&w.attr, attr, sizeof w.attr);
	if(extension < 0 || w.w[extension] != 0 || a->stack != 0 || a->hasmask || a->k.what != 0)
		return;
	rtenter(self);
	m = &memos[self->m->p->id];
	m->attr = w;
	m->size = a->size;
	m->guard = a->guard;
	m->detached = a->detached;
	m->notinherit = a->k.notinherit;
	m->valid = true;
	rtexit(self);
}
