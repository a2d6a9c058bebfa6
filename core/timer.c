/* SPDX-License-Identifier: MIT */
/*
 * Timers (Go: time.go, in the simpler form in which a timer is really taken off its heap).
 *
 * Each P has a 4-ary heap under its own lock. A timer knows its heap and its place
 * there, so that deltimer costs O(log n) and leaves nothing behind: nearly all
 * timers here are time-outs that do not fire. timer0when mirrors the first one's
 * time for lock-free looks by the owner, thieves and sysmon; it may be late by one
 * change, which is harmless: whoever adds an earlier timer tells the poller after
 * the change (wakenetpoller).
 *
 * A timer is part of a G and ends its wait. It fires without locks. By then the G may have been woken
 * otherwise (deltimer returned false) and even wait for something else: seq is a copy taken
 * under the lock, and the claim tells.
 */
#include <sys/mman.h>

#include "runtime.h"

enum { ARITY = 4 };

static inline void
place(struct p *pp, uint32_t i, struct timer *t)
{
	pp->timers[i] = t;
	t->idx = (int32_t)i;
}

static void
siftup(struct p *pp, uint32_t i)
{
	struct timer *t = pp->timers[i];

	while(i > 0){
		uint32_t up = (i - 1) / ARITY;

		if(pp->timers[up]->when <= t->when)
			break;
		place(pp, i, pp->timers[up]);
		i = up;
	}
	place(pp, i, t);
}

static void
siftdown(struct p *pp, uint32_t i)
{
	struct timer *t = pp->timers[i];

	for(;;){
		uint32_t first = i * ARITY + 1, least = first;

		if(first >= pp->ntimers)
			break;
		for(uint32_t c = first + 1; c < first + ARITY && c < pp->ntimers; c++)
			if(pp->timers[c]->when < pp->timers[least]->when)
				least = c;
		if(t->when <= pp->timers[least]->when)
			break;
		place(pp, i, pp->timers[least]);
		i = least;
	}
	place(pp, i, t);
}

static void
mirror(struct p *pp)
{
	store_release(&pp->timer0when, pp->ntimers ? pp->timers[0]->when : 0);
}

static void
removeat(struct p *pp, uint32_t i)
{
	struct timer *last = pp->timers[pp->ntimers - 1];

	pp->timers[i]->idx = -1;
	store_relaxed(&pp->ntimers, pp->ntimers - 1);
	if(i < pp->ntimers){
		place(pp, i, last);
		siftup(pp, i);
		siftdown(pp, (uint32_t)last->idx);
	}
	if(i == 0)
		mirror(pp);
}

static bool
growheap(struct p *pp)
{
	uint32_t cap = pp->captimers ? pp->captimers * 2 : 512;
	long old = (long)(pp->captimers * sizeof(struct timer *)), size = (long)(cap * sizeof(struct timer *));
	long r;

	if(pp->timers == NULL)
		r = rawsyscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	else
		r = rawsyscall(SYS_mremap, pp->timers, old, size, MREMAP_MAYMOVE);
	if(r < 0 && r > -4096)
		return false;
	pp->timers = (struct timer **)r;
	pp->captimers = cap;
	return true;
}

bool
addtimer(struct timer *t)
{
	struct p *pp = getm()->p;
	bool first;

	if(t->when <= 0)
		t->when = 1;
	stressat(ST_addtimer);
	lock(&pp->timerslock);
	if(pp->ntimers == pp->captimers && !growheap(pp)){
		unlock(&pp->timerslock);
		return false;
	}
	t->pp = pp;
	place(pp, pp->ntimers, t);
	store_relaxed(&pp->ntimers, pp->ntimers + 1);
	siftup(pp, pp->ntimers - 1);
	first = t->idx == 0;
	if(first)
		mirror(pp);
	unlock(&pp->timerslock);
	if(first)
		wakenetpoller(t->when);
	return true;
}

bool
deltimer(struct timer *t)
{
	struct p *pp = t->pp;
	bool on;

	stressat(ST_deltimer);
	lock(&pp->timerslock);
	on = t->idx >= 0;
	if(on)
		removeat(pp, (uint32_t)t->idx);
	unlock(&pp->timerslock);
	return on;
}

/*
 * checktimers runs pp's due timers: called by its owner, or by a thief for a victim.
 * now may be 0 for not yet known. Returns when the next one is due, 0 for none.
 */
int64_t
checktimers(struct p *pp, int64_t now, bool *ran)
{
	int64_t next = load_acquire(&pp->timer0when);

	if(next == 0)
		return 0;
	if(now == 0)
		now = nanotime();
	if(next > now)
		return next;
	lock(&pp->timerslock);
	while(pp->ntimers != 0 && pp->timers[0]->when <= now){
		struct timer *t = pp->timers[0];
		struct g *gp = (struct g *)((char *)t - offsetof(struct g, timer));
		uint64_t seq = t->seq;

		removeat(pp, 0);
		unlock(&pp->timerslock);
		stressat(ST_firetimer);
		wake(gp, seq, WAKE_TIMEOUT);
		*ran = true;
		lock(&pp->timerslock);
	}
	next = pp->ntimers ? pp->timers[0]->when : 0;
	unlock(&pp->timerslock);
	return next;
}

/* timesleepuntil returns when the first timer of any P is due, 0 for none. */
int64_t
timesleepuntil(void)
{
	int64_t first = 0;

	for(int i = 0; i < gomaxprocs; i++){
		int64_t w = load_acquire(&allp[i]->timer0when);

		if(w != 0 && (first == 0 || w < first))
			first = w;
	}
	return first;
}
