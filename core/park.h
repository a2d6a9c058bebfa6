/* SPDX-License-Identifier: MIT */
/* Waiting, waking and yielding: park.c. All in runtime mode unless it says otherwise. */
#ifndef HEDDLE_PARK_H
#define HEDDLE_PARK_H

/*
 * Parking:
 *	uint64_t seq = parkprep(gp);
 *	... publish (gp, seq) where wakers find it: queue entries, under their locks ...
 *	why = park(gp, Wread, (void *)(long)fd, deadline);
 *	... take back the entries that are still published ...
 * A waker calls wake(gp, seq, why); or claim() under its lock and ready() after it.
 * An entry may be on gp's stack: who finds it on a queue and claims it must not
 * touch it once it has released that queue's lock.
 */
uint64_t parkprep(struct g *gp);
/* park returns what woke it. deadline: absolute CLOCK_MONOTONIC ns, NOTIME for none; one in the past times out
 * at once. With a signal to be delivered it returns WAKE_SIGNAL, always (callers that must not be
 * interrupted, like a mutex, park again; the handler runs at rtexit or by sigdeliver). */
enum wakewhy park(struct g *gp, enum waitreason, const void *obj, int64_t deadline);
enum wakewhy parknointr(struct g *gp, enum waitreason, const void *obj, int64_t deadline); /* never WAKE_SIGNAL */
/* parkabort ends a parkprep without park(). It returns true if nobody had claimed the wait;
 * else *why says what did: that wake-up has been consumed by this call. */
bool parkabort(struct g *gp, enum wakewhy *why);
/* claim returns 0 if that wait is over, 1 if the G has not switched yet (nothing else to do), 2 if the
 * caller now owns the parked G and must ready() it or glistpush() and injectglist() it. Any thread. */
int claim(struct g *gp, uint64_t seq, enum wakewhy why);
int claimalone(struct g *gp, uint64_t seq); /* see park.c; sema.c's */
/* attnset sets bits of gp->attn. After it a look at gp->wakeword sees a parked G, or the G, about to park, the bits. Any
 * thread, but not a signal handler. */
void attnset(struct g *gp, uint32_t bits);
/* ready makes a G whose claim returned 2 runnable. Any thread: a G in runtime mode, an M on g0, sysmon, foreign. */
void ready(struct g *gp);
static inline bool
wake(struct g *gp, uint64_t seq, enum wakewhy why)
{
	int r = claim(gp, seq, why);

	if(r == 2)
		ready(gp);
	return r != 0;
}

/* wakeparked, after attnset: ends gp's wait with WAKE_SIGNAL, unless that is not to be ended; false: gp is not parked. */
bool wakeparked(struct g *gp);

void gosched(void);                         /* yield */
void gopreempt(void);                       /* yield to everybody */
void gopreemptfair(void);                   /* also to those for whom the network has something */
void sleepuntil(struct g *gp, int64_t when); /* park on a timer, not interruptible */

#endif
