/* SPDX-License-Identifier: MIT */
/*
 * Kernel threads: start, stop, hand-off (Go: proc.go newm, startm, stopm, handoffp, mexit).
 *
 * Idle Ms are on a LIFO list under sched.lock, each asleep on m.park. Who takes one
 * off the list sets nextp (and spinning) and then wakes it: the wake-up releases these
 * writes to stopm. An M idle for MIDLE ends, if there are more than a few.
 * A new one is made without a P (newm.c).
 */
#include <string.h>
#include "runtime.h"

enum { M0STACK = 128 << 10 };
static const int64_t MIDLE = 5 * NSEC, RETRY = 5 * MSEC;

struct m *allm, *firstm;
const struct hostops *host;
__thread struct m *tls_m __attribute__((tls_model("initial-exec")));

static struct m *mfree; /* sched.lock; their threads have ended or touch them no more */

static struct m *
mget(void)
{
	struct m **at = &sched.midle, *mp;

	while(*at != NULL && (*at)->schedlink != NULL && stresschance(SC_otherm))
		at = &(*at)->schedlink;
	mp = *at;
	if(mp != NULL){
		*at = mp->schedlink;
		sched.nmidle--;
	}
	return mp;
}

void
mput(struct m *mp)
{
	mp->schedlink = sched.midle;
	sched.midle = mp;
	sched.nmidle++;
	checkdead();
}

bool
munlink(struct m *mp)
{
	for(struct m **l = &sched.midle; *l != NULL; l = &(*l)->schedlink)
		if(*l == mp){
			*l = mp->schedlink;
			sched.nmidle--;
			return true;
		}
	return false;
}

bool
mothersidle(void)
{
	int32_t n = sched.nmidle;

	for(struct m *mp = sched.midle; mp != NULL; mp = mp->schedlink)
		n -= mp == firstm;
	return n == sched.mcount - 1;
}

struct m *
mtakeidle(void)
{
	struct m *all = sched.midle;

	sched.midle = NULL;
	sched.nmidle = 0;
	return all;
}

/* mnew returns a structure for one more M, counted, or NULL at the limit. sched.lock. */
struct m *
mnew(void)
{
	static uint32_t ids;
	struct m *mp = mfree;

	if(sched.mcount >= sched.maxmcount)
		return NULL;
	if(mp != NULL)
		mfree = mp->schedlink;
	else{
		if((mp = persistentalloc(sizeof *mp, CACHELINE)) == NULL)
			return NULL;
		mp->id = ids++;
		mp->fastrand = 0x9e3779b97f4a7c15ULL * (mp->id + 1);
		mp->alllink = allm;
		store_release(&allm, mp); /* pairs with readers of allm */
	}
	mp->sigmask = ~0ULL; /* until it runs a G; see sigmask.c */
	sched.mcount++;
	return mp;
}

/* mdrop gives back the structure of an M that has no thread, or none that touches it any more. sched.lock. */
void
mdrop(struct m *mp)
{
	sched.mcount--;
	mp->schedlink = mfree;
	mfree = mp;
}

/* No M for pp: it is idle, and its Gs wait where every M sees them. sched.lock. */
static void
pwait(struct p *pp)
{
	struct g *gp;
	bool inherit;

	while((gp = runqget(pp, &inherit)) != NULL)
		globrunqput(gp);
	pidleput(pp);
}

/*
 * A new M for an idle P, or NULL if there can be none, or enough are on their way: each takes an idle P when it is there, if there still is one.
 * On a loaded machine that may last, while each G made runnable, and sysmon, ask again. After a refusal the kernel is left alone for a
 * while; whoever comes first then asks it, at the latest sysmon (rescue). sched.lock.
 */
static struct m *
mcome(void)
{
	struct m *mp;

	if(sched.mcoming >= sched.npidle || (sched.refusedat != 0 && nanotime() - sched.refusedat < RETRY))
		return NULL;
	if((mp = mnew()) == NULL)
		return NULL;
	sched.mcoming++;
	mp->coming = true;
	return mp;
}

void
mcame(struct m *mp)
{
	sched.mcoming -= mp->coming;
	mp->coming = false;
}

/*
 * startm runs pp, or any idle P if NULL, on an idle or new M. spinning: the caller has counted it
 * in nmspinning; it is uncounted if there is no P, or no M for it yet.
 */
void
startm(struct p *pp, bool spinning)
{
	struct m *mp, *fresh = NULL;
	bool alone = false;

	lock(&sched.lock);
	if(pp == NULL && (pp = pidleget()) == NULL){
		unlock(&sched.lock);
		if(spinning)
			add_fetch(&sched.nmspinning, -1);
		return;
	}
	if((mp = mget()) == NULL){
		pwait(pp);
		if(likely(!(alone = load_relaxed(&sched.alone) == ALONE_NOW)))
			fresh = mcome();
	}
	unlock(&sched.lock);
	stressat(ST_startm);
	if(mp != NULL){
		mp->nextp = pp;
		mp->spinning = spinning;
		notewakeup(&mp->park); /* releases nextp and spinning */
	}else if(fresh != NULL){
		fresh->spinning = spinning;
		newm(fresh);
	}else if(spinning)
		add_fetch(&sched.nmspinning, -1);
	if(unlikely(alone) && getm() != firstm)
		netpollbreak(); /* firstm will see it */
}

/* A new M takes any P that is idle. What it was made for may have been done meanwhile. */
static bool
firstp(struct m *mp)
{
	lock(&sched.lock);
	mcame(mp);
	unlock(&sched.lock);
	if(takeidlep(mp))
		return true;
	if(mp->spinning){
		mp->spinning = false;
		add_fetch(&sched.nmspinning, -1);
	}
	return false;
}

/* The end of mp's kernel thread. As soon as mp is free another one may start in it. */
static noreturn void
mleave(struct m *mp)
{
	void *ctx[nelem(mp->exitctx)];

	memcpy(ctx, mp->exitctx, sizeof ctx);
	blockable(mp, false);
	mp->dirty = false;
	tls_m = NULL; /* for the handler of signal 33, which may still run here */
	lock(&sched.lock);
	mdrop(mp);
	unlock(&sched.lock);
	__builtin_longjmp(ctx, 1);
}

/* mstart runs the scheduler on a new M's own stack; it returns when the M has been idle too long. */
void
mstart(struct m *mp)
{
	minitsignals(mp);
	if(__builtin_setjmp(mp->exitctx) != 0)
		return;
	mp->g0sp = (uintptr_t)__builtin_alloca(16) & ~15UL;
	mp->g0sp -= 256;
	if(mp->ownstate != 0){
		if(!ownwait(mp)){
			munitsignals(mp);
			mleave(mp);
		}
		gogo(execute(mp, mp->lockedg, false));
	}
	blockspare(mp);
	if(!firstp(mp))
		stopm(mp);
	gogo(schedule(mp));
}

/* mp is off the idle list, and there is nothing for it. */
static noreturn void
mdismissed(struct m *mp)
{
	doze(mp, false);
	munitsignals(mp);
	mleave(mp);
}

/* Leaves the idle list and the process, unless somebody took mp off the list first. */
static void
mexit(struct m *mp)
{
	lock(&sched.lock);
	if(mp->id == 0 || sched.nmidle <= gomaxprocs || !munlink(mp)){
		unlock(&sched.lock);
		return;
	}
	unlock(&sched.lock);
	mdismissed(mp);
}

/* The process's first kernel thread is its leader and must not end: it sleeps for good instead. */
noreturn void
mretire(struct m *mp)
{
	handoffp(releasep(mp));
	munitsignals(mp);
	mp->cpug = NULL;
	while(mp->id == 0){
		noteclear(&mp->park);
		notesleep(&mp->park, NOTIME, false);
	}
	mleave(mp);
}

bool
strandedwork(void)
{
	return sched.runq.l.n != 0 ||
	       (load_acquire(&sched.lastpoll) != 0 && (netpollanywaiters() || timesleepuntil() != 0));
}

/* Has the first M, alone, no poller? It is to be that, and not to sleep in stopm: alone.c. */
static bool
unpolled(struct m *mp)
{
	return unlikely(load_relaxed(&sched.alone) == ALONE_NOW) && mp == firstm && load_acquire(&sched.lastpoll) != 0;
}

/*
 * stopm puts mp, without a P, to sleep until somebody hands it one, or sends it away (mtakeidle). A signal handler that ran here may
 * have queued a signal: then it takes an idle P by itself to route it.
 */
void
stopm(struct m *mp)
{
	int64_t until = nanotime() + MIDLE;
	struct p *pp;

	if(mp->p != NULL || mp->spinning)
		throw("stopm: holds a P or spins");
	noteclear(&mp->park);
	lock(&sched.lock);
	if(unlikely(sched.pidle != NULL) && (strandedwork() || unpolled(mp))){
		pp = pidleget();
		unlock(&sched.lock);
		acquirep(mp, pp);
		return;
	}
	mput(mp);
	unlock(&sched.lock);
	stressat(ST_stopm);
	midles(mp);
	doze(mp, true);
	while(!notesleep(&mp->park, until, true)){
		if(load_acquire(&sched.sigwake)){
			pp = NULL;
			lock(&sched.lock);
			if(sched.pidle != NULL && munlink(mp))
				pp = pidleget();
			unlock(&sched.lock);
			if(pp != NULL){
				doze(mp, false);
				acquirep(mp, pp);
				return;
			}
		}
		if(until != NOTIME && nanotime() >= until){
			until = NOTIME;
			mexit(mp);
		}
	}
	if(unlikely(mp->nextp == NULL))
		mdismissed(mp);
	doze(mp, false);
	acquirep(mp, mp->nextp);
	mp->nextp = NULL;
}

/* Is a G waiting on the queue of any P? */
static bool
anyrunq(void)
{
	for(int i = 0; i < gomaxprocs; i++)
		if(!runqempty(allp[i]))
			return true;
	return false;
}

/*
 * The first in the global queue has an M of its own, asleep in stoplockedm or on its way there: pp goes to that one at once. Any other
 * M would only find the G, pass pp on, and sleep again. Not if signals, timers or the network are to be looked at first.
 */
static bool
handtolocked(struct p *pp)
{
	int64_t when = load_acquire(&pp->timer0when);
	struct g *gp;
	struct m *to;

	if(load_acquire(&sched.sigwake) || fairdue(pp) || !runqempty(pp) || (when != 0 && when <= nanotime()))
		return false;
	lock(&sched.lock);
	if((gp = sched.runq.l.head) == NULL || (to = gp->lockedm) == NULL){
		unlock(&sched.lock);
		return false;
	}
	gqget(&sched.runq);
	unlock(&sched.lock);
	stressat(ST_startm);
	to->nextp = pp;
	notewakeup(&to->park); /* releases nextp */
	return true;
}

/*
 * handoffp finds pp, just released by an M that blocks, something to do: it has to
 * start an M in every case in which findrunnable would return a G. Go starts one that spins
 * whenever no other does; we look first, since for a server of event loops each epoll_wait comes
 * here. The look is made again when pp is on the idle list: a G queued before that is seen by it, and who
 * queues one later sees an idle P (Dekker: pidleput, fence, queues; queue, fence in wakep, npidle).
 */
void
handoffp(struct p *pp)
{
	int64_t when;

	stressat(ST_handoffp);
	if(!runqempty(pp) || load_relaxed(&sched.runq.l.n) != 0){
		if(!handtolocked(pp))
			startm(pp, false);
		return;
	}
	lock(&sched.lock);
	if(sched.runq.l.n != 0 || load_acquire(&sched.sigwake) ||
	   /* the last running P: somebody has to wait for the network and the timers */
	   (sched.npidle == gomaxprocs - 1 && load_acquire(&sched.lastpoll) != 0 &&
	    (netpollanywaiters() || timesleepuntil() != 0))){
		unlock(&sched.lock);
		startm(pp, false);
		return;
	}
	when = load_acquire(&pp->timer0when);
	pidleput(pp);
	unlock(&sched.lock);
	if(when != 0)
		wakenetpoller(when);
	fence_seqcst();
	if(gomaxprocs > 1 && anyrunq())
		wakep();
}

void
mfork(void)
{
	allm = mfree = firstm = NULL;
	newmfork();
	lookfork();
	ownfork();
}
