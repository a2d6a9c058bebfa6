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

/* CHANCE(name, kind, n): what the runtime does once in n times, for that kind of stress. */
#define STRESSCHANCES(CHANCE)                                                                                     \
	CHANCE(yields, STRESS_PREEMPT | STRESS_MOVE, 4) CHANCE(outofturn, STRESS_PREEMPT, 2) CHANCE(losesp, STRESS_PREEMPT, 16) \
	CHANCE(passesp, STRESS_MOVE, 2) CHANCE(spills, STRESS_MOVE, 4) CHANCE(wakes, STRESS_MOVE, 8)              \
	CHANCE(otherm, STRESS_MOVE, 2) CHANCE(otherp, STRESS_MOVE, 2) CHANCE(leavesidlep, STRESS_MOVE, 2)         \
	CHANCE(handsoff, STRESS_SLOW, 2) CHANCE(takenincall, STRESS_SLOW, 2) CHANCE(newstack, STRESS_SLOW, 2)     \
	CHANCE(norunnext, STRESS_SLOW, 2) CHANCE(shortqueue, STRESS_SLOW, 1) CHANCE(shortsleep, STRESS_SLOW, 8)   \
	CHANCE(wokenforno, STRESS_SLOW, 16) CHANCE(wantsmutex, STRESS_SLOW, 2) CHANCE(wakesall, STRESS_SLOW, 2)   \
	CHANCE(notsolo, STRESS_SLOW, 2) CHANCE(oneevent, STRESS_SLOW, 2) CHANCE(falseevent, STRESS_SLOW, 4)       \
	CHANCE(breakspoll, STRESS_SLOW, 16) CHANCE(wakessysmon, STRESS_SLOW, 16)

/* A site of either sort has a sequence of decisions of its own. */
enum stresspoint {
#define POINT(name) ST_##name,
#define CHANCE(name, kind, n) SC_##name,
	STRESSPOINTS(POINT)
	ST_MAX,
	SC_BEFORE = ST_MAX - 1,
	STRESSCHANCES(CHANCE)
	STRESS_SITES
#undef POINT
#undef CHANCE
};

extern uint32_t stressing;   /* STRESS_*; set before there is a second thread, 0: off */
extern bool stresstimeless;  /* preempt=0 and no STRESS_PREEMPT: nothing that G does is cut short for how long it takes */

/* stressinit takes what options.stress says; at the bootstrap. */
void stressinit(void);
/* stressdelay waits at a point, or does not. Anywhere, with locks held too. */
void stressdelay(enum stresspoint);
/* stressrand is the caller's next random number there, stressdraws whether it is to do what happens there by chance. */
uint32_t stressrand(enum stresspoint);
bool stressdraws(enum stresspoint);
/* stressexit: a G is about to go back to user mode. */
struct g;
void stressexit(struct g *);
/* stressschedule: mp looks for a G, and has a P. True if it may have another P now and has to begin again. */
struct m;
bool stressschedule(struct m *);
/* stresssaid prints how to repeat the run; for throw. */
void stresssaid(void);
/* stressfork: the child of a fork begins anew. */
void stressfork(void);

static inline void
stressat(enum stresspoint at)
{
	if(unlikely(load_relaxed(&stressing) & STRESS_DELAY))
		stressdelay(at);
}

/* stresschance: is it to be done now? */
static inline bool
stresschance(enum stresspoint at)
{
#define CHANCE(name, kind, n) [SC_##name - ST_MAX] = (kind),
	static const uint8_t kinds[] = {STRESSCHANCES(CHANCE)};
#undef CHANCE

	return unlikely(load_relaxed(&stressing) & kinds[at - ST_MAX]) && stressdraws(at);
}

#endif
