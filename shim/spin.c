/* SPDX-License-Identifier: MIT */
/*
 * pthread_spin_lock.
 *
 * The word is glibc's for this machine, and other processes may share it; unlocking is a plain store, libc's or inlined
 * into the program, which tells nobody. So whoever waits can only look again. But a
 * holder that has been preempted, or waits in a page fault, gets on sooner if we do not burn its P: after a short
 * spin the waiter yields, and if there is nothing else to run, or the lock stays held for long,
 * it sleeps, for longer and longer up to MAXNAP.
 */
#include "sync.h"

#define SPINS   100
#define YIELDS  50
#define MINNAP  (20 * USEC)
#define MAXNAP  MSEC

#if defined __x86_64__
enum { UNLOCKED = 1, LOCKED = 0 };
#define ISFREE(v) ((v) > 0)
#else
enum { UNLOCKED = 0, LOCKED = 1 };
#define ISFREE(v) ((v) == 0)
#endif

static inline bool
tryspin(pthread_spinlock_t *lock)
{
	int *l = (int *)lock; /* the type is volatile; every access here is an atomic one */

	return ISFREE(load_relaxed(l)) && cas(l, UNLOCKED, LOCKED);
}

static noinline int
spinslow(pthread_spinlock_t *l)
{
	struct g *gp = syncg();
	int64_t nap = MINNAP;
	int i;

	if(gp == NULL || (gp->flags & GF_FOREIGN))
		return libc.pthread_spin_lock(l);
	for(i = 0; gomaxprocs > 1 && i < SPINS; i++){
		if(tryspin(l))
			return 0;
		cpurelax();
	}
	for(i = 0; !tryspin(l); i++){
		rtenter(gp);
		if(i < YIELDS){
			gosched();
		}else{
			sleepuntil(gp, nanotime() + nap);
			nap = nap * 2 < MAXNAP ? nap * 2 : MAXNAP;
		}
		rtexit(gp);
	}
	return 0;
}

EXPORT int
pthread_spin_lock(pthread_spinlock_t *l)
{
	return likely(tryspin(l)) ? 0 : spinslow(l);
}
