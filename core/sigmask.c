/* SPDX-License-Identifier: MIT */
/*
 * Signal masks.
 *
 * A G's mask is also its thread's while it runs (signal.c, rule 1). When its thread turns to another G with
 * the same mask nothing is done; while the thread runs no G, the mask stays as it was.
 *
 * sigall is the set of signals that every G blocks. Programs that use sigwait or signalfd block
 * signals everywhere, and count on the kernel to keep them; with the default action, one thread that
 * does not block SIGTERM ends the process. So (rule 2)
 *
 *   each thread that runs no G blocks at least sigall.
 *
 * To know sigall, Gs are counted by their masks, of which programs have few: starting a
 * thread with its creator's mask is one addition. Only when the last G of a mask is gone can sigall
 * grow; then confine() makes all threads block what is new, before the G goes on:
 *
 *   G                                        another thread, without a G
 *   changes its own kernel mask, is counted  its kernel mask lacks the signal
 *   sigall grows
 *   m.sigmask lacks it: kick, wait           handler of the kick: adds sigall to the mask that it
 *   m.sigmask has it: goes on                returns to, and then to m.sigmask
 *
 * A thread that runs a G has that G's mask, and the G is counted as blocking the signal, so confine()
 * need not care what runs where. Only sysmon, which takes what no running G can (rule 3), and an M reserved for a G (own.c)
 * unblock signals while they run no G: their mask is sigall. They say so in m.sigmask before, and look at sigall again after:
 * they or confine() see the other (both have a full barrier in between).
 */
#include "sema.h"
#include "sig.h"

enum { NCLASS = 256, ANYMASK = 1, SPINS = 100 };

/* Class 0 is nobody's. Class 1 is for those that find no other: they count as blocking nothing. */
static struct {
	uint64_t mask; /* changes under masklock while n is 0 */
	uint32_t n;    /* Gs; atomic, 0 to 1 and back under masklock */
} classes[NCLASS];
static uint32_t nclasses; /* used ones; masklock */
static struct mutex masklock;

uint64_t sigall;
struct m sysmonm; /* sysmon's M: it never has a P */
static bool sysmonup;

/* ---- counting Gs by mask ---- */

/* Returns what sigall has gained. masklock. */
static uint64_t
recount(void)
{
	uint64_t all = ~0ULL, old = sigall;

	for(uint32_t i = ANYMASK; i < nclasses; i++)
		if(load_relaxed(&classes[i].n) != 0)
			all &= classes[i].mask;
	store_release(&sigall, all);
	fence_seqcst(); /* before the masks are looked at; pairs with sigmasksysmon */
	return all & ~old;
}

/*
 * Adds d, 1 or -1, to a class's count: false if that would be the first or the last one. In runtime mode, with a P. Who is alone
 * (semaenter) does without an atomic operation, which would wait for all the cache misses of the thread that is made.
 */
static bool
count(uint32_t c, int32_t d)
{
	uint32_t least = d < 0 ? 2 : 1, n;

	if(semaenter()){
		n = load_relaxed(&classes[c].n);
		if(n >= least)
			store_relaxed(&classes[c].n, n + (uint32_t)d);
		semaleave();
		return n >= least;
	}
	n = load_relaxed(&classes[c].n);
	while(n >= least)
		if(__atomic_compare_exchange_n(&classes[c].n, &n, n + (uint32_t)d, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return true;
	return false;
}

static uint32_t
findclass(uint64_t mask)
{
	uint32_t free = ANYMASK;

	if(nclasses == 0)
		nclasses = ANYMASK + 1;
	for(uint32_t i = ANYMASK + 1; i < nclasses; i++){
		if(classes[i].mask == mask)
			return i;
		if(free == ANYMASK && load_relaxed(&classes[i].n) == 0)
			free = i;
	}
	if(free == ANYMASK && nclasses < NCLASS)
		free = nclasses++;
	if(free != ANYMASK)
		store_relaxed(&classes[free].mask, mask);
	return free;
}

static uint32_t
enter(uint64_t mask, uint32_t hint)
{
	uint32_t c;

	/* the hint's mask cannot change while the caller is of that class itself */
	if(hint > ANYMASK && classes[hint].mask == mask && count(hint, 1))
		return hint;
	lock(&masklock);
	c = findclass(mask);
	if(add_fetch(&classes[c].n, 1) == 1)
		recount();
	unlock(&masklock);
	return c;
}

static uint64_t
leave(uint32_t c)
{
	uint64_t gained = 0;

	if(likely(count(c, -1)))
		return 0;
	lock(&masklock);
	if(add_fetch(&classes[c].n, -1) == 0)
		gained = recount();
	unlock(&masklock);
	return gained;
}

/* ---- making threads block what all Gs block ---- */

static void
confinem(struct m *mp, uint64_t bits)
{
	for(int i = 0;; i++){
		uint64_t need = bits & load_acquire(&sigall) & ~SIGNEVER;

		if((load_acquire(&mp->sigmask) & need) == need)
			return;
		preemptm(mp);
		if(i < SPINS)
			cpurelax();
		else
			usleep_ns(20 * USEC);
	}
}

/* The caller's own M is taken care of. */
static void
confine(struct m *self, uint64_t bits)
{
	for(struct m *mp = load_acquire(&allm); mp != NULL; mp = mp->alllink)
		if(mp != self)
			confinem(mp, bits);
	if(sysmonup)
		confinem(&sysmonm, bits);
}

/*
 * The kick's handler, on a thread that runs no G. One that sleeps leaves all that the program handles to sysmon and to those that run Gs from
 * then on: it is not to be asked for a signal on its way (sigsettle.c) again.
 */
void
sigkickg0(struct m *mp, struct ucontextk *uc)
{
	uint64_t all = load_acquire(&sigall) & ~SIGNEVER;

	if(mp->dozes && load_acquire(&sysmonup) && ownerof(mp) == NULL)
		all |= load_relaxed(&sighandledset) & ~SIGNEVER;
	uc->sigmask |= all;
	store_release(&mp->sigmask, mp->sigmask | all);
}

/*
 * sysmon has taken a signal, and takes no more of it before it has found a G for this one: sigmasksysmon, in its next round.
 * A fast timer would leave it no time for that.
 */
void
sigtaken(struct m *mp, int sig, struct ucontextk *uc)
{
	if(mp != &sysmonm)
		return;
	uc->sigmask |= SIGBIT(sig);
	store_release(&mp->sigmask, mp->sigmask | SIGBIT(sig));
}

/* ---- the masks of Gs ---- */

void
sigcount(struct g *gp, uint64_t mask)
{
	uint32_t c = gp->sigclass;
	uint64_t gained;

	if(likely(classes[c].mask == mask))
		return;
	gp->sigclass = (uint8_t)enter(mask, 0);
	if((gained = leave(c)) != 0)
		confine(gp->m, gained);
}

uint64_t
setsigmask(struct g *gp, uint64_t mask)
{
	uint64_t old = gp->sigmask;

	mask &= ~SIGNEVER;
	if(mask == old)
		return old;
	sigsetkernelmask(mask);
	gp->m->sigmask = mask;
	store_release(&gp->sigmask, mask);
	sigcount(gp, mask);
	if(sigwaits(gp, ~mask))
		fetch_or(&gp->attn, ATTN_SIGNAL);
	if(mask & ~old)
		sigretarget(gp, mask & ~old);
	return old;
}

/* The mask as it was is noted for the first handler's frame (sigframe.c). */
uint64_t
sigmaskfortime(struct g *gp, uint64_t mask)
{
	struct sigdata *d = sigdataof(gp);

	if(d != NULL){
		d->keptmask = gp->sigmask;
		d->kept = true;
	}
	return setsigmask(gp, mask);
}

void
sigmaskback(struct g *gp, uint64_t old)
{
	if(gp->sigdata != NULL)
		gp->sigdata->kept = false;
	setsigmask(gp, old);
}

void
sigginit(struct g *gp, uint64_t mask)
{
	struct g *self = getg();

	gp->sigmask = mask & ~SIGNEVER;
	gp->sigclass = (uint8_t)enter(gp->sigmask, self ? self->sigclass : 0);
	gp->nsig = 0;
	if(gp->sigdata != NULL){
		sigforget(gp); /* what has come for the one before it at its end */
		*gp->sigdata = (struct sigdata){.altstack.ss_flags = SS_DISABLE, .standin = gp->sigdata->standin};
	}
}

/*
 * From here on gp's thread may still have gp's old mask, and gp be asked to take a signal; what it
 * gets goes to others, or to the kernel, which has a mask set here if nobody else lets the signal through.
 */
void
siggexit(struct g *gp)
{
	uint64_t gained;
	struct m *mp;

	if(gp->sigdata != NULL)
		sigunwound(gp, gp->stack.hi - 1); /* it may end in a handler */
	rtenter(gp);
	mp = gp->m;
	store_release(&gp->sigmask, ~SIGNEVER); /* it may yet be moved to a thread, which must go on taking kicks */
	if((gained = leave(gp->sigclass)) != 0){
		sigsetkernelmask(mp->sigmask | gained);
		store_release(&mp->sigmask, mp->sigmask | gained);
		confine(mp, gained);
	}
	gp->sigclass = 0;
	sigretarget(gp, ~0ULL);
	sigforget(gp);
	if(unlikely(sighere(gp)))
		sigends();
	rtexit(gp);
}

/* ---- the masks of threads ---- */

/*
 * A write to a broken pipe by a G that blocks SIGPIPE leaves the signal pending for the thread (SIGXFSZ: to a file, beyond
 * the limit). It is the G's, wherever that goes on: it is taken from the kernel and kept in the G's queue.
 */
static bool
raisedhere(uint64_t set, siginfo_t *info)
{
	static const struct timespec now;

	while(rawsyscall(SYS_rt_sigtimedwait, &set, info, &now, 8) > 0){
		if(info->si_code == SI_USER && info->si_pid == sigpid)
			return true;
		sigpost(info); /* another process's: to whom it may concern */
	}
	return false;
}

/* No handler, in which gp might go on elsewhere, comes between the one queue and the other. */
void
sigkeep(struct g *gp, int sig)
{
	siginfo_t info;
	uint64_t mask;

	if(!(gp->sigmask & SIGBIT(sig)) || sighere(gp))
		return;
	mask = sigblockall();
	if(raisedhere(SIGBIT(sig), &info))
		sigenqueue(gp, &info);
	sigsetkernelmask(mask);
}

/*
 * A handler of gp's that has come as soon as the call was over, before sigkeep, may wait, and gp go on elsewhere when it has. What waits
 * for the whole process is not gp's.
 */
void
sigkeepraised(struct g *gp)
{
	uint64_t set = gp->sigmask & SIGRAISED, any = 0;
	siginfo_t info;

	if(likely(set == 0) || sighere(gp))
		return;
	rawsyscall(SYS_rt_sigpending, &any, 8);
	if(likely(!(set & any)))
		return;
	for(set &= sigthreadpending(); set != 0 && raisedhere(set, &info); set &= ~SIGBIT(info.si_signo))
		sigenqueue(gp, &info);
}

/*
 * One that was raised by a call which heddle knows nothing of has been left behind. The next G on the thread must not
 * get it: most often it would die of it.
 */
static void
dropown(struct m *mp, struct g *gp)
{
	uint64_t set = mp->sigmask & ~gp->sigmask & SIGRAISED;
	siginfo_t info;

	while(set != 0 && raisedhere(set, &info))
		;
}

void
sigmaskfor(struct m *mp, struct g *gp)
{
	dropown(mp, gp);
	sigsetkernelmask(gp->sigmask);
	store_release(&mp->sigmask, gp->sigmask);
}

/* Without sysmon the idle take the signals. */
void
sigmaskidle(struct m *mp)
{
	uint64_t all;

	if(likely(sysmonup) || mp->sigmask == (all = load_acquire(&sigall) & ~SIGNEVER))
		return;
	sigsetkernelmask(all);
	store_release(&mp->sigmask, all);
}

void
sigsysmonstart(void)
{
	sysmonm.tid = (int32_t)rawsyscall(SYS_gettid);
	sysmonm.fsbase = getfsbase();
	sysmonm.sigmask = ~0ULL;
	store_release(&sysmonm.signalpending, KICK_NONE); /* kicks to the one before it are gone with that */
	tls_m = &sysmonm;
	store_release(&sysmonup, true);
	sigmasksysmon();
}

/* Who becomes idle from now on takes the signals. sysmon's last, or it starts again. */
void
sigsysmonend(void)
{
	store_release(&sysmonup, false);
	munitsignals(&sysmonm);
	tls_m = NULL; /* for the handler of signal 33, which may still run here */
}

void
sigmasksysmon(void)
{
	if(unlikely((load_acquire(&sigall) & ~SIGNEVER) != load_relaxed(&sysmonm.sigmask)))
		sigmaskopen(&sysmonm);
}

void
sigmaskopen(struct m *mp)
{
	uint64_t want;

	sigblockall(); /* also kicks, and a fast timer's signals, which might leave no time for the rest */
	do{
		want = load_acquire(&sigall) & ~SIGNEVER;
		store_release(&mp->sigmask, want);
		fence_seqcst(); /* pairs with recount */
	}while((load_acquire(&sigall) & ~SIGNEVER) != want);
	sigsetkernelmask(want); /* whoever has made sigall grow since has sent a kick, which comes now */
}

struct m *
sigsysmon(void)
{
	return load_acquire(&sysmonup) ? &sysmonm : NULL;
}

void
sigmaskfork(void)
{
	for(uint32_t i = 0; i < nclasses; i++)
		classes[i].n = 0;
	nclasses = 0;
	sigall = 0;
	sysmonup = false;
	masklock.key = 0;
}
