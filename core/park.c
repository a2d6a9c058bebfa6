/* SPDX-License-Identifier: MIT */
/*
 * Parking and waking (Go: proc.go gopark, goready, Gosched; the claim protocol is
 * our own, beside g.wakeword in runtime.h).
 *
 * Why no wake-up is lost. A waiter stores Wprep, then publishes its entry under the
 * queue's lock; a waker finds the entry under that lock, so it sees Wprep or later
 * and its CAS to Wclaimed succeeds unless another waker won. The waiter's M
 * switches to g0 and tries Wprep -> Wparked: if a claim came first the CAS fails and the G
 * goes on at once; if not, the claimer sees Wparked, owns the G and puts it on a run
 * queue. A G's stack is never run twice: Wparked is set on g0, after mcall has saved it.
 *
 * Signals: the sender sets ATTN_SIGNAL (attnset, a full barrier) and then looks at wakeword;
 * park0 sets Wparked (a full barrier) and then looks at attn. One of them sees the other.
 *
 * With one P (semasolo in sema.h) waits on the queues of sema.c are ended by who has the P only, and then
 * claimalone and setparked do without atomic operations. What comes from elsewhere: a timer is run by
 * who has the P, too; a foreign thread ends semasolo first; and so, for that moment, does claim(.., WAKE_SIGNAL) by a
 * thread that has no P, for which attnset is a full barrier on both sides.
 */
#include <linux/futex.h>

#include "runtime.h"
#include "sema.h"

#define ORPHANNAP (500 * USEC)

const char *const waitreasons[Wmax] = {
	[Wnone] = "", [Wsleep] = "sleep", [Wmutex] = "mutex", [Wcond] = "cond", [Wrwlock] = "rwlock",
	[Wsem] = "semaphore", [Wbarrier] = "barrier", [Wonce] = "once", [Wspin] = "spin lock",
	[Wjoin] = "join", [Wlibc] = "lock of libc's", [Wfutex] = "futex", [Wread] = "IO read", [Wwrite] = "IO write",
	[Waccept] = "accept", [Wconnect] = "connect", [Wpoll] = "poll", [Wepoll] = "epoll_wait",
	[Wsignal] = "signal", [Wblockq] = "queued for a kernel thread",
};

uint64_t
parkprep(struct g *gp)
{
	uint64_t seq = (gp->wakeword >> WSEQSHIFT) + 1;

	store_release(&gp->wakeword, seq << WSEQSHIFT | Wprep);
	return seq;
}

/* hasp says that the caller has a P, and keeps it. */
static bool
hasp(void)
{
	struct g *gp = getg();

	if(gp != NULL)
		return load_relaxed(&gp->locks) != 0;
	return tls_m != NULL && tls_m->p != NULL;
}

void
attnset(struct g *gp, uint32_t bits)
{
	fetch_or(&gp->attn, bits);
	if(load_relaxed(&semasolo) && !hasp())
		heavybarrier(); /* pairs with setparked, which has none */
}

static int
claim1(struct g *gp, uint64_t seq, enum wakewhy why)
{
	uint64_t w = load_relaxed(&gp->wakeword);

	for(;;){
		if(w >> WSEQSHIFT != seq || ((w & WSTATE) != Wprep && (w & WSTATE) != Wparked))
			return 0;
		if(__atomic_compare_exchange_n(&gp->wakeword, &w,
		       seq << WSEQSHIFT | (uint64_t)why << WWHYSHIFT | Wclaimed, false, __ATOMIC_SEQ_CST,
		       __ATOMIC_RELAXED))
			return (w & WSTATE) == Wparked ? 2 : 1;
	}
}

int
claim(struct g *gp, uint64_t seq, enum wakewhy why)
{
	int r;

	if(likely(why != WAKE_SIGNAL || !load_relaxed(&semasolo) || hasp()))
		return claim1(gp, seq, why);
	semaothersin();
	r = claim1(gp, seq, why);
	semaothersout();
	return r;
}

bool
wakeparked(struct g *gp)
{
	uint64_t w = load_acquire(&gp->wakeword);

	if((w & WSTATE) != Wparked)
		return false;
	if(!load_relaxed(&gp->nointr))
		wake(gp, w >> WSEQSHIFT, WAKE_SIGNAL);
	return true;
}

/* claimalone is claim for WAKE_READY by who has the only P, between semaenter() and semaleave(), of a G on a queue of sema.c. */
int
claimalone(struct g *gp, uint64_t seq)
{
	uint64_t w = load_relaxed(&gp->wakeword);

	if(w >> WSEQSHIFT != seq || ((w & WSTATE) != Wprep && (w & WSTATE) != Wparked))
		return 0;
	store_relaxed(&gp->wakeword, seq << WSEQSHIFT | (uint64_t)WAKE_READY << WWHYSHIFT | Wclaimed);
	return (w & WSTATE) == Wparked ? 2 : 1;
}

static enum wakewhy
parkdone(struct g *gp)
{
	uint64_t w = load_acquire(&gp->wakeword);

	store_relaxed(&gp->wakeword, w >> WSEQSHIFT << WSEQSHIFT | Wrun);
	return (enum wakewhy)((w & WWHY) >> WWHYSHIFT);
}

bool
parkabort(struct g *gp, enum wakewhy *why)
{
	uint64_t w = load_acquire(&gp->wakeword);

	if((w & WSTATE) == Wprep && cas(&gp->wakeword, w, w >> WSEQSHIFT << WSEQSHIFT | Wrun))
		return true;
	*why = parkdone(gp);
	return false;
}

/*
 * Wprep -> Wparked. False if it has been claimed. Alone, in a wait that only who is alone can end, it is not claimed now; but a
 * thread without the P may have been in for a moment since w was read, and have claimed it.
 */
static inline bool
setparked(struct g *gp, uint64_t w)
{
	uint64_t new = (w & ~(uint64_t)WSTATE) | Wparked;

	if(gp->waitreason < Wmutex || gp->waitreason > Wfutex || !semaenter())
		return cas(&gp->wakeword, w, new);
	if(likely(load_relaxed(&gp->wakeword) == w)){
		store_relaxed(&gp->wakeword, new);
		semaleave();
		return true;
	}
	semaleave();
	return false;
}

/* Is an interruptible wait to end at once? Under stress also for nothing, as when another G took the signal. */
static noinline bool
attnparked(struct g *gp)
{
	stressat(ST_parked);
	return (load_relaxed(&gp->attn) & (ATTN_SIGNAL | ATTN_CANCEL)) || stresschance(SC_wokenforno);
}

/* On g0: the G's stack is saved; make it claimable, or run it on if it has been claimed. */
static struct g *
park0(struct g *gp)
{
	struct m *mp = gp->m;
	uint64_t w = load_relaxed(&gp->wakeword);
	bool intr = !gp->nointr;

	gp->status = Gwaiting;
	store_relaxed(&mp->curg, NULL);
	gp->m = NULL;
	if((w & WSTATE) != Wprep || !setparked(gp, w))
		return execute(mp, gp, true);
	/* from here on gp may run elsewhere; only attn, which is type-stable, is looked at */
	if(intr && unlikely(load_relaxed(&gp->attn) & (ATTN_SIGNAL | ATTN_CANCEL | ATTN_SLOW)) && attnparked(gp) &&
	   claim(gp, w >> WSEQSHIFT, WAKE_SIGNAL) == 2)
		return execute(mp, gp, true);
	return schedule(mp);
}

/*
 * A foreign thread has nothing to switch to: it sleeps on the low half of its wakeword. Handlers run where it sleeps, and say so in
 * nsig and nsigintr (runinplace in signal.c); one before which the kernel ends the sleep ends the wait. Without a time the kernel
 * goes on by itself after a handler with SA_RESTART, as the wait does.
 */
static void
parkforeign(struct g *gp, int64_t deadline, bool nointr)
{
	uint64_t w = load_relaxed(&gp->wakeword), seq = w >> WSEQSHIFT;
	uint32_t depth = gp->locks;

	if((w & WSTATE) != Wprep || !cas(&gp->wakeword, w, seq << WSEQSHIFT | Wparked))
		return;
	/* it holds no lock: signal handlers may run meanwhile, and then may call sem_post */
	gp->locks = 1;
	rtexit(gp);
	gp->nsig = gp->nsigintr = 0;
	while(((w = load_acquire(&gp->wakeword)) & WSTATE) == Wparked){
		long r = futexsleep((uint32_t *)&gp->wakeword, (uint32_t)w, deadline);

		if(r == -ETIMEDOUT)
			claim(gp, seq, WAKE_TIMEOUT);
		else if(r == -EINTR && !nointr && gp->nsig != 0)
			claim(gp, seq, WAKE_SIGNAL);
	}
	compiler_barrier();
	gp->locks = depth;
}

/*
 * In the child of a fork there is no runtime, but the wrappers may be at work that a handler which forked has interrupted, and
 * wait anew. There is no other thread either, whose waking could be missed: so they look again and again.
 */
static void
parkorphan(struct g *gp, int64_t deadline, bool nointr)
{
	uint64_t seq = gp->wakeword >> WSEQSHIFT;
	int64_t left;

	do{
		left = deadline == NOTIME ? ORPHANNAP : deadline - nanotime();
		if(left <= 0){
			claim1(gp, seq, WAKE_TIMEOUT);
			return;
		}
		usleep_ns(left < ORPHANNAP ? left : ORPHANNAP);
	}while(nointr && (load_relaxed(&gp->wakeword) & WSTATE) == Wprep);
	claim1(gp, seq, WAKE_SIGNAL);
}

/*
 * There is no memory for gp's timer: it yields until it is claimed or its time is over, and asks for the timer again each time.
 * Its wakeword stays Wprep, so that a claim leaves it to go on by itself. True: now it has its timer, and can park.
 */
static noinline bool
parkyielding(struct g *gp)
{
	while((load_relaxed(&gp->wakeword) & WSTATE) == Wprep){
		if(addtimer(&gp->timer))
			return true;
		if(!gp->nointr && (load_relaxed(&gp->attn) & (ATTN_SIGNAL | ATTN_CANCEL)))
			claim(gp, gp->timer.seq, WAKE_SIGNAL);
		else if(nanotime() >= gp->timer.when)
			claim(gp, gp->timer.seq, WAKE_TIMEOUT);
		else if(handoffquiet(gp))
			usleep_ns(ORPHANNAP / 10);
		else
			gosched();
	}
	return false;
}

static enum wakewhy
parkon(struct g *gp, enum waitreason wr, const void *obj, int64_t deadline, bool nointr)
{
	enum wakewhy why;
	bool timed = deadline != NOTIME;

	gp->waitreason = (uint8_t)wr;
	gp->waitobj = obj;
	gp->nointr = nointr;
	if(unlikely(getg() == NULL)){
		if(gp->flags & GF_FOREIGN)
			parkforeign(gp, deadline, nointr);
		else
			parkorphan(gp, deadline, nointr);
		return parkdone(gp);
	}
	if(timed){
		gp->timer.when = deadline;
		gp->timer.seq = gp->wakeword >> WSEQSHIFT;
		if(unlikely(!addtimer(&gp->timer)))
			timed = parkyielding(gp);
	}
	if((load_relaxed(&gp->wakeword) & WSTATE) == Wprep)
		mcall(park0);
	why = parkdone(gp);
	if(timed && why != WAKE_TIMEOUT)
		deltimer(&gp->timer);
	return why;
}

enum wakewhy
park(struct g *gp, enum waitreason wr, const void *obj, int64_t deadline)
{
	return parkon(gp, wr, obj, deadline, false);
}

enum wakewhy
parknointr(struct g *gp, enum waitreason wr, const void *obj, int64_t deadline)
{
	return parkon(gp, wr, obj, deadline, true);
}

static noinline void
readyelsewhere(struct g *gp)
{
	struct glist l = {0};

	glistpush(&l, gp);
	injectglist(&l);
}

/* True if gp has been made runnable here: a foreign thread, or by chance without runnext. */
static noinline bool
readyslow(struct g *gp)
{
	stressat(ST_ready);
	if(gp->flags & GF_FOREIGN){
		futexwakeup((uint32_t *)&gp->wakeword, 1);
		return true;
	}
	if(!stresschance(SC_norunnext))
		return false;
	readyelsewhere(gp);
	return true;
}

void
ready(struct g *gp)
{
	struct m *mp = getm();

	if(unlikely(load_relaxed(&gp->attn) & ATTN_SLOW) && readyslow(gp))
		return;
	if(unlikely(mp == NULL || mp->p == NULL)){
		readyelsewhere(gp);
		return;
	}
	gp->status = Grunnable;
	runqput(mp->p, gp, true);
	if(gomaxprocs > 1)
		wakep(); /* else the one P is the caller's */
}

void
sleepuntil(struct g *gp, int64_t when)
{
	parkprep(gp);
	parknointr(gp, Wsleep, NULL, when);
}

/* ---- yield ---- */

enum { YIELDS = 61, KERNELYIELDS = 8 * YIELDS };

static struct g *
goschedlocal(struct g *gp)
{
	struct m *mp = gp->m;

	gp->status = Grunnable;
	store_relaxed(&mp->curg, NULL);
	gp->m = NULL;
	runqput(mp->p, gp, false);
	return schedule(mp);
}

static struct g *
goschedglobal(struct g *gp)
{
	struct m *mp = gp->m;

	gp->status = Grunnable;
	store_relaxed(&mp->curg, NULL);
	gp->m = NULL;
	lock(&sched.lock);
	globrunqput(gp);
	unlock(&sched.lock);
	return schedule(mp);
}

/* The time has come to look beyond the queue of pp, whose Gs have yielded YIELDS times since the last. */
static void
yieldwide(struct p *pp)
{
	uint32_t ran = pp->schedtick - pp->yieldtick;

	pp->yieldtick = pp->schedtick;
	if(ran <= YIELDS && pp->yields % KERNELYIELDS == 0)
		rawsyscall(SYS_sched_yield);
	mcall(goschedglobal);
}

/*
 * gosched yields. The G goes to its P's tail, and once in YIELDS times to the global queue, as a G that
 * only yields could else keep a P's queue from draining. With nothing else to run
 * here there is no switch, except that timers and the network get their turn.
 *
 * Where nobody has run since but those who yielded, the kernel is told, too, once in KERNELYIELDS times, which is each ten
 * microseconds. What they wait for may be another M that has no CPU, because other processes have them or there are more Ps than
 * CPUs: it would come only at the end of our time slice. (Eight threads that meet at barriers of LLVM's OpenMP, on a machine with ten
 * other processes a CPU: ten times slower.)
 */
void
gosched(void)
{
	struct g *gp = getg();
	struct p *pp;

	if(unlikely(gp == NULL))
		return; /* in the child of a fork: parkorphan */
	pp = gp->m->p;
	if(++pp->yields % YIELDS == 0)
		yieldwide(pp);
	else if(!runqempty(pp) || load_relaxed(&sched.runq.l.n) != 0 || load_relaxed(&pp->timer0when) != 0)
		mcall(goschedlocal);
}

/* gopreempt: to the global queue, so that a preempted G does not come back before the others. */
void
gopreempt(void)
{
	mcall(goschedglobal);
}

static struct g *
goschedfair(struct g *gp)
{
	pollfair(gp->m->p);
	return goschedglobal(gp);
}

void
gopreemptfair(void)
{
	mcall(goschedfair);
}
