/* SPDX-License-Identifier: MIT */
/* What the files about signals share: signal.c, sigqueue.c, sigmask.c, kick.c, preempt.c. */
#ifndef HEDDLE_SIG_H
#define HEDDLE_SIG_H

#include <ucontext.h>

#include "runtime.h"

enum {
	NSIGS = 64,
	SIGCANCELNO = 32, /* libc's: no program can block or handle it. Ours for kicks */
	SIGSETXIDNO = 33, /* libc's */
	KERNELRESTORER = 0x04000000, /* SA_RESTORER */
	KICKMAGIC = 0x6b63696b, /* a kick's value */
	MAXCALLS = 4, /* one in another's handler, and so on; what lies deeper is not given back if that does not return */
};

#define SIGBIT(sig) (1ULL << ((sig)-1))
/* What no program's mask ever contains; the first two are libc's, the others the kernel's. */
#define SIGNEVER    (kickbit | SIGBIT(SIGCANCELNO) | SIGBIT(SIGSETXIDNO) | SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))
/* Raised by what a thread does itself, if the kernel says so by a positive si_code. */
#define SIGSYNC     (SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGFPE) | SIGBIT(SIGILL) | SIGBIT(SIGTRAP) | SIGBIT(SIGSYS))

/* And by writes; these may be blocked. */
#define SIGRAISED   (SIGBIT(SIGPIPE) | SIGBIT(SIGXFSZ))

/* As the kernel has it. */
struct ucontextk {
	unsigned long flags;
	struct ucontextk *link;
	stack_t stack;
	uint64_t gregs[23];
	uint8_t *fp;
	uint64_t reserved[8];
	uint64_t sigmask;
};

/* And an action. */
struct ksigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static inline bool
ishandler(void (*h)(int))
{
	return h != SIG_DFL && h != SIG_IGN;
}

/* What few Gs need. */
struct sigdata {
	uint64_t pending;     /* thread-directed signals that wait; siglock, atomic reads */
	struct sigent *queue; /* they; siglock */
	uint64_t waitset;     /* what the G waits for in sigwait and the like; the G writes, atomic */
	uintptr_t waitsp;     /* where that call is, 0: there is none. Only the G */
	uint64_t keptmask;    /* sigmaskfortime: the G's mask but for the call; only the G */
	bool kept;            /* and no handler has run since; only the G */
	bool here;            /* some of its signals are with its kernel thread (sigtothread); only the G */
	stack_t altstack;     /* as the program has set it; only the G */
	struct sigcall {
		uintptr_t sp;
		uint32_t insyscall;
	} calls[MAXCALLS]; /* wrappers' system calls that handlers have interrupted, innermost last; only the G */
	uint32_t ncalls;
	struct semawait *standin; /* in the G's place on a queue while handlers run: shim/cond.c. Made at need, for good */
	int64_t cputime;      /* ns that it has used, as far as they have been counted: cputime.c; atomic */
	uintptr_t standinsp;  /* where the wait is that uses it; 0: none. Only the G */
};

static inline uint64_t
sigwaitset(struct g *gp)
{
	struct sigdata *d = load_acquire(&gp->sigdata);

	return unlikely(d != NULL) ? load_relaxed(&d->waitset) : 0;
}

static inline uint64_t
sigpendingfor(struct g *gp)
{
	struct sigdata *d = load_acquire(&gp->sigdata);

	return unlikely(d != NULL) ? load_acquire(&d->pending) : 0;
}

extern int32_t sigpid; /* the process's id */

/* ---- sigact.c ---- */
bool sighandled(int sig);  /* the program has a handler for it */
bool sigignored(int sig);
bool alwaysours(int sig);  /* must the kernel's handler be ours whatever the program's is? */
struct ksigaction takeaction(int sig); /* the action to take now; a one-shot handler is thereby spent. In a handler */
bool replacedaction(int sig, struct ksigaction *); /* in a handler */
void kerneldefault(int sig); /* the kernel takes the default action from now on */
void actionsinit(void);
void actionsfork(void);

/* ---- signal.c ---- */
void sigtramp(int sig, siginfo_t *, void *); /* the kernel's only handler */
extern uint32_t sigstaken[NSIGS + 1]; /* atomic: how many of each our handler has taken from the kernel */
extern uint32_t fdowners; /* atomic: the program has given a descriptor's signals to a thread */
void sigfork(struct g *);   /* in the child of a fork, NULL: by a foreign thread. Actions and alternate stack as natively */
void sigforeign(struct g *);
bool threaddirected(int sig, const siginfo_t *); /* has it been sent to this very thread? */
void sigrun(int sig, const siginfo_t *, struct ucontextk *, struct g *); /* in a handler: the program's next */

/* ---- sigframe.c ---- */
stack_t sigaltstackof(struct g *);
void sigsetaltstack(struct g *, const stack_t *);
/* sigframe makes the context that uc returns to the program's handler, on gp's stack. In a handler. */
void sigframe(int sig, const siginfo_t *, struct ucontextk *uc, const struct ksigaction *, struct g *);
void signorestart(struct ucontextk *); /* a call that the kernel would repeat fails with EINTR instead */

/* ---- sigqueue.c: signals that wait for a G ---- */

/* siglock guards the queues and sigtab. Handlers, which run with all signals blocked, take it by siglockh; others block
 * all signals meanwhile. */
uint64_t siglock(void);
void sigunlock(uint64_t mask);
void siglockh(void);
void sigunlockh(void);
struct sigdata *sigdataof(struct g *); /* makes it if there is none; NULL without memory */
struct sigdata *sigdataofh(struct g *); /* siglock */
void sigenqueue(struct g *to, const siginfo_t *); /* in a handler; NULL: the process */
/* sigtoself makes the kernel deliver info's signal to mp, the caller's thread, also where the user has as many signals queued as may be: the
 * kernel drops the siginfo then, which siglost restores in the handler if mp->sigreraise names the signal. */
void sigtoself(struct m *mp, const siginfo_t *info);
void sigqueueself(const siginfo_t *info); /* the same for the caller's thread, whatever that is */
void siglost(struct m *mp, siginfo_t *info);
void sigput(struct g *to, struct g *owner, const siginfo_t *); /* not in a handler; owner: who gets what is for the process, or NULL */
bool sigtake(struct g *, uint64_t which, siginfo_t *);
bool sigtakeh(struct g *, uint64_t which, siginfo_t *); /* in a handler */
bool sigtakeown(struct g *, uint64_t which, siginfo_t *); /* sigtake of what was sent to the G alone */
bool sigwaits(struct g *, uint64_t which); /* does one of these wait for gp? */
bool sigtakes(struct g *, int sig);
bool sigassign(struct g *, int sig);
uint64_t sigunassigned(void);
bool sigunassign(struct g *, uint64_t which);
void sigforget(struct g *); /* what waits for gp alone */
void sigdiscard(int sig);   /* siglock */
void sigqueuefork(void);

/* ---- sigsend.c ---- */
extern uint64_t signalfds; /* atomic: signals of which the program has a signalfd */
/* sigtothread makes what has been sent to gp alone, the caller, and is of set and blocked, pending for its kernel thread, which is gp's own from
 * then on. Runtime mode. */
void sigtothread(struct g *gp, uint64_t set);
void sigtofds(uint64_t set); /* the program has, or is about to have, a signalfd for set. Runtime mode */
void sigends(void); /* the current G ends, and is one of which sighere */
/* sighere: has sigtothread been needed for gp, the caller? */
static inline bool
sighere(struct g *gp)
{
	return gp->sigdata != NULL && gp->sigdata->here;
}
uint64_t sigthreadpending(void); /* what is pending for the caller's kernel thread alone, if /proc tells */
long sigtogroup(int32_t pid, int sig);  /* kill(2) to the caller's own group, for a handled signal: 0 or a negative errno. Runtime mode */
void sigpost(const siginfo_t *); /* to the process, not in a handler */
void sigretarget(struct g *, uint64_t which);
/* sigfate says what is to become of a signal for gp alone: it is queued for gp, has been seen to, or has a default action, which
 * is the kernel's. In a handler, too. */
enum sigfate { SIGFATE_QUEUE, SIGFATE_DONE, SIGFATE_KERNEL };
enum sigfate sigfate(struct g *gp, const siginfo_t *);

/* ---- sigremote.c ---- */
bool sigremote(const siginfo_t *); /* of a signal 32: does another process want a signal sent to a G? In a handler */
void sigremotefork(void);
uint64_t sigstatus(const char *path, const char *key);

/* ---- sigsettle.c ---- */
/* sigsettle sees to it that what has come of `which` for the current G has been handled, if it has a handler, when this returns.
 * In user mode; else it does nothing. */
void sigsettle(struct g *, uint64_t which);
void sigsettlert(struct g *, uint64_t which); /* the same in runtime mode: at rtexit() */

bool sigcaught(uint32_t before); /* have they taken a signal from the kernel since ncaught was `before`? Not in a handler */
void sigsettlefork(void);

/* ---- sigwait.c ---- */
extern uint32_t nsigwaiters; /* Gs in sigwait and the like; atomic */
void sigwaitover(struct sigdata *); /* its G, the caller, waits no more */

/* ---- sigmask.c ---- */
extern uint64_t sigall;    /* atomic: signals that every G blocks */
void sigcount(struct g *, uint64_t mask);
void sigkeepraised(struct g *); /* sigkeep (signals.h) before the G, the caller, runs a handler. In that of the kernel's, where all is blocked */
void sigkickg0(struct m *, struct ucontextk *);
void sigtaken(struct m *, int sig, struct ucontextk *); /* in the handler, on a thread without a G */
void sigmaskfork(void);
extern struct m sysmonm;
struct m *sigsysmon(void); /* sysmon's M if it takes signals, else NULL */

/* ---- preempted.c ---- */
extern size_t xsavesize; /* preempt.c: bytes that asyncpreempt keeps for the extended state */
/* preemptedcontext makes uc, in a handler, what it would be had gp not been preempted when the signal came. */
void preemptedcontext(struct g *gp, struct ucontextk *uc);

/* ---- kick.c ---- */
extern int32_t kicksig;  /* the signal that kicks: SIGCANCELNO, or a standard one; fixed by kickinit */
extern uint64_t kickbit; /* its bit */
void kickinit(void);
void sendkick(struct m *);
bool iskick(struct m *, const siginfo_t *); /* of kicksig, on that M's thread, NULL none */

/* ---- preempt.c ---- */
void kicktaken(struct g *, struct m *, struct ucontextk *); /* in the handler, with the current G or NULL */
void preemptfork(void);

/* ---- asm/sig_amd64.S ---- */
void sigrestore(void);     /* the kernel's frames return to it */
void sigreturnentry(void); /* ours return to it */
void sigreturnprep(struct ucontextk *);

/*
 * What has been sent to a thread, and is in the kernel's hands, has a mark behind all that the kernel itself writes there: SI_QUEUE says
 * nothing of whether it is the thread's or the process's.
 */
#define OWNMARK 0x6b72616d6e776f00UL

static inline uint64_t *
ownmarkof(const siginfo_t *info)
{
	return (uint64_t *)((uintptr_t)info + 40); /* the kernel keeps 48 bytes */
}

static inline void
sigunmark(siginfo_t *info)
{
	if(*ownmarkof(info) == OWNMARK)
		*ownmarkof(info) = 0;
}

static inline uint64_t
sigblockall(void)
{
	uint64_t all = ~0ULL, old;

	rawsyscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, 8);
	return old;
}

static inline void
sigsetkernelmask(uint64_t mask)
{
	rawsyscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
}

struct m *setxidaborts(const siginfo_t *); /* of SIGABRT; preempt.c */

#endif
