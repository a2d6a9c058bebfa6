/* SPDX-License-Identifier: MIT */
/*
 * syscall(2) for the calls about signals: by number they act on the G as libc's functions do. The kernel's mask, alternate stack and
 * pending signals are those of a thread that may be another G's in a moment.
 *
 * The kernel's types differ from libc's: a set of signals has 64 bits, whose size the caller passes, and struct sigaction is
 * core/sig.h's ksigaction. A bad address is EFAULT, as it would be there. Signals 32 and 33, which libc keeps for itself, can be
 * neither blocked nor handled in this way either.
 */
#include <errno.h>

#include "fd.h"
#include "setmask.h"
#include "thread.h"

enum { SETSIZE = sizeof(uint64_t) };

static long
result(long r)
{
	if(r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

/* Reads a set of the caller's: 0, -EINVAL or -EFAULT. */
static long
getset(uint64_t *mask, const void *from, size_t size)
{
	if(size != SETSIZE)
		return -EINVAL;
	return trycopy(mask, from, SETSIZE);
}

/* rt_sigprocmask(2). */
static long
procmask(struct g *gp, int how, const void *set, void *old, size_t size)
{
	uint64_t was = gp->sigmask, mask = was, change;

	if(size != SETSIZE)
		return -EINVAL;
	if(set != NULL){
		if(trycopy(&change, set, SETSIZE) != 0)
			return -EFAULT;
		switch(how){
		case SIG_BLOCK:
			mask = was | change;
			break;
		case SIG_UNBLOCK:
			mask = was & ~change;
			break;
		case SIG_SETMASK:
			mask = change;
			break;
		default:
			return -EINVAL;
		}
		setmask(gp, mask);
	}
	return old != NULL ? trycopy(old, &was, SETSIZE) : 0;
}

/* rt_sigaction(2). */
static long
action(int sig, const struct ksigaction *act, struct ksigaction *old, size_t size)
{
	struct sigaction new = {0}, was;
	struct ksigaction k;
	int e;

	if(size != SETSIZE)
		return -EINVAL;
	if(act != NULL){
		if(trycopy(&k, act, sizeof k) != 0)
			return -EFAULT;
		new.sa_handler = k.handler;
		new.sa_flags = (int)k.flags;
		memcpy(&new.sa_mask, &k.mask, SETSIZE);
	}
	if((e = sigact(sig, act != NULL ? &new : NULL, &was)) != 0)
		return -e;
	k = (struct ksigaction){.handler = was.sa_handler, .flags = (unsigned)was.sa_flags, .restorer = was.sa_restorer,
	    .mask = maskof(&was.sa_mask)};
	return old != NULL ? trycopy(old, &k, sizeof k) : 0;
}

/* sigaltstack(2). */
static long
altstack(struct g *gp, const stack_t *ss, stack_t *old)
{
	stack_t new, was;
	int e;

	if(ss != NULL && trycopy(&new, ss, sizeof new) != 0)
		return -EFAULT;
	if((e = sigalt(gp, ss != NULL ? &new : NULL, &was)) != 0)
		return -e;
	return old != NULL ? trycopy(old, &was, sizeof was) : 0;
}

/* rt_sigpending(2). */
static long
pending(void *set, size_t size)
{
	sigset_t got;

	if(size > SETSIZE)
		return -EINVAL;
	sigpending(&got);
	return trycopy(set, &got, size);
}

/* rt_sigtimedwait(2). */
static long
timedwait(const void *set, siginfo_t *info, const struct timespec *timeout, size_t size)
{
	struct timespec ts;
	siginfo_t got;
	sigset_t s;
	uint64_t mask;
	long r;

	if((r = getset(&mask, set, size)) != 0)
		return r;
	if(timeout != NULL && trycopy(&ts, timeout, sizeof ts) != 0)
		return -EFAULT;
	sigemptyset(&s);
	memcpy(&s, &mask, SETSIZE);
	if((r = sigwaitraw(getg(), &s, &got, timeout != NULL ? &ts : NULL)) < 0)
		return -errno;
	return info != NULL && trycopy(info, &got, sizeof got) != 0 ? -EFAULT : r;
}

/* rt_sigsuspend(2). */
static long
suspended(const void *set, size_t size)
{
	sigset_t s;
	uint64_t mask;
	long r;

	if((r = getset(&mask, set, size)) != 0)
		return r;
	sigemptyset(&s);
	memcpy(&s, &mask, SETSIZE);
	sigsuspend(&s);
	return -errno;
}

/* rt_tgsigqueueinfo(2) to a G. */
static long
queueinfo(struct g *to, int sig, const siginfo_t *info)
{
	siginfo_t i;

	if(trycopy(&i, info, sizeof i) != 0)
		return -EFAULT;
	i.si_signo = sig;
	return -sigqueueto(to, sig, &i);
}

/* What is sent; false if it is the kernel's. */
static bool
sends(long n, long a, long b, long c, long d, long *r)
{
	struct g *gp;

	switch(n){
	case SYS_kill:
		*r = kill((pid_t)a, (int)b);
		return true;
	case SYS_tkill:
		if((gp = gfromtid((uint32_t)a)) == NULL)
			return false;
		*r = tgkill(sigpid, (pid_t)a, (int)b);
		return true;
	case SYS_tgkill:
		if(b <= PIDMAX && (a != sigpid || (gp = gfromtid((uint32_t)b)) == NULL))
			return false;
		*r = tgkill((pid_t)a, (pid_t)b, (int)c);
		return true;
	case SYS_rt_tgsigqueueinfo:
		if(a != sigpid || (gp = gfromtid((uint32_t)b)) == NULL)
			return false;
		*r = result(queueinfo(gp, (int)c, (const siginfo_t *)d));
		return true;
	case SYS_pidfd_send_signal:
		*r = 0;
		return d == 0 && sigours() && pidfdsignal((int)a, (int)b, (const siginfo_t *)c);
	}
	return false;
}

/* The process's timers: itimer.c. The kernel's numbers of timers are not what libc's functions take. */
static bool
timercall(struct g *gp, long n, long a, long b, long c, long d, long *r)
{
	switch(n){
	case SYS_alarm:
		*r = alarm((unsigned)a);
		return true;
	case SYS_setitimer:
		*r = setitimer((itimer)a, (const struct itimerval *)b, (struct itimerval *)c);
		return true;
	case SYS_timer_settime:
	case SYS_timer_delete:
		if((*r = result(rawsyscall(n, a, b, c, d))) == 0)
			sigsettle(gp, ~0ULL);
		return true;
	}
	return false;
}

bool
sigsyscall(long n, long a, long b, long c, long d, long *r)
{
	struct g *gp = getg();
	uint64_t set;

	if(!rtready)
		return n == SYS_tgkill && b > PIDMAX && sends(n, a, b, c, d, r); /* a child's, to its parent's G */
	if(n == SYS_rt_sigaction){
		if(!sigours() || a == SIGCANCELNO || a == SIGSETXIDNO)
			return false;
		*r = result(action((int)a, (const struct ksigaction *)b, (struct ksigaction *)c, (size_t)d));
		return true;
	}
	if(n == SYS_signalfd || n == SYS_signalfd4){
		if(trycopy(&set, (const void *)b, sizeof set) == 0)
			signalfdof(set);
		return false;
	}
	if(gp == NULL)
		return sends(n, a, b, c, d, r);
	switch(n){
	case SYS_rt_sigprocmask:
		*r = result(procmask(gp, (int)a, (const void *)b, (void *)c, (size_t)d));
		return true;
	case SYS_sigaltstack:
		*r = result(altstack(gp, (const stack_t *)a, (stack_t *)b));
		return true;
	case SYS_rt_sigpending:
		*r = result(pending((void *)a, (size_t)b));
		return true;
	case SYS_rt_sigtimedwait:
		*r = result(timedwait((const void *)a, (siginfo_t *)b, (const struct timespec *)c, (size_t)d));
		return true;
	case SYS_rt_sigsuspend:
		*r = result(suspended((const void *)a, (size_t)b));
		return true;
	case SYS_pause:
		*r = pause();
		return true;
	}
	return timercall(gp, n, a, b, c, d, r) || sends(n, a, b, c, d, r);
}
