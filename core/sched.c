/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's loop (Go: proc.go schedule, execute, wakep, Go 1.22).
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
 * about to idle its P without having spun then spins. Go sets and reads it with sched.lock held; here who
 * finds no idle P sets it without, so that an M may be idling its P meanwhile. Dekker's pattern again:
 *
 *   submit:  needspinning = 1; full barrier; look for an idle P once more.
 *   give up: release P; full barrier; look at needspinning once more (lookonce).
 *
 * It is set once for all who find it set: whoever clears it (becomespinning) has raised nmspinning before
 * and looks at all queues after.
 */
#include "runtime.h"

struct sched sched;

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
		if(load_relaxed(&sched.needspinning))
			return;
		store_relaxed(&sched.needspinning, 1);
		fence_seqcst(); /* pairs with the one in lookonce */
		if(load_relaxed(&sched.npidle) == 0)
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

/* Found work: hand the duty of looking for more on to another M. */
static void
resetspinning(struct m *mp)
{
	mp->spinning = false;
	if(add_fetch(&sched.nmspinning, -1) < 0)
		throw("resetspinning: negative nmspinning");
	wakep();
}

void
injectto(struct p *pp, struct glist *l)
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

	injectto(mp ? mp->p : NULL, l);
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

	if(load_acquire(&sched.sigwake) != 0 || load_acquire(&pp->timer0when) != 0 || fairdue(pp))
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
		if(unlikely(gp == load_relaxed(&mp->p->hog)) && eventsfirst(mp->p, gp))
			continue;
		if(likely(gp->lockedm == NULL))
			return execute(mp, gp, inherit);
		startlockedm(mp, gp);
	}
}
