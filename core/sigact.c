/* SPDX-License-Identifier: MIT */
/*
 * The program's actions: what it has set, what the kernel is told instead, and what becomes of handlers that are taken away. See
 * signal.c for the whole.
 */
#include <string.h>

#include "sig.h"

/* What every kernel knows. Of the rest a program may ask which its kernel knows, by setting them and looking. */
#define KNOWNFLAGS                                                                                                              \
	((unsigned long)(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | KERNELRESTORER) | \
	    (unsigned)SA_RESETHAND)

static struct ksigaction sigtab[NSIGS + 1];   /* the program's actions; siglock, handler and flags atomic */
static struct ksigaction replaced[NSIGS + 1]; /* where the program has taken a handler away, that; else none. siglock */
uint64_t sighandledset;

bool
sighandled(int sig)
{
	return ishandler(load_relaxed(&sigtab[sig].handler));
}

/* Signals whose default action is to do nothing. */
static bool
defaultignored(int sig)
{
	return sig == SIGCHLD || sig == SIGURG || sig == SIGWINCH || sig == SIGCONT;
}

bool
sigignored(int sig)
{
	void (*h)(int) = load_relaxed(&sigtab[sig].handler);

	return h == SIG_IGN || (h == SIG_DFL && defaultignored(sig));
}

bool
sighandlers(void)
{
	return load_relaxed(&sighandledset) != 0;
}

bool
alwaysours(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == options.dumpsig || sig == kicksig;
}

static long
setkernelaction(int sig, const struct ksigaction *act, bool native)
{
	struct ksigaction ka = *act;

	if(!native && (ishandler(act->handler) || alwaysours(sig))){
		ka.handler = (void (*)(int))(void (*)(void))sigtramp;
		ka.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | KERNELRESTORER |
			   (act->flags & (SA_NOCLDSTOP | SA_NOCLDWAIT | ~KNOWNFLAGS));
		ka.restorer = sigrestore;
		ka.mask = ~0ULL;
	}
	return rawsyscall(SYS_rt_sigaction, sig, &ka, NULL, 8);
}

/* The flags that the kernel has kept of those just set. */
static unsigned long
keptflags(int sig, unsigned long flags)
{
	struct ksigaction now;

	if(likely(!(flags & ~KNOWNFLAGS)) || rawsyscall(SYS_rt_sigaction, sig, NULL, &now, 8) != 0)
		return flags;
	return flags & (now.flags | KNOWNFLAGS);
}

/* sigtab has changed; `was` is what was there before. siglock, or the only thread. */
static void
noteaction(int sig, const struct ksigaction *was)
{
	bool handled = ishandler(sigtab[sig].handler);

	store_relaxed(&sighandledset, handled ? sighandledset | SIGBIT(sig) : sighandledset & ~SIGBIT(sig));
	if(!handled && ishandler(was->handler))
		replaced[sig] = *was;
	else
		replaced[sig].handler = SIG_DFL;
}

/* Before sig's handler is replaced, or treated otherwise, it handles what has come before: see sigsettle.c. */
static void
settle(int sig, const struct sigaction *act)
{
	struct g *gp = getg();

	if(gp != NULL && sighandled(sig) &&
	    (act->sa_handler != load_relaxed(&sigtab[sig].handler) ||
	        ((unsigned)act->sa_flags | KERNELRESTORER) != load_relaxed(&sigtab[sig].flags)))
		sigsettle(gp, SIGBIT(sig));
}

/* struct sigaction's fields are the kernel's in another order, with a longer mask, of which libc too writes only this part. */
int
sigact(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct ksigaction ka, was;
	uint64_t mask;
	long r = 0;

	if(sig < 1 || sig > NSIGS || sig == SIGCANCELNO || sig == SIGSETXIDNO ||
	   (act != NULL && (sig == SIGKILL || sig == SIGSTOP)))
		return EINVAL;
	if(act != NULL){
		settle(sig, act);
		ka.handler = act->sa_handler;
		ka.flags = (unsigned)act->sa_flags | KERNELRESTORER;
		ka.restorer = sigrestore;
		memcpy(&ka.mask, &act->sa_mask, sizeof ka.mask);
		ka.mask &= ~(SIGBIT(SIGKILL) | SIGBIT(SIGSTOP));
	}
	mask = siglock();
	was = sigtab[sig];
	if(act != NULL && (r = setkernelaction(sig, &ka, false)) == 0){
		ka.flags = keptflags(sig, ka.flags);
		sigtab[sig] = ka;
		noteaction(sig, &was);
		if(sigignored(sig))
			sigdiscard(sig);
	}
	sigunlock(mask);
	if(r != 0)
		return (int)-r;
	if(old != NULL){
		old->sa_handler = was.handler;
		old->sa_flags = (int)was.flags;
		old->sa_restorer = was.restorer;
		memcpy(&old->sa_mask, &was.mask, sizeof was.mask);
	}
	return 0;
}

struct ksigaction
takeaction(int sig)
{
	struct ksigaction ka, *tab = &sigtab[sig];

	siglockh();
	ka = *tab;
	if((ka.flags & SA_RESETHAND) && ishandler(ka.handler)){
		tab->handler = SIG_DFL;
		tab->flags &= ~(unsigned long)SA_SIGINFO;
		noteaction(sig, tab);
		setkernelaction(sig, tab, false);
	}
	sigunlockh();
	return ka;
}

/*
 * The kernel chose our handler while the program had one for sig. Has that been taken away since, by another thread? Then the
 * signal is handled all the same, as on any thread natively that has been preempted just before its handler.
 */
bool
replacedaction(int sig, struct ksigaction *ka)
{
	if(likely(sighandled(sig)) || alwaysours(sig))
		return false;
	siglockh();
	*ka = replaced[sig];
	sigunlockh();
	return ishandler(ka->handler) && !sighandled(sig);
}

void
kerneldefault(int sig)
{
	struct ksigaction dfl = {0};

	setkernelaction(sig, &dfl, true);
}

/* What the process has begun with. All signals are blocked. */
void
actionsinit(void)
{
	for(int sig = 1; sig <= NSIGS; sig++){
		struct ksigaction *ka = &sigtab[sig];

		*ka = (struct ksigaction){0};
		if(sig == SIGKILL || sig == SIGSTOP || sig == SIGCANCELNO || sig == SIGSETXIDNO)
			continue;
		rawsyscall(SYS_rt_sigaction, sig, NULL, ka, 8);
		noteaction(sig, ka);
		if(ishandler(ka->handler) || alwaysours(sig))
			setkernelaction(sig, ka, false);
	}
}

/* In the child of a fork. */
void
actionsfork(void)
{
	for(int sig = 1; sig <= NSIGS; sig++)
		if(ishandler(sigtab[sig].handler) || alwaysours(sig))
			setkernelaction(sig, &sigtab[sig], true);
	sighandledset = 0;
}
