/* SPDX-License-Identifier: MIT */
/* Deadlines of parked Gs: timer.c. */
#ifndef HEDDLE_TIMER_H
#define HEDDLE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct p;

struct timer {
	int64_t when; /* absolute CLOCK_MONOTONIC ns */
	uint64_t seq; /* of the wait that it ends; see parkprep */
	struct p *pp; /* whose heap; changes only under both heaps' locks */
	int32_t idx;  /* place in the heap, -1 when in none; pp->timerslock */
};

/* addtimer puts a G's timer, whose when and seq are set, on the heap of the current P. Runtime mode. False: no memory. */
bool addtimer(struct timer *t);
/* deltimer takes it off its heap. It returns false if it had fired already: the wake-up may still be
 * on its way, and is told to be stale by seq. */
bool deltimer(struct timer *t);
int64_t checktimers(struct p *, int64_t now, bool *ran); /* runs what is due; returns the next when, 0 for none */
int64_t timesleepuntil(void); /* the earliest deadline of all Ps, 0 none */

#endif
