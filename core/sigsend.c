/* SPDX-License-Identifier: MIT */
/*
 * Sending signals to Gs, and how a G learns of one and delivers it.
 *
 * sigdispatch gives each of the process's signals to a G that lets it through (entry.to), the main G
 * first, and kicks that G. An entry without an owner waits until some G lets it through. A G that
 * blocks the signal after all, or ends, gives it back (sigretarget).
 *
 * How a G learns of a signal. The sender queues, sets ATTN_SIGNAL (a full barrier) and looks where the G is:
 *
 *   parked      it claims the wait: park returns WAKE_SIGNAL
 *   about to    park0 has a full barrier between Wparked and its look at attn: one of them sees the other
 *   running     a kick (preempt.c) interrupts it. In user mode it delivers; in runtime mode rtexit
 *               sees attn, or will be reached
 *   runnable    it comes out of runtime mode by rtexit
 *
 * A G that takes signals clears ATTN_SIGNAL first (a full barrier), then looks at its bits of pending
 * signals: it sees the sender's entry, or the sender sets ATTN_SIGNAL after.
 */
#include "sig.h"

/* ---- giving the process's signals to Gs ---- */

static struct g *
whotakes(int sig)
{
	if(sigtakes(maing, sig))
		return maing;
	if(load_acquire(&sigall) & SIGBIT(sig) && load_relaxed(&nsigwaiters) == 0)
		return NULL;
	for(struct g *gp = load_acquire(&allgs); gp != NULL; gp = gp->alllink)
		if(sigtakes(gp, sig))
			return gp;
	return NULL;
}

/* Makes gp look at its signals. Not in a handler. */
static void
kick(struct g *gp)
{
	struct m *mp;

	attnset(gp, ATTN_SIGNAL); /* pairs with park0 */
	stressat(ST_attn);
	if(gp == getg())
		return;
	if(!wakeparked(gp) && (mp = load_acquire(&gp->m)) != NULL)
		preemptm(mp);
}

/* The thread of a G with its own has got a signal for it while it did not run there. */
static void
kicklocked(void)
{
	struct g *gp;

	for(struct m *mp = load_acquire(&allm); mp != NULL; mp = mp->alllink)
		if((gp = ownerof(mp)) != NULL && sigpendingfor(gp) != 0)
			kick(gp);
}

/* So has a G by another process (sigremote.c). */
static void
kicksent(void)
{
	for(struct g *gp = load_acquire(&allgs); gp != NULL; gp = gp->alllink)
		if(sigpendingfor(gp) & (~load_relaxed(&gp->sigmask) | sigwaitset(gp)))
			kick(gp);
}

bool
sigdispatch(struct m *mp)
{
	uint32_t w = xchg(&sched.sigwake, 0);
	bool any = false;

	if(w & SIGWAKE_DUMP)
		dumpgs(logfd(), "signal");
	if(w & SIGWAKE_LOCKED)
		kicklocked();
	if(w & SIGWAKE_SENT)
		kicksent();
	if(!(w & SIGWAKE_SIGNAL))
		return false;
	for(uint64_t b = sigunassigned(); b != 0; b &= b - 1){
		int sig = __builtin_ctzl(b) + 1;
		struct g *gp;

		while((gp = whotakes(sig)) != NULL && !sigassign(gp, sig))
			;
		if(gp != NULL){
			kick(gp);
			any = true;
		}
	}
	return any;
}

/* gp does not take `which` any more: what was to be its is somebody else's. */
void
sigretarget(struct g *gp, uint64_t which)
{
	if(sigunassign(gp, which)){
		fetch_or(&sched.sigwake, SIGWAKE_SIGNAL);
		sigdispatch(NULL);
	}
}

/* ---- sending, among Gs ---- */

void
sigpost(const siginfo_t *info)
{
	sigput(NULL, NULL, info);
	fetch_or(&sched.sigwake, SIGWAKE_SIGNAL);
	sysmonwake();
	if(load_relaxed(&sched.alone) == ALONE_NOW)
		fetch_or(&maing->attn, ATTN_SIGNAL); /* main itself sees to it: it runs, or is about to */
}

/* POSIX: a signal for oneself is delivered before kill() returns if no other thread could take it. */
static bool
sendproc(const siginfo_t *info)
{
	int sig = info->si_signo;
	struct g *to;

	if(!sighandled(sig) || (to = whotakes(sig)) == NULL)
		return false;
	sigput(NULL, to, info);
	kick(to);
	if(!sigtakes(to, sig))
		sigretarget(to, SIGBIT(sig));
	return true;
}

/*
 * kill(2) to the caller's own process group. As the kernel has it a signal for oneself is delivered before kill() returns, if no
 * other thread could take it; but here some thread gets it for which it may not be, and puts it on the process's queue. This
 * waits until that has been done: the caller, who lets the signal through, too, takes it if nobody else does. Another one of
 * the same signal that comes just now ends the wait early. What a debugger keeps from the process never comes: hence the limit.
 */
long
sigtogroup(int32_t pid, int sig)
{
	struct g *gp = getg();
	uint32_t before = load_acquire(&sigstaken[sig]);
	long r = rawsyscall(SYS_kill, pid, sig);
	int64_t until = nanotime() + NSEC;

	if(r != 0 || whotakes(sig) != gp)
		return r;
	while(sighandled(sig) && load_acquire(&sigstaken[sig]) == before && nanotime() < until)
		rawsyscall(SYS_sched_yield);
	fetch_or(&gp->attn, ATTN_SIGNAL);
	return 0;
}

/* ---- what the kernel has to know of ---- */

/*
 * A signalfd shows what is pending for its reader's thread, and for the process; and what is pending for the thread that calls exec is so for
 * the new program. But what has been sent to a G, and is blocked, is on a queue that the kernel does not see. Then it is made
 * pending for the G's kernel thread, by that itself, which alone may say of a signal that it is another thread's; the
 * thread is that G's for good from then on.
 *
 *   sender                              the G
 *   queues, kicks                       comes out of its wait, if it is in one, to sigdeliver, which does this; then makes its
 *                                       call, or attempt, again, and finds it
 *   signalfd() in another thread        the same, for what has waited before
 */
uint64_t signalfds;

void
sigtothread(struct g *gp, uint64_t set)
{
	siginfo_t info;

	set &= gp->sigmask & ~sigwaitset(gp) & ~SIGNEVER;
	if(!(sigpendingfor(gp) & set))
		return;
	lockforgood(gp);
	gp->sigdata->here = true;
	while(sigtakeown(gp, set, &info)){
		*ownmarkof(&info) = OWNMARK;
		if(rawsyscall(SYS_rt_tgsigqueueinfo, sigpid, gp->m->tid, info.si_signo, &info) == 0)
			continue;
		sigput(gp, NULL, &info); /* there are too many for the kernel: the next time */
		break;
	}
}

/* The lowest free number for a descriptor is in use meanwhile. Only who has signals pending comes here. */
uint64_t
sigthreadpending(void)
{
	return sigstatus("/proc/thread-self/status", "\nSigPnd:\t") & ~SIGNEVER;
}

/*
 * Signals have come to main alone, and are pending for the process's first kernel thread: before the runtime was there, or
 * before the process has become this program. Main keeps that thread.
 */
void
sigstart(struct g *gp)
{
	uint64_t any = 0;

	rawsyscall(SYS_rt_sigpending, &any, 8);
	if(likely(any == 0) || sigthreadpending() == 0 || sigdataof(gp) == NULL)
		return;
	lockforgood(gp);
	gp->sigdata->here = true;
}

/* What is still pending for a G goes with it, although its kernel thread may not end: the process's first one. */
void
sigends(void)
{
	static const struct timespec now;
	uint64_t set;
	siginfo_t info;

	while((set = sigthreadpending()) != 0 && rawsyscall(SYS_rt_sigtimedwait, &set, &info, &now, 8) > 0)
		; /* of several it takes the thread's first */
}

void
sigtofds(uint64_t set)
{
	fetch_or(&signalfds, set); /* a full barrier, as sigput's lock is: of this and a sender one sees the other */
	for(struct g *gp = load_acquire(&allgs); gp != NULL; gp = gp->alllink)
		if(sigpendingfor(gp) & set)
			kick(gp);
}

enum sigfate
sigfate(struct g *to, const siginfo_t *info)
{
	int sig = info->si_signo;

	if(sigwaitset(to) & SIGBIT(sig))
		return SIGFATE_QUEUE;
	if(sigtakes(to, sig) && !sighandled(sig))
		return sigignored(sig) ? SIGFATE_DONE : SIGFATE_KERNEL; /* the default action is for all threads */
	return SIGFATE_QUEUE;
}

bool
sigsend(struct g *to, const siginfo_t *info)
{
	enum sigfate fate;

	if(to == NULL)
		return sendproc(info);
	fate = sigfate(to, info);
	if(fate == SIGFATE_QUEUE){
		sigput(to, NULL, info);
		kick(to);
	}
	return fate != SIGFATE_KERNEL;
}

/* ---- delivery ---- */

bool
sigdeliver(struct g *gp)
{
	uint32_t depth = gp->locks;
	uint8_t n = gp->nsigintr;
	struct m *mp;
	siginfo_t info;

	if(unlikely(load_relaxed(&gp->attn) & ATTN_OWN))
		ownasked(gp);
	for(;;){
		fetch_and(&gp->attn, ~(uint32_t)ATTN_SIGNAL); /* before the look at the queues */
		if(unlikely(load_relaxed(&signalfds) & sigpendingfor(gp)))
			sigtothread(gp, load_relaxed(&signalfds));
		if(!sigtake(gp, ~gp->sigmask & ~sigwaitset(gp), &info))
			return gp->nsigintr == n;
		/* still in runtime mode, so that the thread is the right one; sigframe() turns to user mode for the handler */
		mp = gp->m;
		mp->sigreraise = info.si_signo;
		sigtoself(mp, &info);
		if(gp->locks == 0){
			rtenter(gp); /* the handler has run */
			gp->locks = depth;
		}else
			mp->sigreraise = 0;
	}
}
