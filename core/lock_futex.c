/* SPDX-License-Identifier: MIT */
/*
 * The runtime's own locks and one-shot events, on futexes (Go: lock_futex.go).
 *
 * They guard short sections: held by a G in runtime mode or an M on g0, never
 * across a switch, and never taken by a signal handler.
 *
 * unlock is a plain store followed by a plain load, half of an asymmetric Dekker pattern:
 *
 *   unlock                        lockslow
 *   key = 0                       sleepers++
 *   compiler barrier              heavybarrier
 *   sleepers != 0? wake one       key == 0? take it : sleep while key == 1
 *
 * If the unlocker's load comes before the barrier and misses the sleeper, its store does
 * too, and the sleeper sees key == 0. The barrier is needed once a sleeper: its count stays
 * until it has the lock.
 */
#include <linux/membarrier.h>
#include <linux/futex.h>

#include "runtime.h"

enum { SPINS = 4, PAUSES = 30 };

int
futexsleep(uint32_t *addr, uint32_t val, int64_t deadline)
{
	struct timespec ts, *tsp = NULL;

	stressat(ST_note);
	if(stresschance(SC_shortsleep))
		return stressrand(SC_shortsleep) % 2 ? -EINTR : 0; /* as if by a signal, or a wake-up meant for what was here before */
	if(deadline >= 0){
		ts.tv_sec = deadline / NSEC;
		ts.tv_nsec = deadline % NSEC;
		tsp = &ts;
	}
	/* WAIT_BITSET takes an absolute CLOCK_MONOTONIC time */
	return (int)rawsyscall(SYS_futex, addr, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, val, tsp, NULL,
	    FUTEX_BITSET_MATCH_ANY);
}

/* Nothing interrupts a wake in the kernel itself. Where something in between says so all the same, a wake-up must not be lost. */
void
futexwakeup(uint32_t *addr, int cnt)
{
	while(rawsyscall(SYS_futex, addr, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, cnt) == -EINTR)
		continue;
}

uint8_t lightslow;

void
lightbarrierslow(enum stresspoint at)
{
	stressat(at);
	if(nomembarrier)
		fence_seqcst();
}

static bool
membarrier(int cmd)
{
	return rawsyscall(SYS_membarrier, cmd, 0, 0) >= 0;
}

/*
 * The expedited command is registered for this address space only: a fork's child may not be. It needs memory; the global one
 * needs neither, and is slow.
 */
static void
barrier(void)
{
	if(nomembarrier)
		fence_seqcst();
	else if(!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)){
		membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
		if(!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) && !membarrier(MEMBARRIER_CMD_GLOBAL))
			throw("membarrier refused, after it had been granted");
	}
}

void
heavybarrier(void)
{
	stressat(ST_beforebarrier);
	barrier();
	stressat(ST_afterbarrier);
}

void
lockslow(struct mutex *l)
{
	stressat(ST_lockslow);
	for(int i = 0; i < SPINS; i++){
		for(int k = 0; k < PAUSES; k++)
			cpurelax();
		if(load_relaxed(&l->key) == 0 && cas(&l->key, 0, 1))
			return;
	}
	add_fetch(&l->sleepers, 1);
	heavybarrier();
	while(!cas(&l->key, 0, 1)){
		stressat(ST_lockasleep);
		futexsleep(&l->key, 1, NOTIME);
	}
	add_fetch(&l->sleepers, -1);
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
	stressat(ST_note);
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

static int
kernelclock(clockid_t id, struct timespec *ts)
{
	return (int)rawsyscall(SYS_clock_gettime, id, ts);
}

int (*rtclock)(clockid_t, struct timespec *) = kernelclock;

void
clockbykernel(void)
{
	rtclock = kernelclock;
}

int64_t
nanotime(void)
{
	struct timespec ts;

	rtclock(CLOCK_MONOTONIC, &ts); /* valid arguments: errno is not touched */
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

void
usleep_ns(int64_t ns)
{
	struct timespec ts = {ns / NSEC, ns % NSEC};

	rawsyscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, NULL);
}
