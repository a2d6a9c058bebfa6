/* SPDX-License-Identifier: MIT */
/*
 * Signals: the program's actions, and what becomes of what the kernel sends.
 *
 * The kernel knows threads, the program Gs. Four rules keep both in agreement:
 *
 *   1. While a G runs, the kernel's mask of its thread is the G's mask. Then what the kernel sends to the
 *      thread is for the G, and most things need no thought: faults, EINTR, exec, raw system calls.
 *   2. A thread that runs no G never lets through a signal that every G blocks (sigmask.c).
 *      Such signals stay the kernel's: it keeps them pending, for sigwait, signalfd and sigpending.
 *   3. A signal for the process that some G takes is always taken by some thread: by sysmon if no other. If no
 *      handler can run there and then, it is queued in heddle (sigqueue.c) for a G: the main G if that
 *      lets it through, as in the kernel, else any that does; a parked one is woken.
 *   4. A queued signal is delivered by the G itself, by sending it to its own thread
 *      (sigdeliver): the handler then interrupts the G as the kernel has it, with a
 *      true siginfo and ucontext.
 *
 * sigtramp is the only handler the kernel knows of, for every signal that the program
 * handles, on the thread's signal stack (gsignal), with all signals blocked:
 *
 *   - in user mode (a G, locks == 0): the kernel's frame is copied to the G's own stack, or its
 *     own alternate stack, where the kernel would have put it; the context that sigtramp returns to becomes the
 *     program's handler. It returns to sigreturnentry, which corrects what depends on the
 *     thread, since the G may run on another one now, and lets the kernel restore the frame.
 *   - in runtime mode or on g0, queued; except a fault, which the G has caused and gets.
 *   - on a thread without a G: the handler runs at once, in place.
 *
 * System calls: all our handlers have SA_RESTART, so that a G whose call is interrupted only in
 * passing (a kick, a signal that is another's) goes on. If the program's handler runs that
 * has no SA_RESTART the restart is undone: the context stands before a syscall instruction that the
 * kernel would repeat, and is moved behind it with -EINTR. Calls that signal(7) says are never
 * restarted return EINTR by themselves.
 *
 * Signals with the default action, or ignored, are the kernel's business, except SIGSEGV and
 * SIGBUS, for stack overflows to be explained; the default action then follows natively, as the
 * handler is removed and the fault repeats.
 *
 * Rejected: all signals blocked in all threads but one that takes them, with virtual masks.
 * It saves system calls in pthread_sigmask, but children of posix_spawn, popen and vfork inherit the kernel's
 * mask, SIGPIPE would be pending for a thread, and calls would have to be interrupted by a second signal.
 */
#include <string.h>

#include "sig.h"

int32_t sigpid;
uint32_t sigstaken[NSIGS + 1];
static bool sigup;

/* ---- what happens when the program has no handler ---- */

static bool
inguard(struct g *gp, uintptr_t addr)
{
	uintptr_t lo;

	if(gp->stack.hi == 0 || gp->flags & GF_USERSTACK)
		return false;
	lo = gp->stacksize ? gp->stack.hi - gp->stacksize : gp->stack.lo - (1 << 20);
	return addr >= lo && addr < gp->stack.lo;
}

static void
explain(int sig, const siginfo_t *info, struct ucontextk *uc, struct g *gp)
{
	uintptr_t addr = (uintptr_t)info->si_addr, pc = uc->gregs[REG_RIP];

	if(gp != NULL && sig == SIGSEGV && inguard(gp, addr))
		rtlog("stack overflow: goroutine %lu (%s) exceeds its stack 0x%lx-0x%lx: sp 0x%lx, pc 0x%lx",
		    (unsigned long)gp->goid, gp->name[0] ? gp->name : "no name", gp->stack.lo, gp->stack.hi,
		    (unsigned long)uc->gregs[REG_RSP], pc);
	else if(gp == NULL)
		rtlog("fatal: signal %d on a scheduling stack: address 0x%lx, pc 0x%lx", sig, addr, pc);
	else if(gp->locks != 0)
		rtlog("signal %d in the runtime: address 0x%lx, pc 0x%lx, goroutine %lu", sig, addr, pc,
		    (unsigned long)gp->goid);
}

/* The default action, natively: a fault repeats; what was sent is sent again. Both when the context has been restored. */
static void
defaultaction(int sig, const siginfo_t *info, struct ucontextk *uc, bool sync)
{
	if(!sync && sigignored(sig))
		return;
	if(sync || alwaysours(sig))
		kerneldefault(sig);
	uc->sigmask &= ~SIGBIT(sig);
	if(!sync)
		sigqueueself(info);
}

/* ---- the handler ---- */

void
sigrun(int sig, const siginfo_t *info, struct ucontextk *uc, struct g *gp)
{
	struct ksigaction ka = takeaction(sig);
	bool sync = info->si_code > 0 && (SIGBIT(sig) & SIGSYNC);

	if(ishandler(ka.handler)){
		sigframe(sig, info, uc, &ka, gp);
		return;
	}
	if(sync)
		explain(sig, info, uc, gp);
	defaultaction(sig, info, uc, sync);
}

/* On a thread without a G, or in the child of vfork. */
static void
runinplace(int sig, siginfo_t *info, struct ucontextk *uc)
{
	struct ksigaction ka = takeaction(sig);
	uint64_t mask = uc->sigmask | ka.mask;

	if(!ishandler(ka.handler)){
		defaultaction(sig, info, uc, info->si_code > 0 && (SIGBIT(sig) & SIGSYNC));
		return;
	}
	if(!(ka.flags & SA_RESTART))
		signorestart(uc);
	if(tls_foreign != NULL){
		tls_foreign->nsig = 1;
		tls_foreign->nsigintr |= !(ka.flags & SA_RESTART);
	}
	if(!(ka.flags & SA_NODEFER))
		mask |= SIGBIT(sig);
	sigsetkernelmask(mask & ~SIGNEVER);
	((void (*)(int, siginfo_t *, void *))(void (*)(void))ka.handler)(sig, info, uc);
}

/* The program's handler runs on mp's thread, on which there is no G, whatever descriptor is in force. */
static void
runonm(struct m *mp, int sig, siginfo_t *info, struct ucontextk *uc)
{
	uintptr_t fs = getfsbase();

	setfsbase(mp->fsbase);
	runinplace(sig, info, uc);
	setfsbase(fs);
}

/*
 * A foreign thread that is in the runtime may hold a lock which the handler's call of sem_post would wait for. So the signal
 * goes back to the kernel, which keeps it, with all others, until the thread comes out (sigforeign).
 */
static bool
defer(int sig, const siginfo_t *info, struct ucontextk *uc)
{
	struct g *gp = tls_foreign;

	if(gp == NULL || gp->locks == 0)
		return false;
	if(!(gp->attn & ATTN_SIGNAL)){
		gp->sigmask = uc->sigmask;
		fetch_or(&gp->attn, ATTN_SIGNAL);
	}
	uc->sigmask = ~0ULL;
	return rawsyscall(SYS_rt_tgsigqueueinfo, rawsyscall(SYS_getpid), rawsyscall(SYS_gettid), sig, info) == 0;
}

/* gp, the caller, a foreign thread, has come out of the runtime: what has been deferred is delivered. */
void
sigforeign(struct g *gp)
{
	while(load_relaxed(&gp->attn) & ATTN_SIGNAL){
		fetch_and(&gp->attn, ~(uint32_t)ATTN_SIGNAL);
		compiler_barrier();
		sigsetkernelmask(gp->sigmask);
	}
}

/* The kernel sends so to who writes to a broken pipe; it says SI_USER then. */
bool
threaddirected(int sig, const siginfo_t *info)
{
	return info->si_code == SI_TKILL || *ownmarkof(info) == OWNMARK ||
	       ((sig == SIGPIPE || sig == SIGXFSZ) && info->si_code == SI_USER && info->si_pid == sigpid);
}

uint32_t fdowners;

/* Has it been sent because of a descriptor? Once some are a thread's, the kernel thread that gets such a signal tells whose it is. */
static bool
fromfd(int sig, const siginfo_t *info)
{
	if(likely(!load_relaxed(&fdowners)) || info->si_code <= 0)
		return false;
	return sig == SIGIO || sig == SIGURG || (sig > SIGSETXIDNO && info->si_code <= POLL_HUP);
}

/* Should gp, in user mode, run the handler of a signal that its thread has got? */
static bool
ishers(struct g *gp, int sig, const siginfo_t *info)
{
	if(gp->m->sigreraise != 0)
		return gp->m->sigreraise == sig; /* that one is right behind, and must find the G on this thread */
	if((gp->sigmask | sigwaitset(gp)) & SIGBIT(sig))
		return false; /* libc has the mask in its hands: system(), abort() */
	return gp == maing || threaddirected(sig, info) || (load_relaxed(&maing->sigmask) & SIGBIT(sig)) ||
	       info->si_code == SI_TIMER || sig == SIGPROF || sig == SIGVTALRM || (gp->m->lockedg == gp && fromfd(sig, info));
}

/*
 * Whose signal it is that cannot be handled here and now: the G's, or on g0 that of the G whose M alone this is or is going to be; NULL: the
 * process's. A timer that signals a thread (SIGEV_THREAD_ID) is only made for such a G.
 */
static struct g *
addressee(struct g *gp, int sig, const siginfo_t *info)
{
	struct g *locked = ownerof(gp != NULL ? gp->m : tls_m);

	if(threaddirected(sig, info))
		return gp != NULL ? gp : locked;
	return info->si_code == SI_TIMER || fromfd(sig, info) ? locked : NULL;
}

/* A fault in trycopy() is that call's result. */
static bool
incopy(struct ucontextk *uc)
{
	uintptr_t pc = (uintptr_t)uc->gregs[REG_RIP];

	if(pc < (uintptr_t)trycopy || pc >= (uintptr_t)trycopyfault)
		return false;
	uc->gregs[REG_RIP] = (greg_t)(uintptr_t)trycopyfault;
	return true;
}

/* Has it come too late for the action that it was meant for? Then it is seen to here. Where no handler can run a timer's tick is dropped. */
static bool
late(int sig, const siginfo_t *info, struct ucontextk *uc, struct g *gp)
{
	struct ksigaction ka;

	if(likely(!replacedaction(sig, &ka)))
		return false;
	if(gp == NULL || gp->locks != 0 || gp->m->sigreraise != 0 || ((gp->sigmask | sigwaitset(gp)) & SIGBIT(sig)))
		return info->si_code == SI_TIMER || info->si_code == SI_KERNEL;
	sigframe(sig, info, uc, &ka, gp);
	return true;
}

void
sigtramp(int sig, siginfo_t *info, void *ucv)
{
	struct ucontextk *uc = ucv;
	struct g *gp = getg(), *to;
	struct m *mp = getm();

	if(mp != NULL)
		mp->nhandled++;
	if(unlikely(sig == kicksig) && iskick(mp, info)){
		if(mp != NULL)
			kicktaken(gp, mp, uc);
		return;
	}
	if(gp != NULL)
		siglost(mp, info);
	if(sig == options.dumpsig){
		fetch_or(&sched.sigwake, SIGWAKE_DUMP);
		sysmonwake();
		return;
	}
	if(gp == NULL && tls_m == NULL){
		fetch_add(&sigstaken[sig], 1);
		if(!(info->si_code > 0 && (SIGBIT(sig) & SIGSYNC)) && defer(sig, info, uc))
			return;
		runinplace(sig, info, uc);
		return;
	}
	if(sig == SIGABRT && (mp = setxidaborts(info)) != NULL){
		runonm(mp, sig, info, uc);
		return;
	}
	if(info->si_code > 0 && (SIGBIT(sig) & SIGSYNC)){
		if((sig == SIGSEGV || sig == SIGBUS) && incopy(uc))
			return;
		if(gp != NULL && gp->locks == 0 && info->si_code == SEGV_ACCERR && sig == SIGSEGV &&
		   (uintptr_t)info->si_addr == (uintptr_t)uc->gregs[REG_RIP] && stackexec(gp, (uintptr_t)info->si_addr))
			return;
		if(gp == NULL){
			explain(sig, info, uc, NULL);
			defaultaction(sig, info, uc, true);
		}else
			sigrun(sig, info, uc, gp);
		return;
	}
	if(late(sig, info, uc, gp)){
		fetch_add(&sigstaken[sig], 1);
		return;
	}
	if(gp != NULL && (gp->locks == 0 || gp->m->sigreraise == sig) && ishers(gp, sig, info)){
		fetch_add(&sigstaken[sig], 1);
		sigrun(sig, info, uc, gp);
		return;
	}
	to = addressee(gp, sig, info);
	sigenqueue(to, info);
	fetch_add(&sigstaken[sig], 1);
	if(gp != NULL)
		fetch_or(&gp->attn, ATTN_SIGNAL);
	if(gp == NULL && to == NULL)
		sigtaken(tls_m, sig, uc);
	if(to != gp && to != NULL){
		fetch_or(&sched.sigwake, SIGWAKE_LOCKED);
		sysmonwake();
	}else if(to == NULL){
		fetch_or(&sched.sigwake, SIGWAKE_SIGNAL); /* a full barrier: pairs with the one in rest() and deepsleep(), and alone.c */
		sysmonwake();
		if(load_acquire(&sched.lastpoll) == 0 || load_relaxed(&sched.alone) == ALONE_NOW)
			netpollbreak();
	}
}

/* ---- the runtime comes and goes ---- */

/* On the process's main thread, whose G is maing: takes over actions, mask and alternate stack. */
void
siginit(void)
{
	uint64_t mask = sigblockall();
	stack_t ss;

	sigpid = (int32_t)rawsyscall(SYS_getpid);
	kickinit();
	actionsinit();
	sigsetkernelmask(mask & ~kickbit);
	maing->m->sigmask = mask & ~SIGNEVER;
	sigginit(maing, mask);
	rawsyscall(SYS_sigaltstack, NULL, &ss);
	if(ss.ss_size != 0 && sigdataof(maing) != NULL)
		sigsetaltstack(maing, &ss); /* after sigginit, which begins a thread without one */
	sigup = true;
}

/* In the child of a fork: the kernel gets back all that it had before siginit. */
void
sigfork(struct g *gp)
{
	stack_t ss;

	if(!sigup)
		return;
	actionsfork();
	if(gp != NULL){
		ss = sigaltstackof(gp);
		rawsyscall(SYS_sigaltstack, &ss, NULL);
		if(gp->sigdata != NULL)
			*gp->sigdata = (struct sigdata){.altstack = ss}; /* nothing is pending in a child */
	}
	sigup = false;
	sigqueuefork();
	sigsettlefork();
	sigremotefork();
	sigmaskfork();
	preemptfork();
}
