/* SPDX-License-Identifier: MIT */
/*
 * The bound on kernel threads that block, and the queue before it.
 *
 * Only maxblocked Gs may be in entersyscallblock; others queue (FIFO) before their call. The reserve above maxblocked is
 * for Ms that run Ps and for calls that turn out to block only once made.
 *
 * The bound may be the kernel's, and lower, which shows when it refuses a thread. By then it must not be the last M that
 * blocks: so a G blocks only if there is another M, in existence, that does not and could run what waits. Else it queues,
 * too, and one is asked for (spare); its start, or the refusal, lets the queue go on (blockspare).
 *
 * Which Ms could? Those that run any G: they are *able*. Three numbers tell, all under blocklock:
 *
 *   mable         Ms whose kernel thread runs and is of no G's own
 *   nblocked      calls in entersyscallblock
 *   nownblocked   those of Gs that have an M of their own, which takes no able one
 *
 * so mable - (nblocked - nownblocked) able Ms are free, asleep or at work. An M's part in this, m.able, is written by the M
 * itself, or the G on it, under blocklock:
 *
 *                mstart                     lockosthread
 *   not able -------------> able <--------------------------> not able
 *      ^                     |      unlockosthread, or the G     |
 *      |       mexit         |      ends without a change        |  mretire: it ends
 *      '---------------------'                                   |  with its G
 *      ^---------------------------------------------------------'
 *
 * An M made for a G (own.c) is never able: neither its start, nor its end, nor that there can be none changes the numbers, but for
 * what is learnt of the kernel. A G that locks itself within its call, in a handler, is counted twice until the call
 * is over: on the safe side. What a call has taken is written down with it (insyscall), so that it is what it gives back.
 *
 * The queue moves when something changes in its favour: a call ends, an M becomes able, the kernel has refused one while no able M
 * blocks. Each of these looks for itself (letgo), under blocklock. What changes unnoticed is the kernel's mind: sysmon has
 * it asked again (blockretry).
 */
#include "runtime.h"

static const int64_t RETRY = 100 * MSEC;

struct blockwait {
	struct g *gp;
	uint64_t seq;
	struct blockwait *next;
};
static struct blockwait *blockhead, **blocktail = &blockhead; /* sched.blocklock */

/* Has gp an M of its own? gp is the caller's or waits here: its lockedm does not change. */
static bool
ownm(struct g *gp)
{
	return gp->lockedm != NULL;
}

/* May gp block, too? Where the kernel refuses a second able M, one may all the same. sched.blocklock. */
static bool
mayblock(struct g *gp)
{
	int32_t taken = sched.nblocked - sched.nownblocked;

	return sched.nblocked < sched.maxblocked &&
	       (ownm(gp) || taken + 1 < sched.mable || (sched.refused && taken == 0));
}

/* sched.blocklock. */
static void
count(bool own, int32_t d)
{
	sched.nblocked += d;
	if(own)
		sched.nownblocked += d;
}

/* Asks for another M if the first in the queue waits for that; one at a time. sched.blocklock. */
static struct m *
spare(void)
{
	struct m *mp = NULL;

	if(blockhead == NULL || sched.sparing != NULL || sched.nblocked >= sched.maxblocked || mayblock(blockhead->gp))
		return NULL;
	lock(&sched.lock);
	mp = mnew();
	unlock(&sched.lock);
	return sched.sparing = mp;
}

void
blockacquire(struct g *gp)
{
	struct blockwait w = {.gp = gp};
	struct m *fresh;

	lock(&sched.blocklock);
	if(likely((blockhead == NULL || ownm(gp)) && (mayblock(gp) || ngs() <= 1))){
		count(ownm(gp), 1);
		unlock(&sched.blocklock);
		return;
	}
	w.seq = parkprep(gp);
	*blocktail = &w;
	blocktail = &w.next;
	sched.nblockq++;
	fresh = spare();
	unlock(&sched.blocklock);
	if(fresh != NULL)
		newm(fresh);
	parknointr(gp, Wblockq, NULL, NOTIME); /* counted by who lets it go */
}

/* Takes the first off the queue. Returns its G, to be made runnable, or NULL if that has not parked yet. sched.blocklock. */
static struct g *
blocknext(void)
{
	struct blockwait *w = blockhead;

	if((blockhead = w->next) == NULL)
		blocktail = &blockhead;
	sched.nblockq--;
	return claim(w->gp, w->seq, WAKE_READY) == 2 ? w->gp : NULL;
}

/* Those who may block now leave the queue, for l. sched.blocklock. */
static void
letgo(struct glist *l)
{
	struct g *gp;

	while(blockhead != NULL && mayblock(blockhead->gp)){
		count(ownm(blockhead->gp), 1);
		if((gp = blocknext()) != NULL)
			glistpush(l, gp);
	}
}

/* The second half of all that moves the queue, without locks. */
static void
goon(struct glist *l, struct m *fresh)
{
	if(unlikely(l->head != NULL))
		injectglist(l);
	if(unlikely(fresh != NULL))
		newm(fresh);
}

void
blockrelease(bool own)
{
	struct glist l = {0};
	struct m *fresh = NULL;

	stressat(ST_blockqueue);
	lock(&sched.blocklock);
	count(own, -1);
	if(unlikely(blockhead != NULL)){
		letgo(&l);
		if(!sched.refused)
			fresh = spare();
	}
	unlock(&sched.blocklock);
	goon(&l, fresh);
}

void
blockable(struct m *mp, bool able)
{
	struct glist l = {0};
	struct m *fresh = NULL;

	if(mp->able == able)
		return;
	lock(&sched.blocklock);
	mp->able = able;
	sched.mable += able ? 1 : -1;
	letgo(&l);
	if(!sched.refused)
		fresh = spare();
	unlock(&sched.blocklock);
	goon(&l, fresh);
}

/* Nobody waits for mp any more, if it is the one that was asked for. sched.blocklock. */
static void
answered(struct m *mp, bool refused)
{
	if(sched.sparing == mp)
		sched.sparing = NULL;
	sched.refused = refused;
}

void
blockspare(struct m *mp)
{
	lock(&sched.blocklock);
	answered(mp, false);
	unlock(&sched.blocklock);
	blockable(mp, true);
}

void
blockrefused(struct m *mp)
{
	struct glist l = {0};

	lock(&sched.blocklock);
	answered(mp, true);
	letgo(&l);
	unlock(&sched.blocklock);
	goon(&l, NULL);
}

void
blockretry(int64_t now)
{
	static int64_t last; /* sysmon's */
	struct m *fresh;

	if(likely(load_relaxed(&sched.nblockq) == 0) || now - last < RETRY)
		return;
	last = now;
	lock(&sched.blocklock);
	fresh = spare();
	unlock(&sched.blocklock);
	if(fresh != NULL)
		newm(fresh);
}

void
blockqfork(void)
{
	blockhead = NULL;
	blocktail = &blockhead;
}
