/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's loop (Go: proc.go schedule, findRunnable, execute, wakep, Go 1.22).
 *
 * Spinning and why no work is lost
 * --------------------------------
 * An M without work spins: it looks at the other Ps' queues before it sleeps.
 *
 *   submit:  put the G on a queue; full barrier; if nmspinning == 0, start one spinner.
 *   give up: release P; nmspinning-- (full barrier); look at all queues once more.
 *
 * This is Dekker's pattern: either the submitter sees no spinner and starts one, or
 * the spinner's second look sees the G. A spinner that finds work stops to be one and then
 * calls wakep itself, so that while there is work another M always looks for more.
 * needspinning covers what is left: there was work but no idle P; the next M that is
 * about to idle its P without having spun then spins.
 *
 * The order of looking: signals; timers; each 61st tick the global queue and the network; own
 * queue; global queue; network; the others' queues and timers; then the P is given
 * up, everything is looked at again, and the M waits in netpoll or in stopm.
 */
#include <sys/prctl.h>

#include "runtime.h"

struct sched sched;

enum { FAIRTICK = 61 };
static const int64_t SHORTDELAY = 10 * MSEC;

/*
 * With many Gs each switch finds the next one's stack and TCB out of the cache: ask for them
 * while others run. Where they are the G says, which is asked for one step earlier. The slots may be stale; what
 * is prefetched is only a hint.
 */
static inline void
prefetchnext(struct p *pp)
{
	uint32_t h = load_relaxed(&pp->runqhead);
	struct g *gp;

	if(pp->runqtail - h < 4 || (gp = load_relaxed(&pp->runq[(h + 2) % RUNQSIZE])) == NULL)
		return;
	for(int i = 0; i < 4; i++)
		__builtin_prefetch((char *)gp + i * CACHELINE, 1);
	if((gp = load_relaxed(&pp->runq[(h + 1) % RUNQSIZE])) == NULL)
		return;
	__builtin_prefetch((char *)gp + CACHELINE, 1);
	if(tlsunstarted(gp)){
		tlsprefetch(gp);
		return;
	}
	for(int i = 0; i < 6; i++)
		__builtin_prefetch((char *)gp->sp + i * CACHELINE);
	__builtin_prefetch((char *)gp->fsbase);
	__builtin_prefetch((char *)gp->fsbase + ((uintptr_t)&tls_g - getfsbase()));
}

static noinline void
switchslow(struct m *mp, struct g *gp)
{
	if(mp->sigmask != gp->sigmask)
		sigmaskfor(mp, gp);
	if(load_relaxed(&cputimeon))
		cpuswitch(mp, gp);
}

/* execute makes gp the M's current G and returns it, for mcall or gogo to run. inherit: within the time slice of the G before. */
struct g *
execute(struct m *mp, struct g *gp, bool inherit)
{
	struct p *pp = mp->p;

	gp->status = Grunning;
	gp->m = mp;
	store_release(&mp->curg, gp);
	if(!inherit)
		store_relaxed(&pp->schedtick, pp->schedtick + 1);
	pp->nexec++;
	prefetchnext(pp);
	if(unlikely((mp->sigmask ^ gp->sigmask) | load_relaxed(&cputimeon)))
		switchslow(mp, gp);
	return gp;
}

/* Starts a spinning M if a P is idle and nobody spins. The caller has made a G runnable before. */
void
wakep(void)
{
	struct p *pp;

	if(gomaxprocs == 1)
		return; /* the one P is the caller's */
	fence_seqcst(); /* G published before nmspinning is read: pairs with the one in findrunnable */
	if(load_relaxed(&sched.nmspinning) != 0)
		return;
	if(load_relaxed(&sched.npidle) == 0){
		if(!load_relaxed(&sched.needspinning))
			store_relaxed(&sched.needspinning, 1);
		return;
	}
	stressat(ST_wakep);
	if(!cas(&sched.nmspinning, 0, 1))
		return;
	lock(&sched.lock);
	pp = pidleget();
	if(pp == NULL)
		store_relaxed(&sched.needspinning, 1);
	unlock(&sched.lock);
	if(pp == NULL){
		add_fetch(&sched.nmspinning, -1);
		return;
	}
	startm(pp, true);
}

static void
becomespinning(struct m *mp)
{
	mp->spinning = true;
	add_fetch(&sched.nmspinning, 1);
	store_relaxed(&sched.needspinning, 0);
}

/* Found work: hand the duty of looking for more on to another M. */
static void
resetspinning(struct m *mp)
{
	mp->spinning = false;
	if(add_fetch(&sched.nmspinning, -1) < 0)
		throw("resetspinning: negative nmspinning");
	wakep();
}

/* Makes claimed Gs runnable: on pp, or globally if that is NULL with as many idle Ps started. */
static void
inject(struct p *pp, struct glist *l)
{
	struct glist out = {0};
	struct g *gp;
	uint32_t n, start;

	while((gp = glistpop(l)) != NULL){
		if(unlikely(gp->flags & GF_FOREIGN)){
			futexwakeup((uint32_t *)&gp->wakeword, 1);
			continue;
		}
		gp->status = Grunnable;
		glistpush(&out, gp);
	}
	if(out.n == 0)
		return;
	if(pp != NULL){
		runqputbatch(pp, &out);
		wakep();
		return;
	}
	n = out.n;
	lock(&sched.lock);
	while((gp = glistpop(&out)) != NULL)
		globrunqput(gp);
	start = (uint32_t)sched.npidle;
	unlock(&sched.lock);
	if(start > n)
		start = n;
	while(start-- > 0)
		startm(NULL, false);
}

/* injectglist makes claimed Gs runnable: on the caller's P, or globally if it has none. */
void
injectglist(struct glist *l)
{
	struct m *mp = getm();

	inject(mp ? mp->p : NULL, l);
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
		inject(load_relaxed(&sched.runq.l.n) == 0 ? pp : NULL, &l);
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
	struct p *pp;
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
	fence_seqcst(); /* pairs with the one in wakenetpoller */
	stressat(ST_poller);
	if(polluntil != 0 && (delay = polluntil - nanotime()) < 0)
		delay = 0;
	else
		midles(mp);
	l = pollexactly(mp, delay);
	stressat(ST_polled);
	store_release(&sched.polluntil, 0);
	store_release(&sched.lastpoll, nanotime());
	lock(&sched.lock);
	pp = pidleget();
	unlock(&sched.lock);
	if(pp == NULL){
		injectglist(&l);
		return false;
	}
	acquirep(mp, pp);
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

static noinline struct g *
findrunnable(struct m *mp, bool *inherit)
{
	struct p *pp;
	struct g *gp;
	int64_t now, polluntil;
	bool ran, wasspinning, again;

top:
	pp = mp->p;
	now = 0;
	again = ran = false;
	*inherit = false;
	if(unlikely(load_acquire(&sched.sigwake)))
		sigdispatch(mp);
	polluntil = checktimers(pp, 0, &ran);
	if(pp->schedtick - pp->fairtick >= FAIRTICK){
		pp->fairtick = pp->schedtick;
		if(unlikely(stressing)){
			if(stressschedule(mp))
				goto top;
			pp->fairtick -= FAIRTICK; /* the next time, too */
		}
		pollfair(pp);
		if(load_relaxed(&sched.runq.l.n) != 0){
			lock(&sched.lock);
			gp = globrunqget(pp, 1);
			unlock(&sched.lock);
			if(gp != NULL)
				return gp;
		}
	}
	if((gp = runqget(pp, inherit)) != NULL)
		return gp;
	if(load_relaxed(&sched.runq.l.n) != 0){
		lock(&sched.lock);
		gp = globrunqget(pp, 0);
		unlock(&sched.lock);
		if(gp != NULL)
			return gp;
	}

	/* with all other Ps idle there is nothing to steal but their timers, and the blocking poll below does as well */
	if(gomaxprocs > 1 && (load_relaxed(&sched.npidle) + 1 < gomaxprocs || timersdue(pp))){
		if((gp = pollonce()) != NULL)
			return gp;
		if(mp->spinning || 2 * load_relaxed(&sched.nmspinning) < gomaxprocs - load_relaxed(&sched.npidle)){
			if(!mp->spinning)
				becomespinning(mp);
			if((gp = stealwork(mp, pp, &now, &polluntil, &again)) != NULL)
				return gp;
			if(again)
				goto top;
		}
	}

	/* nothing to do: give up the P */
	lock(&sched.lock);
	if(sched.runq.l.n != 0){
		gp = globrunqget(pp, 0);
		unlock(&sched.lock);
		return gp;
	}
	if(!mp->spinning && load_relaxed(&sched.needspinning)){
		becomespinning(mp);
		unlock(&sched.lock);
		goto top;
	}
	pidleput(releasep(mp));
	unlock(&sched.lock);
	stressat(ST_idlep);

	wasspinning = mp->spinning;
	if(wasspinning){
		mp->spinning = false;
		add_fetch(&sched.nmspinning, -1); /* full barrier: pairs with the fence in wakep */
	}else
		fence_seqcst();
	stressat(ST_notspinning);
	if(wasspinning && (pp = recheckrunqs()) != NULL){
		acquirep(mp, pp);
		becomespinning(mp);
		goto top;
	}
	if(gomaxprocs > 1)
		polluntil = rechecktimers(polluntil);
	if(load_acquire(&sched.sigwake) || load_relaxed(&sched.runq.l.n) != 0){
		lock(&sched.lock);
		pp = pidleget();
		unlock(&sched.lock);
		if(pp != NULL){
			acquirep(mp, pp);
			goto top;
		}
	}
	if((netpollanywaiters() || polluntil != 0) && blockinpoll(mp, polluntil, wasspinning, &gp)){
		if(gp != NULL)
			return gp;
		goto top;
	}
	if(mp->p == NULL)
		stopm(mp);
	goto top;
}

/* ---- locked Gs (LockOSThread) ---- */

/* mp, locked, has a P but its G is not there yet: hand the P on and sleep until somebody brings the G with a P. */
static void
stoplockedm(struct m *mp)
{
	if(mp->p != NULL)
		handoffp(releasep(mp));
	midles(mp);
	while(!notesleep(&mp->park, NOTIME, false))
		;
	noteclear(&mp->park);
	acquirep(mp, mp->nextp);
	mp->nextp = NULL;
}

/* mp picked a G locked to another M: give that one the P, and sleep. */
static void
startlockedm(struct m *mp, struct g *gp)
{
	struct m *to = gp->lockedm;

	if(to == mp)
		throw("startlockedm: locked to me");
	to->nextp = releasep(mp);
	notewakeup(&to->park);
	stopm(mp);
}

/* The usual case of findrunnable: nothing but the P's own queue is to be looked at, and it has a G. NULL: not so. */
static inline struct g *
nextownrunnable(struct m *mp, bool *inherit)
{
	struct p *pp = mp->p;

	if(load_acquire(&sched.sigwake) != 0 || load_acquire(&pp->timer0when) != 0 || pp->schedtick - pp->fairtick >= FAIRTICK)
		return NULL;
	return runqget(pp, inherit);
}

/* schedule finds the next G for mp, which the caller is to run; on g0. */
struct g *
schedule(struct m *mp)
{
	struct g *gp;
	bool inherit;

	if(unlikely(mp->lockedg != NULL)){
		stoplockedm(mp);
		return execute(mp, mp->lockedg, false);
	}
	for(;;){
		if(unlikely((gp = nextownrunnable(mp, &inherit)) == NULL))
			gp = findrunnable(mp, &inherit);
		if(mp->spinning)
			resetspinning(mp);
		if(likely(gp->lockedm == NULL))
			return execute(mp, gp, inherit);
		startlockedm(mp, gp);
	}
}
