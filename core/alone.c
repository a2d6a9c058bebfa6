/* SPDX-License-Identifier: MIT */
/*
 * Main alone: the process is one kernel thread again when all other threads of the program have ended.
 *
 * Natively it would be, and programs can tell: /proc/self/task has one entry, and the kernel lets a process into another user
 * namespace only then (unshare, setns). So when main has been the only G for a while, sysmon sends the idle Ms home, tells the
 * maker (newm.c) and the lookout to end, and ends itself. What is left is M0, the process's first kernel thread, which runs main and polls for it.
 *
 *              sole() for a while,             every other M is idle
 *   ALONE_NO -------------------> ALONE_SOON ------------------------> ALONE_NOW
 *      ^  ^                         |                                      |
 *      |  '--- not sole any more ---'                                      |
 *      '------------------------ rtcompany ------------------------------- '
 *
 * ALONE_NOW is entered by sysmon and left by whoever calls rtcompany, or by sysmon that thinks better of it, under alonelock. The step
 * between the other two is sysmon's alone: rtcompany does nothing then.
 *
 * ALONE_SOON. Main may be anywhere, and another M than M0 may be the poller. Both go to M0: sysmon breaks the poller, which hands
 * its P to M0 instead of polling again (alonepolls), and asks a running main to go over (ATTN_OWN, gohome). Where M0 is busy, on
 * its way to sleep for instance, nothing is done and sysmon asks again in its next round. It can all be in vain: nothing depends on it.
 *
 * ALONE_NOW. Decided by sysmon under sched.lock: main is the only G, and every M but M0 is on the idle list, whence they are taken and
 * told to end (no P in nextp). So nobody is left that could take work, ask for an M, or steal. The other side is newproc:
 *
 *	sysmon                                   newproc                      a foreign thread's first call
 *	alone = ALONE_NOW                        ngs++                        nforeign++
 *	heavybarrier                             barrier, light               full barrier
 *	ngs == 1, nforeign == 0? else back       alone? then rtcompany        alone? then rtcompany
 *
 * Either sysmon sees the new G, or whoever makes it sees ALONE_NOW; then it waits for alonelock, under which sysmon has changed its mind
 * or is past the last thing that it does, and starts sysmon and the maker anew before the G becomes runnable.
 *
 * What sysmon did is not needed while alone: nobody waits for main's P. M0's waits end without it:
 *   - timers and descriptors: M0 is the poller; it polls also when main waits for neither, instead of going to stopm;
 *   - signals: with sysmon gone M0 opens its mask when it idles (sigmaskidle). The handler breaks the poll, whether it has begun
 *     or not: a break stays until a blocking poll has consumed it. One that came before ALONE_NOW was set is
 *     seen by sysmon, which looks at sigwake after it has set that (both are full barriers);
 *   - what a foreign thread makes runnable: startm breaks the poll rather than to make an M.
 * M0 may have begun its sleep before ALONE_NOW, with its mask as it was: so sysmon sends it around once, by a P if
 * it is idle (then it is on the list), by a break if it polls. If it is on its way to stopm it sees ALONE_NOW there, under sched.lock.
 *
 * While alone main is not locked to M0, be it that it has changed that kernel thread for good: there is no other, and M0 could not poll for
 * it. It is counted only (nlocked); the lock is made up for when there is company (ownasked), by main itself: who calls rtcompany reads
 * nlocked after it has changed alone, main reads alone after it has changed nlocked. As sysmon may yet change its mind about ALONE_NOW,
 * main waits for alonelock before it relies on that (isalone). Where a foreign thread brought the company, M0 may run others until
 * main comes by.
 * Where main is locked already sysmon stays: M0 would wait for main with another M as the poller. Only main itself can undo that, which it
 * does when it wants to be alone (rtalone): it is in runtime mode from its wish until it is loose.
 *
 * A program that makes a thread now and then must not pay for the helpers each time: main has to be the only one for a while
 * without that any G has been made, and for longer if they were soon needed again.
 */
#include "netpoll.h"
#include "sig.h"

static const int64_t QUIET = 50 * MSEC, QUIETMOST = 200 * MSEC, QUIETSTRESS = MSEC;
static const int64_t LONGEST = NSEC, NAP = 50 * USEC; /* rtalone waits */
enum { TRIES = 8, SOONAGAIN = 20 };

static struct mutex alonelock;
static int64_t since;       /* main has been the only one from then on; 0: it was not. sysmon, and who starts it */
static int64_t quietneeded; /* alonelock */
static int64_t wentalone;   /* alonelock */
static int tries;           /* in vain, in a row; sysmon */
static uint32_t wish;       /* atomic: main waits for it in rtalone */
static uint32_t answers;    /* atomic, a futex: counts sysmon's tries */

/* ---- sysmon's side ---- */

bool
alonewished(void)
{
	return unlikely(load_relaxed(&wish) != 0);
}

/* Is main the only thread of the program that we know of, and free to run on M0? Any thread; it may be over at once. */
static bool
sole(void)
{
	struct m *locked = load_acquire(&maing->lockedm);

	return ngs() == 1 && load_relaxed(&sched.nforeign) == 0 && load_relaxed(&maing->goid) != 0 &&
	       (locked == NULL ? load_relaxed(&maing->nlocked) == 0 && !load_relaxed(&firstm->dirty) : locked == firstm && alonewished());
}

/* Changes with each G that is made. */
static uint64_t
gsmade(void)
{
	uint64_t n = load_relaxed(&sched.goidgen);

	for(int i = 0; i < gomaxprocs; i++)
		n += load_relaxed(&allp[i]->goidcache);
	return n;
}

static int64_t
quiet(void)
{
	return unlikely(stressing & STRESS_SLOW) ? QUIETSTRESS : quietneeded != 0 ? quietneeded : QUIET;
}

/* Main is the only one: since when is it so without a break? 0: it is not. */
static int64_t
solesince(int64_t now)
{
	static uint64_t made;
	uint64_t n;

	if(likely(ngs() != 1) || !sole() || options.schedtrace > 0 || options.dumpsig != 0)
		return since = 0;
	if((n = gsmade()) != made || since == 0){
		made = n;
		since = now;
		tries = 0;
	}
	return since;
}

int64_t
alonedue(int64_t now)
{
	int64_t from = solesince(now);

	if(from == 0 || stackspare())
		return NOTIME;
	return from + quiet() > now + 10 * MSEC ? from + quiet() : now + 10 * MSEC;
}

/* Main and the poller are to go to M0. */
static void
callhome(void)
{
	struct m *mp = load_acquire(&maing->m);

	if(load_acquire(&sched.lastpoll) == 0 && load_relaxed(&sched.poller) != firstm)
		netpollbreak();
	if(mp == NULL || mp == firstm)
		return;
	attnset(maing, ATTN_OWN); /* no kick, which could end a call that nobody knows: who calls nothing of ours sees no threads */
}

/* M0 goes around once, to wait as one who is alone does. sched.lock. False: it sleeps, and there is no P for it. */
static bool
rousefirst(bool *rouse)
{
	*rouse = munlink(firstm);
	if(!*rouse)
		return true;
	firstm->spinning = false;
	if((firstm->nextp = pidleget()) != NULL)
		return true;
	mput(firstm);
	return false;
}

/* The last steps, which nobody sees half done. alonelock. False if it cannot be. */
static bool
takedown(void)
{
	struct m *others = NULL, *next;
	bool rouse = false, can;

	store_release(&sched.alone, ALONE_NOW);
	heavybarrier(); /* pairs with newproc and getgforeign */
	stressat(ST_alone);
	sigsysmonend();
	lock(&sched.lock);
	if((can = sole() && !lookcomes() && mothersidle() && rousefirst(&rouse)))
		others = mtakeidle();
	unlock(&sched.lock);
	if(!can){
		store_release(&sched.alone, ALONE_SOON);
		sigsysmonstart();
		return false;
	}
	for(; others != NULL; others = next){
		next = others->schedlink;
		others->spinning = false;
		others->nextp = NULL;
		notewakeup(&others->park);
	}
	if(rouse)
		notewakeup(&firstm->park);
	else
		netpollbreak();
	makerleave();
	lookleave();
	return true;
}

static void
answer(void)
{
	add_fetch(&answers, 1);
	futexwakeup(&answers, INT32_MAX);
}

bool
alonetry(int64_t now)
{
	int64_t from = solesince(now);
	bool done;

	if(likely(from == 0)){
		if(unlikely(load_relaxed(&sched.alone) != ALONE_NO))
			store_release(&sched.alone, ALONE_NO);
		if(alonewished())
			answer();
		return false;
	}
	if(!alonewished() && (now - from < quiet() || stackspare()))
		return false;
	store_release(&sched.alone, ALONE_SOON);
	lock(&sched.lock);
	done = mothersidle();
	unlock(&sched.lock);
	if(done){
		lock(&alonelock);
		if((done = takedown())){
			wentalone = now;
			if(load_acquire(&sched.sigwake))
				sigdispatch(NULL);
			since = 0;
			tries = 0;
		}
		unlock(&alonelock);
	}else
		callhome();
	if(!done && ++tries > TRIES && !alonewished())
		since = now + (stressing ? 10 * QUIETSTRESS : NSEC); /* something keeps an M: later */
	answer();
	return done;
}

/* ---- the Ms ---- */

bool
alonepolls(struct m *mp, bool waits)
{
	bool handed = false;

	if(mp == firstm){
		if(load_relaxed(&sched.alone) != ALONE_NOW)
			return waits;
		if(!waits){
			lock(&sched.lock); /* for the eyes of checkdead it is as idle as in stopm */
			mput(mp);
			munlink(mp);
			unlock(&sched.lock);
		}
		return true;
	}
	if(!waits)
		return false;
	lock(&sched.lock);
	if(sched.pidle != NULL && munlink(firstm)){
		firstm->nextp = pidleget();
		firstm->spinning = false;
		handed = true;
	}
	unlock(&sched.lock);
	if(handed)
		notewakeup(&firstm->park);
	return !handed;
}

static struct g *
gohome0(struct g *gp)
{
	struct m *mp = gp->m;
	bool idle;

	gp->status = Grunnable;
	store_relaxed(&mp->curg, NULL);
	gp->m = NULL;
	runqput(mp->p, gp, true);
	lock(&sched.lock);
	idle = munlink(firstm);
	unlock(&sched.lock);
	if(!idle){
		if(load_relaxed(&sched.poller) == firstm && load_acquire(&sched.lastpoll) == 0)
			netpollbreak();
		return schedule(mp);
	}
	firstm->spinning = false;
	firstm->nextp = releasep(mp);
	notewakeup(&firstm->park);
	stopm(mp);
	return schedule(mp);
}

void
gohome(struct g *gp)
{
	if(load_relaxed(&sched.alone) == ALONE_SOON && gp == maing && gp->m != firstm && gp->lockedm == NULL &&
	   !load_relaxed(&firstm->dirty))
		mcall(gohome0);
}

/* ---- company ---- */

int
rtcompany(void)
{
	struct g *gp = getg();
	int64_t now;
	int e = 0;

	stressat(ST_alone);
	lock(&alonelock);
	if(load_relaxed(&sched.alone) == ALONE_NOW){
		now = nanotime();
		since = 0;
		makerstay(); /* first, as sysmon may ask it for the lookout */
		if((e = sysmonstart()) != 0)
			makerleave();
		else{
			quietneeded = now - wentalone > SOONAGAIN * quiet() ? QUIET :
			              2 * quiet() < QUIETMOST ? 2 * quiet() : QUIETMOST;
			store_release(&sched.alone, ALONE_NO);
		}
	}
	unlock(&alonelock);
	fence_seqcst(); /* pairs with the one in alonelocked */
	if(e == 0 && load_relaxed(&maing->nlocked) != 0 && load_acquire(&maing->lockedm) == NULL){
		if(gp == maing)
			ownasked(gp);
		else
			attnset(maing, ATTN_OWN); /* it does that itself */
	}
	return e;
}

bool
isalone(void)
{
	bool is;

	lightbarrier(ST_alone); /* pairs with takedown's: it sees what we have stored, or we ALONE_NOW */
	if(likely(load_acquire(&sched.alone) != ALONE_NOW))
		return false;
	fence_seqcst(); /* pairs with the one in rtcompany */
	lock(&alonelock);
	is = load_relaxed(&sched.alone) == ALONE_NOW;
	unlock(&alonelock);
	return is;
}

bool
alonelocked(struct g *gp)
{
	return isalone() && gp == maing && gp->m == firstm;
}

/* ---- main, which wants to be alone ---- */

/* The kernel has forgotten the thread. */
static bool
forgotten(int32_t tid)
{
	return tid == 0 || rawsyscall(SYS_tgkill, sigpid, tid, 0) == -ESRCH;
}

/* Have all the helpers' threads gone? Nothing tells when the kernel is done with one: what libc waits for comes before that. */
static bool
allgone(void)
{
	if(!forgotten(load_relaxed(&sysmonm.tid)) || !forgotten(makerlast()) || !forgotten(looklast()))
		return false;
	store_relaxed(&sysmonm.tid, 0); /* it may be another thread's next time */
	for(struct m *mp = load_acquire(&allm); mp != NULL; mp = mp->alllink){
		if(mp == firstm)
			continue;
		if(!forgotten(load_relaxed(&mp->tid)))
			return false;
		store_relaxed(&mp->tid, 0);
	}
	return true;
}

bool
rtalone(void)
{
	struct g *gp = getg();
	int64_t until = nanotime() + LONGEST;
	bool can = true, alone = false;
	uint32_t seen;

	if(gp == NULL || gp != maing)
		return false;
	rtenter(gp);
	xchg(&wish, 1);
	while(can && nanotime() < until){
		gohome(gp);
		seen = load_acquire(&answers);
		if((alone = isalone()))
			break;
		sysmonwake();
		if((can = sole() && sysmonmade))
			futexsleep(&answers, seen, until);
	}
	store_release(&wish, 0);
	if(alone && gp->lockedm != NULL)
		ownloosen(gp);
	while(alone && !allgone() && nanotime() < until)
		usleep_ns(NAP);
	rtexit(gp);
	return alone;
}

void
alonefork(void)
{
	alonelock = (struct mutex){0};
	since = quietneeded = wentalone = 0;
	tries = 0;
	wish = 0;
}
