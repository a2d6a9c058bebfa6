/* SPDX-License-Identifier: MIT */
/*
 * Kicks: the signal that makes a running G look up (Go: preemptM, signal_unix.go, preempt.go).
 *
 * What is sent, and how: kick.c.
 *
 * The handler, in user mode:
 *   - ATTN_SIGNAL: delivers a queued signal to the interrupted G, as sigtramp does;
 *   - ATTN_PREEMPT: if the gate below lets it, makes the context call asyncpreempt,
 *     which saves every register on the G's stack and yields.
 * In runtime mode it does nothing, as rtexit() looks at attn, too. On a thread without a G it
 * brings the mask in line (sigmask.c).
 *
 * The gate. A G may be stopped between any two instructions of its program, but not
 *   - in libc, ld.so, the vDSO or heddle: locks that others spin on, half a switch;
 *   - in a system call that it said is blocking: its P can be taken as it is;
 *   - on a stack that is not its own (a coroutine's, an alternate stack), or without room on it;
 *   - while a debugger steps through it.
 * There, sysmon takes its P after two tries, and the G goes on without (sysmon.c).
 */
#include <sys/auxv.h>
#include <sys/resource.h>

#include "sig.h"
#include "text.h"
#include "tls.h"

enum {
	SPARE = 8 << 10, /* for what asyncpreempt calls */
	PUSHES = 17 * 8,
	REDZONE = 128,
	TRAPFLAG = 0x100,
};

size_t xsavesize = 4096;
uintptr_t *asyncpreempt2(void);

typedef void sigfn(int, siginfo_t *, void *);
static sigfn *libccancel, *libcsetxid; /* libc's handlers, NULL if it has set none */
static bool preemptup;

struct kernelaction {
	sigfn *handler;
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};
static struct kernelaction wascancel, wassetxid;

/* ---- the handler ---- */

/* On its own stack, with room there. */
static bool
ownstack(struct g *gp, struct ucontextk *uc)
{
	uintptr_t sp = uc->gregs[REG_RSP];

	return sp < gp->stack.hi && sp - gp->stack.lo < gp->stack.hi - gp->stack.lo &&
	       sp - gp->stack.lo > REDZONE + PUSHES + xsavesize + SPARE;
}

static bool
gate(struct g *gp, struct ucontextk *uc)
{
	return !gp->insyscall && !(uc->gregs[REG_EFL] & TRAPFLAG) && ownstack(gp, uc) &&
	       textpreemptible(uc->gregs[REG_RIP]);
}

/* The context goes on with asyncpreempt, as if it had called it just where it stands. */
static void
inject(struct g *gp, struct ucontextk *uc)
{
	uintptr_t sp = uc->gregs[REG_RSP] - REDZONE - 8;

	gp->preempted = sp;
	*(uint64_t *)sp = uc->gregs[REG_RIP];
	uc->gregs[REG_RSP] = sp;
	uc->gregs[REG_RIP] = (uint64_t)asyncpreempt;
}

/*
 * Asynchronous cancellation: of a G that has asked for it, or that is in a cancellation point of libc's, which
 * makes it asynchronous around its system call. It may come between any two instructions of the program or libc, as natively, but
 * not within heddle, which looks at attn by itself, nor on another stack.
 */
static bool
asyncbit(struct g *gp)
{
	return (load_relaxed(&tcbword(gp, tcblayout.asyncat, uint8_t)) & tcblayout.asyncbit) != 0;
}

bool
asynccancels(struct g *gp)
{
	uint32_t ch;

	if(likely(!(load_relaxed(&gp->attn) & ATTN_CANCEL)))
		return false;
	ch = load_relaxed(&tcbword(gp, tcblayout.cancelhandling, uint32_t));
	return (ch & (TCB_CANCELED | TCB_EXITING | TCB_TERMINATED)) == TCB_CANCELED &&
	       !(tcbword(gp, tcblayout.disabledat, uint8_t) & tcblayout.disabledbit) && asyncbit(gp);
}

static void
asynccancel(struct g *gp)
{
	gp->preempted = 0; /* it is not returned to */
	abandonsyscall(gp);
	host->testcancel();
}

/*
 * Sets ATTN_CANCEL and makes gp look, wherever it is. Any thread. In entersyscallblock it may be in a call of our own
 * that a kick ends (sigwait.c, pollmask.c): these look at attn after a system call that follows the store of insyscall,
 * so that one of the two sees the other. Other calls are restarted after a kick.
 */
void
cancelg(struct g *gp)
{
	struct m *mp;

	attnset(gp, ATTN_CANCEL); /* pairs with park0 */
	if(gp == getg())
		return;
	if(!wakeparked(gp) && (asyncbit(gp) || load_relaxed(&gp->insyscall) >= INBLOCK) && (mp = load_acquire(&gp->m)) != NULL)
		preemptm(mp); /* else it is in no cancellation point, and a kick might interrupt a call for nothing */
}

/* Called by asyncpreempt, in user mode, on the G's stack. A handler that runs at its end does not return here: preempted.c. */
uintptr_t *
asyncpreempt2(void)
{
	struct g *gp = getg();

	if(unlikely(asynccancels(gp)))
		asynccancel(gp);
	rtenter(gp);
	fetch_and(&gp->attn, ~(uint32_t)ATTN_PREEMPT);
	gopreempt();
	rtexit(gp);
	return &gp->preempted;
}

/*
 * The G has just come back from its system call, with a result: what it has read, or the descriptor it was given, would be
 * lost. It acts on the request at its next cancellation point. (A call that the kick has ended returns EINTR, or stands
 * at its instruction again.)
 */
static bool
completed(struct g *gp, struct ucontextk *uc)
{
	const uint8_t *pc = (const uint8_t *)uc->gregs[REG_RIP];

	return gp->insyscall && pc[-2] == 0x0f && pc[-1] == 0x05 && (long)uc->gregs[REG_RAX] != -EINTR;
}

static void
kicked(struct g *gp, struct ucontextk *uc)
{
	siginfo_t info;

	if(load_relaxed(&gp->attn) & ATTN_SIGNAL){
		/* the flag stays: there may be more, and rtexit sees to them */
		if(sigtakeh(gp, ~(gp->sigmask | sigwaitset(gp)), &info)){
			sigrun(info.si_signo, &info, uc, gp);
			return;
		}
	}
	if(asynccancels(gp)){
		if(ownstack(gp, uc) && !textours(uc->gregs[REG_RIP]) && !completed(gp, uc))
			inject(gp, uc);
	}else if((load_relaxed(&gp->attn) & ATTN_PREEMPT) && options.preempt && gate(gp, uc))
		inject(gp, uc);
}

void
kicktaken(struct g *gp, struct m *mp, struct ucontextk *uc)
{
	xchg(&mp->signalpending, KICK_NONE); /* before the looks at attn and sigall: whoever kicks from now on sends another */
	if(gp == NULL)
		sigkickg0(mp, uc);
	else if(gp->locks == 0 && mp->sigreraise == 0) /* else a signal for gp is right behind (nextsignal) */
		kicked(gp, uc);
}

static void
preempttramp(int sig, siginfo_t *info, void *ucv)
{
	struct g *gp = getg();
	struct m *mp = gp ? gp->m : tls_m;

	if(mp != NULL)
		mp->nhandled++;
	if(info->si_code != SI_QUEUE || info->si_value.sival_int != KICKMAGIC){
		if(sigremote(info)){
			if(gp != NULL && gp->locks == 0 && mp->sigreraise == 0)
				kicked(gp, ucv);
		}else if(libccancel != NULL)
			libccancel(sig, info, ucv);
		return;
	}
	if(mp != NULL)
		kicktaken(gp, mp, ucv);
}

/*
 * libc's setuid and the like make every thread it knows call them: by signal 33, whose handler
 * marks the thread's own descriptor, the one with the kernel's tid. That is the M's, but for the process's first thread,
 * where it is main's.
 */
uintptr_t
kerneltcb(struct m *mp)
{
	return mp->tid == sigpid ? maing->fsbase : mp->fsbase;
}

static void
setxidtramp(int sig, siginfo_t *info, void *ucv)
{
	uintptr_t fs = getfsbase();
	struct m *mp = getm();

	if(mp != NULL){
		mp->nhandled++;
		mp->insetxid = true;
		setfsbase(kerneltcb(mp));
	}
	libcsetxid(sig, info, ucv);
	if(mp != NULL){
		setfsbase(fs);
		mp->insetxid = false;
	}
}

/* Where one thread's ids cannot be changed as the others' were, libc's handler or the caller aborts. The M whose thread that is. */
struct m *
setxidaborts(const siginfo_t *info)
{
	int tid = (int)rawsyscall(SYS_gettid);
	struct m *mp = tls_m; /* sysmon's is on no list */

	if(info->si_code != SI_TKILL)
		return NULL;
	if(mp == NULL)
		for(mp = load_acquire(&allm); mp != NULL && mp->tid != tid; mp = mp->alllink)
			;
	return mp != NULL && mp->insetxid ? mp : NULL;
}

/* ---- start ---- */

static void
takeover(int sig, sigfn *fn, struct kernelaction *was, sigfn **libcs)
{
	struct kernelaction ka = {fn, SA_SIGINFO | SA_ONSTACK | SA_RESTART | KERNELRESTORER, sigrestore, ~0ULL};

	rawsyscall(SYS_rt_sigaction, sig, NULL, was, 8);
	*libcs = (uintptr_t)was->handler > 1 ? was->handler : NULL;
	if(sig == SIGSETXIDNO && *libcs == NULL)
		return; /* this libc has no use for it */
	rawsyscall(SYS_rt_sigaction, sig, &ka, NULL, 8);
}

/* The main thread's stack ends above the name of the executable; it may grow to its limit. */
static void
mainstack(struct g *gp)
{
	uintptr_t top = (getauxval(AT_EXECFN) + 4095) & ~4095UL;
	struct rlimit64 lim;

	if(top == 0 || rawsyscall(SYS_prlimit64, 0, RLIMIT_STACK, NULL, &lim) != 0)
		return;
	if(lim.rlim_cur > 64UL << 30)
		lim.rlim_cur = 8UL << 20;
	gp->stack.hi = top;
	gp->stack.lo = (top - lim.rlim_cur) & ~4095UL;
}

static void
cpuid(uint32_t leaf, uint32_t *b, uint32_t *c)
{
	uint32_t a = leaf, d;

	*c = 0;
	__asm__ volatile("cpuid" : "+a"(a), "=b"(*b), "+c"(*c), "=d"(d));
}

void
preemptinit(void)
{
	uint32_t b, c;

	cpuid(0xd, &b, &c); /* EBX: what XSAVE writes for the features now enabled */
	if(b >= 576)
		xsavesize = ((b + 63) & ~63U) + 64;
	else
		options.preempt = 0; /* no XSAVE */
	mainstack(maing);
	takeover(SIGCANCELNO, preempttramp, &wascancel, &libccancel);
	takeover(SIGSETXIDNO, setxidtramp, &wassetxid, &libcsetxid);
	preemptup = true;
}

/* libc has set its own handler, on its first pthread_cancel of a thread of its own: ours goes in front of it again. */
void
cancelhandler(void)
{
	struct kernelaction now;

	rawsyscall(SYS_rt_sigaction, SIGCANCELNO, NULL, &now, 8);
	if(!preemptup || now.handler == preempttramp)
		return;
	takeover(SIGCANCELNO, preempttramp, &wascancel, &libccancel);
	/* kicks that came meanwhile have gone to libc's handler, which ignores them */
	for(struct m *mp = load_acquire(&allm); mp != NULL; mp = mp->alllink)
		if(load_acquire(&mp->signalpending) == KICK_SENT)
			sendkick(mp);
	if(load_acquire(&sysmonm.signalpending) == KICK_SENT)
		sendkick(&sysmonm);
}

void
preemptfork(void)
{
	if(!preemptup)
		return;
	rawsyscall(SYS_rt_sigaction, SIGCANCELNO, &wascancel, NULL, 8);
	rawsyscall(SYS_rt_sigaction, SIGSETXIDNO, &wassetxid, NULL, 8);
	preemptup = false;
}

/* ---- the way out of runtime mode ---- */

void
rtexitslow(struct g *gp)
{
	uint32_t a;
	int e;

	if(gp->flags & GF_FOREIGN){
		sigforeign(gp);
		return;
	}
	e = errno;
	if(load_relaxed(&gp->attn) & ATTN_SLOW)
		stressexit(gp);
	while((a = load_relaxed(&gp->attn)) & (ATTN_PREEMPT | ATTN_SIGNAL | ATTN_LOCK | ATTN_OWN)){
		rtenter(gp);
		if(a & ATTN_OWN)
			ownasked(gp);
		if(a & ATTN_LOCK){
			fetch_and(&gp->attn, ~(uint32_t)ATTN_LOCK);
			lockbyname(gp);
		}
		if(a & ATTN_PREEMPT){
			fetch_and(&gp->attn, ~(uint32_t)ATTN_PREEMPT);
			gopreempt();
		}
		if(a & ATTN_SIGNAL){
			if(load_relaxed(&sched.sigwake))
				sigdispatch(gp->m);
			errno = e; /* a handler may not return here */
			sigdeliver(gp);
		}
		compiler_barrier();
		gp->locks--;
		compiler_barrier();
	}
	if(unlikely(asynccancels(gp)))
		asynccancel(gp);
	errno = e;
}
