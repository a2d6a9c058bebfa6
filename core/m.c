/* SPDX-License-Identifier: MIT */
/*
 * Kernel threads: start, stop, hand-off (Go: proc.go newm, startm, stopm, handoffp, mexit).
 *
 * Idle Ms are on a LIFO list under sched.lock, each asleep on m.park. Who takes one
 * off the list sets nextp (and spinning) and then wakes it: the wake-up releases these
 * writes to stopm. An M idle for MIDLE ends, if there are more than a few.
 *
 * When the kernel refuses another thread, the P goes back to the idle list with its
 * work: it runs as soon as any M comes back from what it does. entersyscallblock
 * keeps a reserve so that this is not for ever (syscall.c).
 */
#include <string.h>
#include "runtime.h"

enum { M0STACK = 128 << 10, MSTACK = 128 << 10 };
static const int64_t MIDLE = 5 * NSEC;

struct m *allm;
const struct hostops *host;
__thread struct m *tls_m __attribute__((tls_model("initial-exec")));

static struct m *mfree; /* sched.lock; their threads have ended or touch them no more */

static struct m *
mget(void)
{
	struct m **at = &sched.midle, *mp;

	while(*at != NULL && (*at)->schedlink != NULL && stresschance(STRESS_MOVE, 2))
		at = &(*at)->schedlink;
	mp = *at;
	if(mp != NULL){
		*at = mp->schedlink;
		sched.nmidle--;
	}
	return mp;
}

static void
mput(struct m *mp)
{
	mp->schedlink = sched.midle;
	sched.midle = mp;
	sched.nmidle++;
	checkdead();
}

static bool
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

/* The thread's first function, on its native stack and TCB. */
static void *
mentry(void *arg)
{
	struct m *mp = arg;

	tls_m = mp;
	mp->fsbase = getfsbase();
	mp->tid = (int32_t)rawsyscall(SYS_gettid);
	mstart(mp);
	return NULL;
}

/*
 * A kernel thread inherits affinity, priority, capabilities, seccomp filters and more from the one that makes it. So a
 * dirty M has sysmon make the thread, which is as the process was when it made its first thread (Go: proc.go
 * startTemplateThread).
 *
 *   dirty M                      sysmon
 *   push mp on newms             sysmonwait = RESTS
 *   fence                        fence
 *   sysmonwait != AWAKE: wake    newms not empty: do not rest
 */
static struct m *newms; /* atomic; those that sysmon shall make, by schedlink */

static void
asksysmon(struct m *mp)
{
	struct m *old;

	do{
		old = load_relaxed(&newms);
		mp->schedlink = old;
	}while(!cas(&newms, old, mp));
	fence_seqcst();
	sysmonwake();
}

bool
newmswait(void)
{
	fence_seqcst();
	return load_relaxed(&newms) != NULL;
}

/*
 * Makes the kernel thread of mp, which has its nextp. On a G's stack libc is called with the M's TCB in
 * force, as the new thread inherits from it.
 */
static int
newosthread(struct m *mp)
{
	struct g *gp = getg();
	struct m *self = getm();
	int e;

	if(self != NULL && self->dirty){
		asksysmon(mp);
		return 0;
	}
	if(gp != NULL && !(gp->flags & GF_FOREIGN)){
		setfsbase(gp->m->fsbase);
		e = host->newthread(mentry, mp, MSTACK);
		setfsbase(gp->fsbase);
	}else
		e = host->newthread(mentry, mp, MSTACK);
	return e;
}

/*
 * What an M that cannot be made leaves behind: its P goes to an M that has become idle meanwhile, or is idle again, with
 * whatever it has to run. No work is left without an M: the look for an idle one and pidleput are one step under
 * sched.lock, like the look for an idle P and mput in stopm.
 */
static void
newosthreadfailed(struct m *mp, struct p *pp, bool spinning, int e)
{
	static uint32_t said;
	struct glist l = {0};
	struct m *idle;
	struct g *gp;
	bool inherit;

	if(xchg(&said, 1) == 0)
		rtlog("cannot make another kernel thread (error %d); %d run. Gs wait for one to come free. "
		      "Raise RLIMIT_NPROC (ulimit -u) or the cgroup's pids.max.", e, sched.mcount - 1);
	lock(&sched.blocklock);
	if(sched.maxblocked > sched.nblocked)
		sched.maxblocked = sched.nblocked > 1 ? sched.nblocked - 1 : 1;
	unlock(&sched.blocklock);
	while((gp = runqget(pp, &inherit)) != NULL)
		glistpush(&l, gp);
	lock(&sched.lock);
	while((gp = glistpop(&l)) != NULL)
		globrunqput(gp);
	mp->nextp = NULL;
	mp->schedlink = mfree;
	mfree = mp;
	sched.mcount--;
	if((idle = mget()) == NULL)
		pidleput(pp);
	unlock(&sched.lock);
	if(idle != NULL){
		idle->nextp = pp;
		idle->spinning = spinning;
		notewakeup(&idle->park);
	}else if(spinning)
		add_fetch(&sched.nmspinning, -1);
}

/* makenewms makes the threads that dirty Ms asked for. On sysmon. */
void
makenewms(void)
{
	struct m *mp = load_relaxed(&newms) != NULL ? xchg(&newms, NULL) : NULL, *next;
	int e;

	for(; mp != NULL; mp = next){
		next = mp->schedlink;
		if((e = newosthread(mp)) != 0)
			newosthreadfailed(mp, mp->nextp, mp->spinning, e);
	}
}

/*
 * startm runs pp, or any idle P if NULL, on an idle or new M. spinning: the caller has counted it
 * in nmspinning; it is uncounted if there is no P.
 */
void
startm(struct p *pp, bool spinning)
{
	struct m *mp;
	bool fresh = false;
	int e;

	lock(&sched.lock);
	if(pp == NULL && (pp = pidleget()) == NULL){
		unlock(&sched.lock);
		if(spinning)
			add_fetch(&sched.nmspinning, -1);
		return;
	}
	if((mp = mget()) == NULL){
		fresh = true;
		if((mp = mnew()) == NULL){
			/* at the limit: the P waits, with its Gs where every M sees them */
			struct g *gp;
			bool inherit;

			while((gp = runqget(pp, &inherit)) != NULL)
				globrunqput(gp);
			pidleput(pp);
			unlock(&sched.lock);
			if(spinning)
				add_fetch(&sched.nmspinning, -1);
			return;
		}
	}
	unlock(&sched.lock);
	stressat(ST_startm);
	mp->nextp = pp;
	mp->spinning = spinning;
	if(!fresh){
		notewakeup(&mp->park); /* releases nextp and spinning */
		return;
	}
	noteclear(&mp->park);
	if((e = newosthread(mp)) != 0)
		newosthreadfailed(mp, pp, spinning, e);
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
	acquirep(mp, mp->nextp);
	mp->nextp = NULL;
	gogo(schedule(mp));
}

/* The end of mp's kernel thread. As soon as mp is free another one may start in it. */
static noreturn void
mleave(struct m *mp)
{
	void *ctx[nelem(mp->exitctx)];

	memcpy(ctx, mp->exitctx, sizeof ctx);
	mp->dirty = false;
	lock(&sched.lock);
	sched.mcount--;
	mp->schedlink = mfree;
	mfree = mp;
	unlock(&sched.lock);
	__builtin_longjmp(ctx, 1);
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
	munitsignals(mp);
	mleave(mp);
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

/*
 * stopm puts mp, without a P, to sleep until somebody hands it one. A signal handler that ran here may
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
	if(unlikely(sched.pidle != NULL) && strandedwork()){
		pp = pidleget();
		unlock(&sched.lock);
		acquirep(mp, pp);
		return;
	}
	mput(mp);
	unlock(&sched.lock);
	stressat(ST_stopm);
	midles(mp);
	while(!notesleep(&mp->park, until, true)){
		if(load_acquire(&sched.sigwake)){
			pp = NULL;
			lock(&sched.lock);
			if(sched.pidle != NULL && munlink(mp))
				pp = pidleget();
			unlock(&sched.lock);
			if(pp != NULL){
				acquirep(mp, pp);
				return;
			}
		}
		if(until != NOTIME && nanotime() >= until){
			until = NOTIME;
			mexit(mp);
		}
	}
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
	allm = mfree = newms = NULL;
}
