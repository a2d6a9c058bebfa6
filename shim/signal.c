/* SPDX-License-Identifier: MIT */
/*
 * Actions, alternate stacks, and sending signals. The work is done in core/signal.c and core/sigqueue.c;
 * here are the many faces that libc gives it.
 *
 * All of it is the kernel's own business before the runtime has started, in the child of a fork, and in
 * the child of vfork, which shares memory with its parent but not its actions.
 */
#include <errno.h>
#include <string.h>

#include "setmask.h"
#include "thread.h"

static sigset_t intr; /* signals whose handlers, set by signal(), interrupt calls: siginterrupt() */

/* Is heddle in charge of the caller's signals? A caller without a G may be a foreign thread or the child of vfork. */
bool
sigours(void)
{
	return rtready && (getg() != NULL || rawsyscall(SYS_getpid) == sigpid);
}

static int
fail(int e)
{
	errno = e;
	return -1;
}

/* ---- actions ---- */

EXPORT int
sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	int e;

	if(!sigours())
		return libc.sigaction(sig, act, old);
	e = sigact(sig, act, old);
	return e == 0 ? 0 : fail(e);
}
ALSO(__sigaction, sigaction)

static sighandler_t
sethandler(int sig, sighandler_t handler, int flags, bool blockself)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags}, old;

	if(handler == SIG_ERR || sig < 1 || sig > NSIGS){
		errno = EINVAL;
		return SIG_ERR;
	}
	if(blockself)
		sigaddset(&sa.sa_mask, sig);
	return sigaction(sig, &sa, &old) == 0 ? old.sa_handler : SIG_ERR;
}

EXPORT sighandler_t
signal(int sig, sighandler_t handler)
{
	if(!sigours())
		return libc.signal(sig, handler);
	return sethandler(sig, handler, sig >= 1 && sig <= NSIGS && sigismember(&intr, sig) ? 0 : SA_RESTART, true);
}
ALSO(ssignal, signal)
ALSO(bsd_signal, signal)

EXPORT sighandler_t
sysv_signal(int sig, sighandler_t handler)
{
	if(!sigours())
		return libc.sysv_signal(sig, handler);
	return sethandler(sig, handler, SA_RESETHAND | SA_NODEFER | SA_INTERRUPT, false);
}
ALSO(__sysv_signal, sysv_signal)

EXPORT int
siginterrupt(int sig, int flag)
{
	struct sigaction sa;

	if(sig >= 1 && sig <= NSIGS && sigaction(sig, NULL, &sa) == 0){
		if(flag){
			sigaddset(&intr, sig);
			sa.sa_flags &= ~SA_RESTART;
		}else{
			sigdelset(&intr, sig);
			sa.sa_flags |= SA_RESTART;
		}
	}
	if(!sigours())
		return libc.siginterrupt(sig, flag);
	if(sigaction(sig, NULL, NULL) != 0)
		return -1;
	return sigaction(sig, &sa, NULL);
}

EXPORT int
sigignore(int sig)
{
	if(!sigours())
		return libc.sigignore(sig);
	return sethandler(sig, SIG_IGN, 0, false) == SIG_ERR ? -1 : 0;
}

/* System V: SIG_HOLD stands for a blocked signal. */
EXPORT sighandler_t
sigset(int sig, sighandler_t disp)
{
	struct sigaction old;
	sigset_t set, was;

	if(!sigours())
		return libc.sigset(sig, disp);
	sigemptyset(&set);
	if(sigaddset(&set, sig) != 0)
		return SIG_ERR;
	if(disp == SIG_HOLD){
		if(sigprocmask(SIG_BLOCK, &set, &was) != 0)
			return SIG_ERR;
		if(sigismember(&was, sig))
			return SIG_HOLD;
		return sigaction(sig, NULL, &old) == 0 ? old.sa_handler : SIG_ERR;
	}
	if((old.sa_handler = sethandler(sig, disp, 0, false)) == SIG_ERR)
		return SIG_ERR;
	if(sigprocmask(SIG_UNBLOCK, &set, &was) != 0)
		return SIG_ERR;
	return sigismember(&was, sig) ? SIG_HOLD : old.sa_handler;
}

EXPORT int
sigaltstack(const stack_t *ss, stack_t *old)
{
	struct g *gp = getg();
	int e;

	if(gp == NULL)
		return libc.sigaltstack(ss, old);
	e = sigalt(gp, ss, old);
	return e == 0 ? 0 : fail(e);
}

/* ---- sending ---- */

static siginfo_t
siginfoof(int sig, int code)
{
	siginfo_t info;

	memset(&info, 0, sizeof info);
	info.si_signo = sig;
	info.si_code = code;
	info.si_pid = sigpid;
	info.si_uid = (uid_t)rawsyscall(SYS_getuid);
	return info;
}

/* For the kernel to act on: the target lets the signal through, so this thread does for a moment. */
static int
sendhere(const siginfo_t *info)
{
	uint64_t mask, set = SIGBIT(info->si_signo);
	long r;

	rawsyscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &set, &mask, 8);
	r = rawsyscall(SYS_rt_tgsigqueueinfo, sigpid, rawsyscall(SYS_gettid), info->si_signo, info);
	sigsetkernelmask(mask);
	return r < 0 ? (int)-r : 0;
}

/* Sends to a G; 0 or an errno. */
static int
sendto1(struct g *to, const siginfo_t *info)
{
	struct g *self = getg();
	int e = 0;

	if(sigrefused(info))
		return EAGAIN;
	if((load_acquire(&to->exitstate) & JSTATE) >= Jended || to->status == Gdead)
		return 0; /* not joined yet: as libc has it, no error */
	if(self != NULL)
		rtenter(self);
	if(!sigsend(to, info))
		e = sendhere(info);
	if(self != NULL)
		rtexit(self);
	return e;
}

static bool
badsig(int sig)
{
	return sig < 0 || sig > NSIGS || sig == SIGCANCELNO || sig == SIGSETXIDNO;
}

EXPORT int
pthread_kill(pthread_t th, int sig)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	siginfo_t info;

	if(gp == NULL || !sigours())
		return libc.pthread_kill(th, sig);
	info = siginfoof(sig, SI_TKILL);
	return sigqueueto(gp, sig, &info);
}

int
sigqueueto(struct g *gp, int sig, const siginfo_t *info)
{
	if(badsig(sig))
		return EINVAL;
	return sig == 0 ? 0 : sendto1(gp, info);
}

EXPORT int
pthread_sigqueue(pthread_t th, int sig, const union sigval val)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	siginfo_t info;

	if(gp == NULL || !sigours())
		return libc.pthread_sigqueue(th, sig, val);
	info = siginfoof(sig, SI_QUEUE);
	info.si_value = val;
	return sigqueueto(gp, sig, &info);
}

EXPORT int
raise(int sig)
{
	struct g *gp = getg();
	siginfo_t info;
	int e;

	if(gp == NULL)
		return libc.raise(sig);
	info = siginfoof(sig, SI_TKILL);
	e = sigqueueto(gp, sig, &info);
	return e == 0 ? 0 : fail(e);
}
ALSO(gsignal, raise)

/* To the process itself, if heddle has a handler to run for it. */
static bool
sendself(const siginfo_t *info)
{
	struct g *self = getg();
	bool r;

	if(sigrefused(info))
		return false; /* so says the kernel */
	if(self == NULL)
		return sigsend(NULL, info);
	rtenter(self);
	r = sigsend(NULL, info);
	rtexit(self);
	return r;
}

/* A G's tid stands for the process, as any thread's does where a process is asked for. No process of the kernel's has such a number. */
static pid_t
pidof(pid_t pid)
{
	return rtready && pid > PIDMAX && gfromtid((uint32_t)pid) != NULL ? sigpid : pid;
}

/* Does kill(pid) mean the caller's process group? */
static bool
mygroup(pid_t pid)
{
	return pid == 0 || (pid < -1 && -pid == (pid_t)rawsyscall(SYS_getpgid, 0));
}

EXPORT int
kill(pid_t pid, int sig)
{
	struct g *self;
	siginfo_t info;
	long r;

	pid = pidof(pid);
	if(rtready && pid == sigpid && sig > 0 && !badsig(sig) && sigours()){
		info = siginfoof(sig, SI_USER);
		if(sendself(&info))
			return 0;
	}
	self = getg();
	if(self == NULL || !rtready || sig <= 0 || badsig(sig) || !mygroup(pid) || !sighandled(sig))
		return libc.kill(pid, sig);
	rtenter(self);
	r = sigtogroup(pid, sig);
	rtexit(self);
	return r == 0 ? 0 : fail((int)-r);
}

EXPORT int
killpg(pid_t pgrp, int sig)
{
	return pgrp < 0 ? fail(EINVAL) : kill(-pgrp, sig);
}

EXPORT int
sigqueue(pid_t pid, int sig, const union sigval val)
{
	siginfo_t info;

	pid = pidof(pid);
	if(rtready && pid == sigpid && sig > 0 && !badsig(sig) && sigours()){
		info = siginfoof(sig, SI_QUEUE);
		info.si_value = val;
		if(sendself(&info))
			return 0;
	}
	return libc.sigqueue(pid, sig, val);
}

EXPORT int
tgkill(pid_t tgid, pid_t tid, int sig)
{
	struct g *gp;
	siginfo_t info;
	long e;

	if(tid > PIDMAX && tgid > 0 && tgid != getpid() && sig != SIGCANCELNO && sig != SIGSETXIDNO){
		e = -sigtoremote(tgid, (uint32_t)tid, sig);
		return e == 0 ? 0 : fail((int)e);
	}
	if(!rtready || tgid != sigpid || !sigours() || (gp = gfromtid((uint32_t)tid)) == NULL)
		return libc.tgkill(tgid, tid, sig);
	info = siginfoof(sig, SI_TKILL);
	e = sigqueueto(gp, sig, &info);
	return e == 0 ? 0 : fail((int)e);
}

/* ---- signalfd ---- */

void
signalfdof(uint64_t set)
{
	struct g *gp = getg();

	if(gp == NULL || !sigours()){
		fetch_or(&signalfds, set);
		return;
	}
	rtenter(gp);
	sigtofds(set);
	rtexit(gp);
}

EXPORT int
signalfd(int fd, const sigset_t *set, int flags)
{
	int r = libc.signalfd(fd, set, flags);

	if(r >= 0)
		signalfdof(maskof(set));
	return r;
}
