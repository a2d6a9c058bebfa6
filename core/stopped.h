/* SPDX-License-Identifier: MIT */
/* The process has been stopped and goes on: what that ends. stopped.c */
#ifndef HEDDLE_STOPPED_H
#define HEDDLE_STOPPED_H

#include "runtime.h"

/* A system call on the caller's kernel thread, and what there was before it. */
struct stopwatch {
	struct m *mp;
	uint32_t handled;
	uint32_t stops;
	uint32_t caught;
};

extern uint32_t nstops; /* atomic: stops that have been seen */

/* stopwatch is taken before a system call that no kick can come before unseen. On an M, with a G in force or on g0; else it shows nothing. */
static inline struct stopwatch
stopwatch(void)
{
	struct m *mp = getm();

	return (struct stopwatch){mp, mp != NULL ? mp->nhandled : 0, load_acquire(&nstops), load_acquire(&ncaught)};
}

/*
 * stopended: the call has ended with the raw result r, and that is a stop's doing: EINTR, although no handler has run. The caller's wait
 * ends with EINTR, natively too; those who are parked are told.
 */
bool stopendedslow(const struct stopwatch *);
static inline bool
stopended(const struct stopwatch *w, long r)
{
	return unlikely(r == -EINTR) && stopendedslow(w);
}

/* stopwakes is the same for netpoll, whose caller makes runnable what it puts on l. */
struct wakes;
void stopwakes(const struct stopwatch *, long r, struct wakes *l);

/* stopsince: has one been seen since nstops was `before`? */
static inline bool
stopsince(uint32_t before)
{
	return load_acquire(&nstops) != before;
}

/* A G begins a wait that a stop ends. */
extern bool stopsmatter; /* atomic */
static inline void
stopmatters(void)
{
	if(unlikely(!load_relaxed(&stopsmatter)))
		store_relaxed(&stopsmatter, true);
}

/* sysmon's sleep, where nobody else would notice a stop. stopwatches before it publishes that it sleeps; stopring after notewakeup, by
 * who wakes it. stopsleep is then notesleep, stopnap usleep_ns. */
bool stopwatches(void);
bool stopsleep(struct note *, int64_t until);
void stopnap(int64_t ns); /* less than a second */
void stopring(void);

#endif
