/* SPDX-License-Identifier: MIT */
/*
 * The runtime's own locks and one-shot events, on futexes (Go: lock_futex.go).
 *
 * They guard short sections: held by a G in runtime mode or an M on g0, never
 * across a switch, and never taken by a signal handler. mutex is Drepper's
 * three-state lock: 0 free, 1 held, 2 held and somebody may sleep. The unlocker that
 * finds 2 wakes one sleeper, which re-takes the lock as 2, since others may still sleep.
 */
#include <linux/futex.h>

#include "runtime.h"

enum { SPINS = 4, PAUSES = 30 };

int
futexsleep(uint32_t *addr, uint32_t val, int64_t deadline)
{
	struct timespec ts, *tsp = NULL;

	if(deadline >= 0){
		ts.tv_sec = deadline / NSEC;
		ts.tv_nsec = deadline % NSEC;
		tsp = &ts;
	}
	/* WAIT_BITSET takes an absolute CLOCK_MONOTONIC time */
	return (int)rawsyscall(SYS_futex, addr, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, val, tsp, NULL,
	    FUTEX_BITSET_MATCH_ANY);
}

void
futexwakeup(uint32_t *addr, int cnt)
{
	rawsyscall(SYS_futex, addr, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, cnt);
}

void
lockslow(struct mutex *l)
{
	for(int i = 0; i < SPINS; i++){
		for(int k = 0; k < PAUSES; k++)
			cpurelax();
		if(load_relaxed(&l->key) == 0 && cas(&l->key, 0, 1))
			return;
	}
	while(xchg(&l->key, 2) != 0)
		futexsleep(&l->key, 2, NOTIME);
}

void
unlockslow(struct mutex *l)
{
	futexwakeup(&l->key, 1);
}

/* note.key: 0 cleared, 1 woken. */

void
noteclear(struct note *n)
{
	store_relaxed(&n->key, 0);
}

void
notewakeup(struct note *n)
{
	if(xchg(&n->key, 1) != 0)
		throw("notewakeup: double wakeup");
	futexwakeup(&n->key, 1);
}

bool
notesleep(struct note *n, int64_t deadline, bool intr)
{
	while(load_acquire(&n->key) == 0){
		int r = futexsleep(&n->key, 0, deadline);

		if(r == -ETIMEDOUT || (r == -EINTR && intr))
			return load_acquire(&n->key) != 0;
	}
	return true;
}

int64_t
nanotime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts); /* valid arguments: errno is not touched */
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

void
usleep_ns(int64_t ns)
{
	struct timespec ts = {ns / NSEC, ns % NSEC};

	rawsyscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, NULL);
}
