/* SPDX-License-Identifier: MIT */
/*
 * HEDDLE=stress=...: the runtime works against itself, to bring out races. See stress.c.
 *
 * The hooks cost the hot paths nothing while it is off. They hang on branches that are there anyway: a G's attn
 * (ATTN_SLOW, which foreign threads' Gs have too), the cheap half of asymmetric barriers (lightbarrier), the
 * scheduler's turn at the global queue. Where the path is slow already they look at `stressing`.
 */
#ifndef HEDDLE_STRESS_H
#define HEDDLE_STRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"

enum {
	STRESS_PREEMPT = 1, /* preempt, take Ps, at each round of sysmon and at the end of wrappers */
	STRESS_MOVE = 2,    /* another M and P at scheduling points */
	STRESS_DELAY = 4,   /* wait at the points below */
	STRESS_SLOW = 8,    /* take the slow path of two */
	STRESS_ALL = 15,
};

/* Where a protocol has a window: between publishing and looking again, between a claim and what follows it. */
#define STRESSPOINTS(POINT)                                                                                     \
	POINT(rtenter) POINT(unlock) POINT(lockslow) POINT(lockasleep) POINT(beforebarrier) POINT(afterbarrier) \
	POINT(note) POINT(parked) POINT(ready) POINT(schedule) POINT(idlep)     \
	POINT(notspinning) POINT(poller) POINT(polled) POINT(wakep) POINT(startm) POINT(stopm) POINT(handoffp)  \
	POINT(addtimer) POINT(deltimer) POINT(firetimer) POINT(asked) POINT(taken) POINT(entersyscall)          \
	POINT(exitsyscall) POINT(waitasked) POINT(pollpark) POINT(pollredo) POINT(pollregister) POINT(pollevents) POINT(pollbreak) \
	POINT(pollclosing) POINT(semacancel) POINT(mutexwoken) POINT(goexit) POINT(kick) POINT(attn)            \
	POINT(sigdeliver) POINT(joinended) POINT(blockqueue) POINT(alone)

enum stresspoint {
#define POINT(name) ST_##name,
	STRESSPOINTS(POINT)
#undef POINT
	ST_MAX
};

extern uint32_t stressing; /* STRESS_*; set before there is a second thread, 0: off */

/* stressinit takes what options.stress says; at the bootstrap. */
void stressinit(void);
/* stressdelay waits at a point, or does not. Anywhere, with locks held too. */
void stressdelay(enum stresspoint);
/* stressrand is the caller's next decision. */
uint32_t stressrand(void);
/* stressexit: a G is about to go back to user mode. */
struct g;
void stressexit(struct g *);
/* stressschedule: mp looks for a G, and has a P. True if it may have another P now and has to begin again. */
struct m;
bool stressschedule(struct m *);
/* stresssaid prints how to repeat the run; for throw. */
void stresssaid(void);

static inline void
stressat(enum stresspoint at)
{
	if(unlikely(load_relaxed(&stressing) & STRESS_DELAY))
		stressdelay(at);
}

/* stresschance is true once in n times, with that kind of stress. */
static inline bool
stresschance(uint32_t kind, uint32_t n)
{
	return unlikely(load_relaxed(&stressing) & kind) && stressrand() % n == 0;
}

#endif
