/* SPDX-License-Identifier: MIT */
/* Locks and one-shot events of the runtime itself; never held across a switch. lock_futex.c */
#ifndef HEDDLE_LOCK_H
#define HEDDLE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "stress.h"

struct mutex {
	uint32_t key;      /* 0 free, 1 held */
	uint32_t sleepers; /* who sleep, or are about to; atomic */
};

/* note: a one-shot event. At most one notewakeup per noteclear. */
struct note {
	uint32_t key;
};

void lockslow(struct mutex *);
void unlockslow(struct mutex *);
/* heavybarrier is a full barrier on every running thread of the process: the dear half of the protocols in
 * which the other half is a compiler barrier. */
void heavybarrier(void);
extern bool nomembarrier; /* membarrier(2) is refused */
/* lightbarrier is the other half: it keeps the compiler from moving anything, and costs a look at lightslow. */
extern uint8_t lightslow; /* not 0: membarrier(2) is refused, so that both halves have to fence, or there is stress */
void lightbarrierslow(enum stresspoint);
static inlined void
lightbarrier(enum stresspoint at)
{
	compiler_barrier();
	if(unlikely(load_relaxed(&lightslow)))
		lightbarrierslow(at);
}

static inlined void
lock(struct mutex *l)
{
	if(unlikely(!cas(&l->key, 0, 1)))
		lockslow(l);
}

static inlined void
unlock(struct mutex *l)
{
	store_release(&l->key, 0);
	lightbarrier(ST_unlock); /* pairs with heavybarrier in lockslow */
	if(unlikely(load_relaxed(&l->sleepers) != 0))
		unlockslow(l);
}

static inline bool
trylock(struct mutex *l)
{
	return cas(&l->key, 0, 1);
}

void noteclear(struct note *);
void notewakeup(struct note *);
/* notesleep returns true if woken; false once deadline (absolute ns, NOTIME for none) has passed,
 * or with intr when a signal handler has run. */
bool notesleep(struct note *, int64_t deadline, bool intr);

#endif
