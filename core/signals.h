/* SPDX-License-Identifier: MIT */
/* Signals, for everybody: signal.c, sigframe.c, sigqueue.c, sigsend.c, sigwait.c, sigmask.c. What only these share: sig.h. */
#ifndef HEDDLE_SIGNALS_H
#define HEDDLE_SIGNALS_H

#include <signal.h>

void siginit(void);
void gsignalalloc(struct m *);   /* an M's signal stack, before its thread is made or on it */
void minitsignals(struct m *);   /* signal stack; on the new M, whose signals are all blocked */
void munitsignals(struct m *);   /* the reverse; all signals stay blocked but libc's 33 */
bool sigdispatch(struct m *);    /* finds a G for each signal that waits for one; true if there was any. On g0, sysmon or in runtime mode */
/* sigdeliver runs the handlers of gp's pending deliverable signals, in user mode, on gp's stack; locks == 1. It
 * returns whether all those that ran had SA_RESTART (gp->nsig tells whether any did). */
bool sigdeliver(struct g *);
/* sigcatchup is for gp, the caller, that comes back from a wait for what others do outside the process: signals that came before that
 * are delivered at rtexit(). Runtime mode. */
extern uint64_t sighandledset; /* those the program has a handler for; siglock, atomic reads */
extern uint32_t ncaught; /* atomic: see sigcaught in sig.h */
void sigcatchupslow(struct g *gp);
static inlined void
sigcatchup(struct g *gp)
{
	if(unlikely(load_relaxed(&sighandledset) != 0))
		sigcatchupslow(gp);
}
bool sighandlers(void);          /* does the program have a handler, so that a signal could wake a G? */
void sigstart(struct g *gp);     /* sigsend.c; the runtime starts, gp is main and the caller. Runtime mode */
void sigmaskidle(struct m *);    /* sigmask.c; on g0, before blocking */
void sigmaskfor(struct m *, struct g *); /* on g0, before gogo: brings the kernel's mask in line */
void sigsysmonstart(void);       /* on sysmon: it takes the signals that no running G can */
void sigsysmonend(void);         /* on sysmon: no more */
void sigmaskopen(struct m *);    /* on that M, which runs no G: it takes all that some G lets through */
void sigmasksysmon(void);        /* on sysmon, each round and before it sleeps long */
void sigginit(struct g *gp, uint64_t mask); /* gives a new G its mask, before newproc; runtime mode */
void siggexit(struct g *);       /* gp's last moments, in user mode: it takes no more signals */
/* setsigmask sets the caller's mask; runtime mode. It returns the old one. What it lets through is delivered at rtexit(). */
uint64_t setsigmask(struct g *, uint64_t mask);
/* sigmaskfortime is setsigmask for a call that waits for a handler (sigsuspend, ppoll): when the first one returns the old mask is in
 * force again, as it is after sigmaskback, with the result of the former, at the end of the call. Runtime mode. */
uint64_t sigmaskfortime(struct g *, uint64_t mask);
void sigmaskback(struct g *, uint64_t old);
/* sigsend queues a signal for one G, or for the process (NULL), as if by pthread_kill or kill: si_signo, si_code and the rest are
 * set. Runtime mode or a thread without a G. It returns false if it is the kernel's to do: no handler to run, nobody to run it. */
bool sigsend(struct g *to, const siginfo_t *);
/* sigrefused: the user has as many queued as may be, and this, for a G or the process, would be one more: EAGAIN. */
bool sigrefused(const siginfo_t *);
/* sigtoremote is tgkill of a thread of another process that is a G there: 0 or a negative errno. Any thread. */
long sigtoremote(int32_t pid, uint32_t tid, int sig);
/* The program's view of a signal's action; flags and mask as the kernel has them. 0 or a positive errno. */
int sigact(int sig, const struct sigaction *act, struct sigaction *old);
int sigalt(struct g *, const stack_t *ss, stack_t *old);
/* sigwaitfor waits for a signal of `set`, until a time, NOTIME for ever, 0 not at all; runtime mode. It returns the signal's number;
 * -EAGAIN: time-out, -EINTR: a handler has run or the G is cancelled. */
int sigwaitfor(struct g *, uint64_t set, siginfo_t *, int64_t until);
uint64_t sigqueued(struct g *);  /* signals that wait in heddle's queues for gp or for the process */
void sigunwound(struct g *, uintptr_t sp); /* the program jumps to a frame at sp, and may leave handlers; user mode */
/* sigkeep: a call that the current G has just made on this thread may have raised sig. User or runtime mode. */
void sigkeep(struct g *, int sig);
bool sigonalt(struct g *);       /* is the caller on its alternate stack? */

#endif
