/* SPDX-License-Identifier: MIT */
/*
 * Run queues (Go: proc.go runqput, runqget, runqgrab, Go 1.22).
 *
 * Each P has a ring of 256 Gs and one slot in front of it, runnext.
 *   - Only the owner (the M that holds the P) writes runqtail and fills slots.
 *   - The owner and thieves advance runqhead, by compare-and-swap.
 *   - Only the owner makes runnext non-NULL; anybody may CAS it to NULL.
 *
 * put: load_acquire(head) sees that a slot's old content has been consumed before
 *   the slot is written again; store_release(tail) publishes the slot.
 * get, grab: the slots are read *before* the CAS of head. If it succeeds nobody
 *   else took them, and the owner could not have overwritten them as head had not moved.
 *   A thief may read a torn (head, tail) pair; more than half a ring tells it.
 *
 * A G put with next = true inherits the time slice of the G that readied it, so a
 * pair that wakes one another is preempted as one. At most RUNNEXTMAX of them run in
 * a row while others wait in the ring.
 */
#include "runtime.h"

enum { RUNNEXTMAX = 64 };

/*
 * With one P there is no thief: its owner is alone with head and runnext, and saves the
 * locked instructions. gomaxprocs does not change while the runtime runs.
 */
static inline bool
takehead(struct p *pp, uint32_t h, uint32_t n)
{
	if(gomaxprocs == 1){
		store_relaxed(&pp->runqhead, h + n);
		return true;
	}
	return cas(&pp->runqhead, h, h + n);
}

static inline bool
swapnext(struct p *pp, struct g **old, struct g *gp)
{
	if(gomaxprocs == 1){
		store_relaxed(&pp->runnext, gp);
		return true;
	}
	return __atomic_compare_exchange_n(&pp->runnext, old, gp, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

#define slot(pp, i) (&(pp)->runq[(i) % RUNQSIZE])

/* Moves the first half of a full ring, and gp, to the global queue. False if thieves made room meanwhile. */
static bool
runqputslow(struct p *pp, struct g *gp, uint32_t h, uint32_t t)
{
	struct g *batch[RUNQSIZE / 2];
	struct glist l = {0};
	uint32_t n = (t - h) / 2;

	for(uint32_t i = 0; i < n; i++)
		batch[i] = load_relaxed(slot(pp, h + i));
	if(!takehead(pp, h, n))
		return false;
	for(uint32_t i = 0; i < n; i++)
		glistpush(&l, batch[i]);
	glistpush(&l, gp);
	lock(&sched.lock);
	while((gp = glistpop(&l)) != NULL)
		globrunqput(gp);
	unlock(&sched.lock);
	return true;
}

/* runqput makes gp runnable on pp, which the caller holds: in front (next) or at the tail. */
void
runqput(struct p *pp, struct g *gp, bool next)
{
	uint32_t h, t;

	if(next){
		struct g *old = load_relaxed(&pp->runnext);

		while(!swapnext(pp, &old, gp))
			;
		if(old == NULL)
			return;
		gp = old; /* kicked out to the tail */
	}
	do{
		h = load_acquire(&pp->runqhead); /* pairs with the CASes of consumers */
		t = pp->runqtail;
		if(t - h < pp->runqcap){
			store_relaxed(slot(pp, t), gp);
			store_release(&pp->runqtail, t + 1); /* pairs with load_acquire in runqgrab */
			return;
		}
	}while(!runqputslow(pp, gp, h, t));
}

/* runqputbatch puts l's Gs at the tail; what does not fit goes to the global queue. */
void
runqputbatch(struct p *pp, struct glist *l)
{
	uint32_t h = load_acquire(&pp->runqhead), t = pp->runqtail;
	struct g *gp;

	while(t - h < pp->runqcap && (gp = glistpop(l)) != NULL)
		store_relaxed(slot(pp, t++), gp);
	store_release(&pp->runqtail, t);
	if(l->head == NULL)
		return;
	lock(&sched.lock);
	while((gp = glistpop(l)) != NULL)
		globrunqput(gp);
	unlock(&sched.lock);
}

static struct g *
runqgetring(struct p *pp)
{
	for(;;){
		uint32_t h = load_acquire(&pp->runqhead); /* other consumers */
		uint32_t t = pp->runqtail;
		struct g *gp;

		if(t == h)
			return NULL;
		gp = load_relaxed(slot(pp, h));
		if(takehead(pp, h, 1))
			return gp;
	}
}

/* runqget takes the next G of the caller's own pp, or NULL. *inherit: it goes on with the present time slice. */
struct g *
runqget(struct p *pp, bool *inherit)
{
	struct g *next = load_relaxed(&pp->runnext), *gp;

	*inherit = false;
	if(next != NULL && unlikely(pp->runnextrun >= RUNNEXTMAX)){
		pp->runnextrun = 0;
		if((gp = runqgetring(pp)) != NULL)
			return gp;
	}
	/* no retry: as only the owner sets it, a failure means that it was stolen */
	if(next != NULL){
		struct g *old = next;

		if(swapnext(pp, &old, NULL)){
			pp->runnextrun++;
			*inherit = true;
			return next;
		}
	}
	pp->runnextrun = 0;
	return runqgetring(pp);
}

/* Copies half of victim's ring into pp's own ring from t on, unpublished; returns how many. */
static uint32_t
runqgrab(struct p *victim, struct p *pp, uint32_t t, bool stealnext)
{
	for(;;){
		uint32_t h = load_acquire(&victim->runqhead);
		uint32_t vt = load_acquire(&victim->runqtail); /* pairs with store_release in runqput */
		uint32_t n = vt - h;

		n -= n / 2;
		if(n == 0){
			struct g *next = load_relaxed(&victim->runnext);

			if(!stealnext || next == NULL)
				return 0;
			/*
			 * The victim may be about to block and run it itself: give it some 50
			 * switches' time, else pairs that wake one another thrash between Ps.
			 */
			if(load_relaxed(&victim->status) == Prunning)
				usleep_ns(3 * USEC);
			if(!cas(&victim->runnext, next, NULL))
				continue;
			store_relaxed(slot(pp, t), next);
			return 1;
		}
		if(n > RUNQSIZE / 2)
			continue; /* head and tail do not belong together */
		for(uint32_t i = 0; i < n; i++)
			store_relaxed(slot(pp, t + i), load_relaxed(slot(victim, h + i)));
		if(cas(&victim->runqhead, h, h + n))
			return n;
	}
}

/* runqsteal takes half of victim's Gs for pp and returns one of them, or NULL. */
struct g *
runqsteal(struct p *pp, struct p *victim, bool stealnext)
{
	uint32_t t = pp->runqtail, n = runqgrab(victim, pp, t, stealnext);
	struct g *gp;

	if(n == 0)
		return NULL;
	pp->nsteal += n;
	n--;
	gp = load_relaxed(slot(pp, t + n));
	if(n != 0)
		store_release(&pp->runqtail, t + n);
	return gp;
}

/*
 * runqempty tells whether pp has nothing to run, at one instant. The tail is looked at twice:
 * runqput(next) may kick runnext into the ring between the looks at ring and runnext.
 */
bool
runqempty(struct p *pp)
{
	for(;;){
		uint32_t h = load_acquire(&pp->runqhead);
		uint32_t t = load_acquire(&pp->runqtail);
		struct g *next = load_acquire(&pp->runnext);

		if(t == load_acquire(&pp->runqtail))
			return h == t && next == NULL;
	}
}

uint32_t
runqlen(struct p *pp)
{
	uint32_t h = load_acquire(&pp->runqhead), t = load_acquire(&pp->runqtail);

	return t - h + (load_relaxed(&pp->runnext) != NULL);
}

void
globrunqput(struct g *gp)
{
	gqput(&sched.runq, gp);
}

/* globrunqget takes a fair share of the global queue, at most max if max > 0: returns one, puts the rest on pp. */
struct g *
globrunqget(struct p *pp, int max)
{
	uint32_t n = sched.runq.l.n / (uint32_t)gomaxprocs + 1;
	struct g *gp;

	if(n > sched.runq.l.n)
		n = sched.runq.l.n;
	if(max > 0 && n > (uint32_t)max)
		n = (uint32_t)max;
	if(n > RUNQSIZE / 2)
		n = RUNQSIZE / 2;
	if(n == 0)
		return NULL;
	gp = gqget(&sched.runq);
	while(--n > 0 && pp->runqtail - load_acquire(&pp->runqhead) < pp->runqcap){
		store_relaxed(slot(pp, pp->runqtail), gqget(&sched.runq));
		store_release(&pp->runqtail, pp->runqtail + 1);
	}
	return gp;
}
