/* SPDX-License-Identifier: MIT */
/*
 * Where the next G comes from when the P's own queue is not all that is to be looked at (Go: proc.go findRunnable, Go 1.22).
 *
 * The order of looking: signals; timers; each 61st tick the global queue and the network; own
 * queue; global queue; network; the others' queues and timers; then the P is given
 * up, everything is looked at again, and the M waits in netpoll or in stopm.
 * Why no work is lost in between: sched.c.
 */
#include <sys/prctl.h>

#include "runtime.h"

static const int64_t SHORTDELAY = 10 * MSEC;

static void
becomespinning(struct m *mp)
{
	mp->spinning = true;
	add_fetch(&sched.nmspinning, 1);
	store_relaxed(&sched.needspinning, 0);
}

/* May the network be looked at without blocking? Not if nobody waits, or while somebody is blocked in it. */
static bool
pollable(void)
{
	return netpollanywaiters() && load_relaxed(&sched.lastpoll) != 0;
}

/*
 * The look at the network that is due although there is work. What does not fit the P's ring goes on the global queue; while
 * some are left there, those that come later queue behind them. Else connections whose peers answer at once
 * would keep the ring full for ever, and the others would wait.
 */
void
pollfair(struct p *pp)
{
	struct glist l;

	if(!pollable())
		return;
	l = netpoll(0);
	if(load_relaxed(&sched.polled) == 0)
		store_relaxed(&sched.polled, 1);
	if(l.n != 0)
		injectto(load_relaxed(&sched.runq.l.n) == 0 ? pp : NULL, &l);
}

/*
 * A G that computes keeps the P until its slice is over, whoever an event makes runnable meanwhile. Where others wait for
 * descriptors it pays to look for their events before it runs, once more than the usual FAIRTICK: natively they would be woken by
 * them, and run before it. True if there were some: gp waits behind them.
 */
bool
eventsfirst(struct p *pp, struct g *gp)
{
	struct glist l;

	if(++pp->hoglooks % HOGLOOKS == 0)
		store_relaxed(&pp->hog, NULL); /* it may have changed its ways */
	if(!pollable())
		return false;
	l = netpoll(0);
	if(l.head == NULL)
		return false;
	injectto(pp, &l);
	runqput(pp, gp, false);
	return true;
}

/* The look at the network of one who has nothing to do: keeps one G to run. */
static struct g *
pollonce(void)
{
	struct glist l;
	struct g *gp;

	if(!pollable())
		return NULL;
	l = netpoll(0);
	do
		gp = glistpop(&l);
	while(gp != NULL && (gp->flags & GF_FOREIGN) && (ready(gp), true));
	if(gp == NULL)
		return NULL;
	gp->status = Grunnable;
	injectglist(&l);
	return gp;
}

static int64_t
rechecktimers(int64_t polluntil)
{
	int64_t w = timesleepuntil();

	return w != 0 && (polluntil == 0 || w < polluntil) ? w : polluntil;
}

/* How much later than asked the kernel ends a short wait of a thread of ours, in ns: all inherit the process's timer slack. */
static int64_t
timerslack(void)
{
	static int64_t slack; /* atomic */
	int64_t s = load_relaxed(&slack);

	if(unlikely(s == 0)){
		s = rawsyscall(SYS_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0);
		store_relaxed(&slack, s > 0 ? s : 1);
	}
	return s;
}

/*
 * netpoll(delay), ending a short delay on time: the kernel would add the thread's timer slack, 50 us. So that
 * is asked less; a wait that another timer's interrupt has ended within the slack is early, and the caller comes again for the rest.
 * That, and a delay shorter than the slack, has the slack changed; it does not stay so, as a child made
 * meanwhile would inherit it.
 */
static struct glist
pollexactly(struct m *mp, int64_t delay)
{
	struct glist l;

	if(delay <= 0 || delay >= SHORTDELAY || mp->lockedg != NULL)
		return netpoll(delay);
	if(delay > timerslack())
		return netpoll(delay - timerslack());
	rawsyscall(SYS_prctl, PR_SET_TIMERSLACK, 1, 0, 0, 0);
	l = netpoll(delay);
	rawsyscall(SYS_prctl, PR_SET_TIMERSLACK, 0, 0, 0, 0); /* the default */
	return l;
}

/*
 * Waits in netpoll as the one poller, until polluntil (0: no timer) or an event. Returns true
 * if mp has a P again: *gp is what to run, or NULL to look again.
 */
static bool
blockinpoll(struct m *mp, int64_t polluntil, bool wasspinning, struct g **gp)
{
	struct glist l;
	int64_t delay = -1;

	*gp = NULL;
	if(xchg(&sched.lastpoll, 0) == 0){
		/* another one polls; it must not sleep past our timer */
		int64_t u = load_acquire(&sched.polluntil);

		if(polluntil != 0 && (u == 0 || u > polluntil))
			netpollbreak();
		return false;
	}
	store_release(&sched.polluntil, polluntil);
	store_relaxed(&sched.poller, mp);
	fence_seqcst(); /* pairs with the one in wakenetpoller */
	stressat(ST_poller);
	if(polluntil != 0 && (delay = polluntil - nanotime()) < 0)
		delay = 0;
	else
		midles(mp);
	doze(mp, true);
	l = pollexactly(mp, delay);
	doze(mp, false);
	stressat(ST_polled);
	store_release(&sched.polluntil, 0);
	store_release(&sched.lastpoll, nanotime());
	if(!takeidlep(mp)){
		injectglist(&l);
		return false;
	}
	do
		*gp = glistpop(&l);
	while(*gp != NULL && ((*gp)->flags & GF_FOREIGN) && (ready(*gp), true));
	if(*gp != NULL){
		(*gp)->status = Grunnable;
		if(l.n != 0)
			injectglist(&l);
	}else if(wasspinning)
		becomespinning(mp);
	return true;
}

/* Timers of other Ps are due; if these are idle nobody else will run them. */
static bool
timersdue(struct p *pp)
{
	int64_t w = timesleepuntil();

	return w != 0 && w != load_relaxed(&pp->timer0when) && w <= nanotime();
}

/* The first of the global queue, and, if max is 0, a share of the others for pp's own. NULL: it is empty. */
static inline struct g *
globalget(struct p *pp, int max)
{
	struct g *gp;

	if(load_relaxed(&sched.runq.l.n) == 0)
		return NULL;
	lock(&sched.lock);
	gp = globrunqget(pp, max);
	unlock(&sched.lock);
	return gp;
}

/* Now and then who waits on the network or on the global queue comes before the P's own Gs. *again: mp has another P. */
static inline struct g *
fairlook(struct m *mp, struct p *pp, bool *again)
{
	if(!fairdue(pp))
		return NULL;
	pp->fairtick = pp->schedtick;
	if(unlikely(stressing)){
		pp->fairtick -= FAIRTICK; /* the next time, too */
		if((*again = stressschedule(mp)))
			return NULL;
	}
	pollfair(pp);
	return globalget(pp, 1);
}

/* The network, and the others' queues and timers. *again: timers have fired. */
static inline struct g *
lookaround(struct m *mp, struct p *pp, int64_t *polluntil, bool *again)
{
	int64_t now = 0;
	struct g *gp;

	/* with all other Ps idle there is nothing to steal but their timers, and the blocking poll does as well */
	if(gomaxprocs == 1 || (load_relaxed(&sched.npidle) + 1 >= gomaxprocs && !timersdue(pp)))
		return NULL;
	if((gp = pollonce()) != NULL)
		return gp;
	if(!mp->spinning){
		if(2 * load_relaxed(&sched.nmspinning) >= gomaxprocs - load_relaxed(&sched.npidle))
			return NULL; /* enough others do */
		becomespinning(mp);
	}
	return stealwork(mp, pp, &now, polluntil, again);
}

/* There is nothing to do: mp gives up its P. False if there is: *gp, or, if that is NULL, elsewhere. */
static inline bool
giveupp(struct m *mp, struct g **gp)
{
	bool works;

	*gp = NULL;
	lock(&sched.lock);
	if((works = sched.runq.l.n != 0))
		*gp = globrunqget(mp->p, 0);
	else if((works = !mp->spinning && load_relaxed(&sched.needspinning)))
		becomespinning(mp);
	else
		pidleput(releasep(mp));
	unlock(&sched.lock);
	if(!works)
		stressat(ST_idlep);
	return !works;
}

/* The second look, without a P: whoever made a G runnable before may have counted on mp. True: mp has a P again. */
static inline bool
lookonce(struct m *mp, bool wasspinning, int64_t *polluntil)
{
	struct p *pp;

	if(wasspinning){
		mp->spinning = false;
		add_fetch(&sched.nmspinning, -1); /* full barrier: pairs with the fence in wakep */
	}else
		fence_seqcst(); /* pairs with the one in wakep */
	stressat(ST_notspinning);
	if(wasspinning && (pp = recheckrunqs()) != NULL){
		acquirep(mp, pp);
		becomespinning(mp);
		return true;
	}
	if(!wasspinning && load_relaxed(&sched.needspinning) && takeidlep(mp)){
		becomespinning(mp);
		return true;
	}
	if(gomaxprocs > 1)
		*polluntil = rechecktimers(*polluntil);
	return (load_acquire(&sched.sigwake) || load_relaxed(&sched.runq.l.n) != 0) && takeidlep(mp);
}

/* Sleeps, until mp has a P again. Returns what is to run, or NULL to look for it. */
static inline struct g *
sleepidle(struct m *mp, int64_t polluntil, bool wasspinning)
{
	bool polls = netpollanywaiters() || polluntil != 0;
	struct g *gp;

	if(unlikely(load_relaxed(&sched.alone) != ALONE_NO))
		polls = alonepolls(mp, polls);
	if(polls && blockinpoll(mp, polluntil, wasspinning, &gp))
		return gp;
	if(mp->p == NULL)
		stopm(mp);
	return NULL;
}

struct g *
findrunnable(struct m *mp, bool *inherit)
{
	for(;;){
		struct p *pp = mp->p;
		bool ran = false, again = false, wasspinning;
		int64_t polluntil;
		struct g *gp;

		*inherit = false;
		if(unlikely(load_acquire(&sched.sigwake)))
			sigdispatch(mp);
		polluntil = checktimers(pp, 0, &ran);
		if((gp = fairlook(mp, pp, &again)) != NULL)
			return gp;
		if(unlikely(again))
			continue;
		if((gp = runqget(pp, inherit)) != NULL || (gp = globalget(pp, 0)) != NULL ||
		   (gp = lookaround(mp, pp, &polluntil, &again)) != NULL)
			return gp;
		if(again)
			continue;
		if(!giveupp(mp, &gp)){
			if(gp != NULL)
				return gp;
			continue;
		}
		wasspinning = mp->spinning;
		if(lookonce(mp, wasspinning, &polluntil))
			continue;
		if((gp = sleepidle(mp, polluntil, wasspinning)) != NULL)
			return gp;
	}
}
