/* SPDX-License-Identifier: MIT */
/*
 * Gs that have a kernel thread of their own (Go: LockOSThread).
 *
 * A G locks itself to the M it is on. One that is to have an M of its own because another thread changes something of
 * its that the kernel keeps (affinity, priority and the like) may be anywhere and cannot be locked from outside. So an M
 * is made and *reserved* for it: what is changed is that one's kernel thread, at once and for real, and so
 * the answer is the kernel's. The G is asked (ATTN_OWN) to go over to it on its way out of the runtime, which is
 * before it runs any more of the program; until then who asks about the G is told of the reserved one.
 *
 *   who changes (any thread)            the new M             the G
 *   ownreserve: Mmaking      -------->  ownwait: Mready
 *   sleeps on `news`          <-------
 *   the call on its tid
 *   ownreserved: ATTN_OWN    --------------------------->     ownasked: locked to it, and gives up the M it is on
 *                                       runs the G    <---    a P, by startlockedm
 *
 * ownlock protects lockedm and lockedg of all, and the M's reservedfor, reservedgoid, ownstate, wishes and wished. A reservation is of a G
 * and its goid: one whose G has ended is of nobody. It is cancelled by whoever finds that nobody needs it:
 * the last of those who wanted to change something if all failed or the G has ended meanwhile, or the G at its end.
 * These two do not miss one another: goexit0 clears goid, then looks at attn; ask sets ATTN_OWN, then has a
 * heavybarrier, then looks at goid.
 *
 * Who touches m.ownstate: newowned, before there is a thread, makes it Mmaking; that thread makes it Mready, under ownlock, as those look
 * at it who find the M by its reservation; and Mnone when it is woken, without ownlock. By then no reservation leads to it: who
 * woke it has cancelled that before, or the G has taken it, or there was none (owninherit). The wake-up orders the two. Where there
 * is no thread, who was to make it stands in for it (ownfailed, owninherit).
 *
 * Timers that signal the G (SIGEV_THREAD_ID) signal the reserved thread at once, while the G may be in a call for long. That thread
 * takes such signals and queues them for the G (ownerof).
 *
 * A G that locks itself while an M is reserved for it takes that one, if that is ready; if not, whoever waits for
 * it finds the G locked, and changes that M's kernel thread instead.
 */
#include "sig.h"

enum { Mnone, Mmaking, Mready };

static struct mutex ownlock;
static uint32_t nreserved; /* ownlock; atomic reads */
static uint32_t news;      /* counts what those may wait for who wait for an M; atomic */

static void
tell(void)
{
	add_fetch(&news, 1);
	futexwakeup(&news, INT32_MAX);
}

/* The M reserved for the G when it was goid, or NULL. ownlock. */
static struct m *
reservation(struct g *gp, uint64_t goid)
{
	if(load_relaxed(&nreserved) == 0)
		return NULL;
	for(struct m *mp = load_acquire(&allm); mp != NULL; mp = mp->alllink)
		if(mp->reservedfor == gp && mp->reservedgoid == goid)
			return mp;
	return NULL;
}

/* mp is nobody's any more. ownlock. */
static void
unreserve(struct m *mp)
{
	mp->reservedfor = NULL;
	store_relaxed(&nreserved, nreserved - 1);
}

/* Nobody needs mp, which waits: it ends. ownlock. */
static void
cancel(struct m *mp)
{
	unreserve(mp);
	notewakeup(&mp->park);
}

/* Locks gp to mp for good. ownlock; of a new G, by its creator. */
static void
bindto(struct g *gp, struct m *mp)
{
	mp->lockedg = gp;
	gp->lockedm = mp;
	gp->nlocked++;
	gp->flags |= GF_KERNEL;
	mp->dirty = true;
}

/* Locks the current G to what is reserved for it, if that is ready; it then has to go there by gopreempt. ownlock. */
static bool
takereserved(struct g *gp)
{
	struct m *mp = reservation(gp, gp->goid);

	if(mp == NULL || mp->ownstate != Mready || gp->lockedm != NULL)
		return false;
	bindto(gp, mp); /* first: ownerof finds the one or the other */
	unreserve(mp);
	return true;
}

/* Locks gp, which is counted as locked already. */
static void
lockthread(struct g *gp)
{
	struct m *mp = gp->m;
	bool moves;

	lock(&ownlock);
	if(!(moves = takereserved(gp))){
		noteclear(&mp->park); /* nobody can hand anything to a running M */
		mp->lockedg = gp;
		gp->lockedm = mp;
	}
	unlock(&ownlock);
	if(moves)
		gopreempt();
	else
		blockable(mp, false);
}

void
lockosthread(struct g *gp)
{
	if(gp->nlocked++ == 0 && !alonelocked(gp))
		lockthread(gp);
}

void
ownloosen(struct g *gp)
{
	struct m *mp = gp->lockedm;

	lock(&ownlock);
	mp->lockedg = NULL;
	gp->lockedm = NULL;
	unlock(&ownlock);
	blockable(mp, true);
}

/* Unlocks, unless somebody has changed the kernel thread meanwhile. */
void
unlockosthread(struct g *gp)
{
	struct m *mp = gp->lockedm;

	if(gp->nlocked == 0 || --gp->nlocked != 0 || mp == NULL)
		return; /* mp is NULL: it was only counted, as main is alone */
	lock(&ownlock);
	mp->lockedg = NULL;
	gp->lockedm = NULL;
	if(mp->dirty)
		bindto(gp, mp);
	unlock(&ownlock);
	if(gp->lockedm == NULL)
		blockable(mp, true);
}

void
ownasked(struct g *gp)
{
	bool moves;

	fetch_and(&gp->attn, ~(uint32_t)ATTN_OWN);
	lock(&ownlock);
	if(gp->lockedm != NULL && gp->lockedm->dirty && !(gp->flags & GF_KERNEL))
		bindto(gp, gp->lockedm); /* locked for a while only, until somebody changed that M */
	moves = takereserved(gp);
	unlock(&ownlock);
	if(moves)
		gopreempt();
	else
		gohome(gp);
	if(gp->nlocked != 0 && gp->lockedm == NULL && !isalone())
		lockthread(gp); /* makes up for what alonelocked has saved */
}

void
ownexit(struct g *gp, struct m *mp, uint64_t goid)
{
	struct m *reserved;
	bool frees = false;

	lock(&ownlock);
	if(gp->lockedm != NULL){
		mp->lockedg = NULL;
		gp->lockedm = NULL;
		gp->nlocked = 0;
		frees = !mp->dirty;
	}
	if((reserved = reservation(gp, goid)) != NULL && reserved->wishes == 0)
		cancel(reserved);
	unlock(&ownlock);
	if(frees)
		blockable(mp, true);
}

/* ---- the reserved M ---- */

struct g *
ownerof(struct m *mp)
{
	struct g *gp = load_acquire(&mp->lockedg), *r;

	if(gp == NULL && (r = load_acquire(&mp->reservedfor)) != NULL && load_relaxed(&r->goid) == mp->reservedgoid)
		gp = r;
	return gp != NULL ? gp : load_acquire(&mp->lockedg); /* it may have changed from the one to the other just now */
}

bool
ownwait(struct m *mp)
{
	lock(&ownlock);
	mp->ownstate = Mready;
	unlock(&ownlock);
	sigmaskopen(mp); /* a timer's signal for the G: sigtramp queues it, and the G has it at once, wherever it is */
	tell();
	while(!notesleep(&mp->park, NOTIME, false))
		;
	noteclear(&mp->park);
	mp->ownstate = Mnone;
	if(mp->lockedg == NULL)
		return false;
	acquirep(mp, mp->nextp);
	mp->nextp = NULL;
	return true;
}

void
ownfailed(struct m *mp)
{
	if(mp->ownstate == Mnone)
		return;
	lock(&ownlock);
	mp->ownstate = Mnone;
	if(mp->reservedfor != NULL)
		unreserve(mp);
	unlock(&ownlock);
	tell();
}

/* A new M's structure, for a thread that is going to be ownwait's; NULL without room. ownlock. */
static struct m *
newowned(void)
{
	struct m *mp;

	lock(&sched.lock);
	mp = mnew();
	unlock(&sched.lock);
	if(mp != NULL){
		mp->ownstate = Mmaking;
		noteclear(&mp->park);
	}
	return mp;
}

/* ---- those who change something ---- */

static void
awaitnews(uint32_t seen)
{
	struct g *self = getg();

	if(self == NULL){
		futexsleep(&news, seen, NOTIME);
		return;
	}
	rtenter(self);
	entersyscallblock(self);
	futexsleep(&news, seen, NOTIME);
	exitsyscallblock(self);
	rtexit(self);
}

/* Is mp still what ownreserve has counted the wish for? ownlock. */
static bool
holds(struct m *mp, struct g *gp, const struct ownwish *w)
{
	return mp->reservedfor == gp && mp->reservedgoid == w->goid;
}

static bool
ended(struct g *gp, const struct ownwish *w) /* goid 0: it was at its end already */
{
	return w->goid == 0 || load_relaxed(&gp->goid) != w->goid;
}

/* Reserves a new M for gp. NULL without room. ownlock. */
static struct m *
reservenew(struct g *gp, uint64_t goid)
{
	struct m *mp = newowned();

	if(mp == NULL)
		return NULL;
	mp->reservedfor = gp;
	mp->reservedgoid = goid;
	mp->wishes = 0;
	mp->wished = false;
	store_relaxed(&nreserved, nreserved + 1);
	return mp;
}

/*
 * Looks for the M whose kernel thread is gp's, or is going to be. ESRCH; EAGAIN if there can be no other thread; EBUSY: not yet,
 * and *make is to be made if it is not NULL. From the first look on the wish is counted, so that the M stays. ownlock.
 */
static int
look(struct g *gp, struct ownwish *w, struct m **make)
{
	struct m *mp = w->reserved;

	*make = NULL;
	if(ended(gp, w))
		return ESRCH;
	if(gp->lockedm != NULL){
		if(!gp->lockedm->dirty){
			gp->lockedm->dirty = true;
			attnset(gp, ATTN_OWN); /* the G is to know before it makes a thread, which inherits */
		}
		w->tid = gp->lockedm->tid;
		return 0;
	}
	if(mp != NULL && !holds(mp, gp, w))
		return EAGAIN; /* the kernel gave us none */
	if(mp == NULL){
		if((mp = reservation(gp, w->goid)) == NULL && (mp = *make = reservenew(gp, w->goid)) == NULL)
			return EAGAIN;
		mp->wishes++;
		w->reserved = mp;
	}
	if(mp->ownstate != Mready)
		return EBUSY;
	w->tid = mp->tid;
	return 0;
}

/* The wish has nothing to do with what was reserved: gp has ended, or locked itself before that was ready. ownlock. */
static void
withdraw(struct g *gp, struct ownwish *w)
{
	struct m *mp = w->reserved;

	w->reserved = NULL;
	if(mp != NULL && holds(mp, gp, w) && --mp->wishes == 0)
		cancel(mp);
}

int
ownreserve(struct g *gp, uint64_t goid, struct ownwish *w)
{
	struct g *self = getg();
	struct m *mp;
	uint32_t seen;
	int e;

	*w = (struct ownwish){.goid = goid};
	for(;;){
		if(self != NULL)
			rtenter(self);
		seen = load_acquire(&news);
		lock(&ownlock);
		e = look(gp, w, &mp);
		if(e == ESRCH || e == EAGAIN || (e == 0 && gp->lockedm != NULL))
			withdraw(gp, w);
		unlock(&ownlock);
		if(mp != NULL)
			newm(mp);
		if(self != NULL)
			rtexit(self);
		if(e != EBUSY)
			return e;
		awaitnews(seen);
	}
}

/* Has gp go over to mp: if it is parked, too, as if there might be a signal for it. */
static void
ask(struct g *gp, struct m *mp, const struct ownwish *w)
{
	uint64_t word;

	attnset(gp, ATTN_OWN | ATTN_PREEMPT | ATTN_SIGNAL);
	heavybarrier(); /* pairs with goexit0 */
	lock(&ownlock);
	if(holds(mp, gp, w) && mp->wishes == 0 && ended(gp, w))
		cancel(mp);
	unlock(&ownlock);
	word = load_acquire(&gp->wakeword);
	if((word & WSTATE) == Wparked){
		if(!load_relaxed(&gp->nointr))
			wake(gp, word >> WSEQSHIFT, WAKE_SIGNAL);
	}else if((mp = load_acquire(&gp->m)) == NULL)
		return;
	else if(sigwaitset(gp) != 0)
		preemptm(mp); /* waits for kicks, too, and for signals that may come to its new thread only */
	else
		while(!preemptask(mp, gp) && !kickcomes(mp) && load_acquire(&gp->m) == mp)
			rawsyscall(SYS_sched_yield); /* sysmon is about to send one, or to drop it */
}

void
ownreserved(struct g *gp, struct ownwish *w, bool done)
{
	struct g *self = getg();
	struct m *mp = w->reserved;
	bool mine;

	if(mp == NULL)
		return;
	if(self != NULL)
		rtenter(self);
	lock(&ownlock);
	if((mine = holds(mp, gp, w))){
		mp->wished |= done;
		if(--mp->wishes == 0 && (!mp->wished || ended(gp, w))){
			cancel(mp);
			mine = false;
		}
	}
	unlock(&ownlock);
	if(mine && done)
		ask(gp, mp, w);
	if(self != NULL)
		rtexit(self);
}

int32_t
owntid(struct g *gp)
{
	struct g *self = getg();
	struct m *mp = load_relaxed(&gp->lockedm);
	int32_t tid;

	if(mp != NULL)
		return mp->tid;
	if(unlikely(gp->nlocked != 0))
		return firstm->tid; /* main, alone */
	if(likely(load_relaxed(&nreserved) == 0))
		return 0;
	if(self != NULL)
		rtenter(self);
	lock(&ownlock);
	if((mp = gp->lockedm) == NULL && (mp = reservation(gp, gp->goid)) != NULL && mp->ownstate != Mready)
		mp = NULL;
	tid = mp != NULL ? mp->tid : 0;
	unlock(&ownlock);
	if(self != NULL)
		rtexit(self);
	return tid;
}

/* ---- threads that inherit ---- */

int
owninherit(struct g *gp)
{
	struct g *self = getg();
	struct m *mp;
	int e;

	lock(&ownlock);
	mp = newowned();
	unlock(&ownlock);
	if(mp == NULL)
		return EAGAIN;
	entersyscallblock(self); /* libc calls malloc, whose lock a G may have that waits for a P */
	e = newmhere(mp);
	exitsyscallblock(self);
	if(e != 0){
		mp->ownstate = Mnone;
		lock(&sched.lock);
		mdrop(mp);
		unlock(&sched.lock);
		return e;
	}
	lock(&ownlock);
	bindto(gp, mp);
	unlock(&ownlock);
	return 0;
}

void
ownfork(void)
{
	ownlock = (struct mutex){0};
	nreserved = 0;
}
