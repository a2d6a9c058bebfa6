/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a signal itself: sigwait and its kin.
 *
 * The program blocks such signals in all threads, so they are the kernel's to keep and rt_sigtimedwait's to take, which
 * costs a kernel thread while the G waits. What other Gs send to this one is in heddle's queue;
 * they kick it. The kick is blocked here and awaited with the rest: one that comes between the last look
 * at the queue and the wait is not lost.
 *
 * No thread that the G leaves keeps the kick blocked. It cannot move while it is, but in a handler of the program's, which starts
 * with a mask that lets kicks through (sigframe.c: SIGNEVER). A handler that returns restores the block where the G is by then, and
 * the end of the wait takes it off there; one that jumps out has left it behind already.
 */
#include "sig.h"
#include "stopped.h"

uint32_t nsigwaiters;

/* In user mode, on a thread that may keep for long. A signal's number, -EAGAIN, -EINTR after a stop, or -ERESTART after a kick or a handler. */
static int
waitkernel(struct g *gp, uint64_t set, siginfo_t *info, const struct timespec *timeout)
{
	uint64_t kick = kickbit, both = set | kick;
	struct m *mp = gp->m;
	struct stopwatch w;
	int r = -ERESTART;

	rawsyscall(SYS_rt_sigprocmask, SIG_BLOCK, &kick, NULL, 8);
	/* the queue again, too: whoever delivered signals on the way here has taken the flag down and left those of set */
	if(!(load_acquire(&gp->attn) & ~(uint32_t)ATTN_IDLE) && !sigwaits(gp, set)){
		w = stopwatch();
		r = (int)rawsyscall(SYS_rt_sigtimedwait, &both, info, timeout, 8);
		if(r == -EINTR && !stopended(&w, r))
			r = -ERESTART;
	}
	if(r == kicksig){
		/* a handler may have moved the G: of two threads one has got it, and to be kicked in vain does no harm */
		store_release(&mp->signalpending, KICK_NONE);
		store_release(&gp->m->signalpending, KICK_NONE);
		r = -ERESTART;
	}
	rawsyscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &kick, NULL, 8);
	return r;
}

static int
waitonce(struct g *gp, uint64_t set, siginfo_t *info, int64_t until)
{
	struct timespec ts = {0};
	int64_t left;
	int r;

	if(until == 0)
		return (int)rawsyscall(SYS_rt_sigtimedwait, &set, info, &ts, 8);
	if(until != NOTIME){
		left = until - nanotime();
		if(left < 0)
			left = 0;
		ts.tv_sec = left / NSEC;
		ts.tv_nsec = left % NSEC;
	}
	entersyscallblock(gp);
	r = waitkernel(gp, set, info, until != NOTIME ? &ts : NULL);
	exitsyscallblock(gp);
	return r;
}

static int
wait(struct g *gp, uint64_t set, siginfo_t *info, int64_t until)
{
	uint16_t n = gp->nsig;
	int r;

	for(;;){
		if(sigtake(gp, set, info))
			return info->si_signo;
		sigdeliver(gp); /* clears ATTN_SIGNAL: who sends after that sets it again */
		if(sigwaits(gp, set))
			continue;
		if(gp->nsig != n || load_relaxed(&gp->attn) & ATTN_CANCEL)
			return -EINTR;
		r = waitonce(gp, set, info, until);
		if(r > 0)
			sigunmark(info);
		if(r != -ERESTART)
			return r;
	}
}

void
sigwaitover(struct sigdata *d)
{
	store_release(&d->waitset, 0);
	add_fetch(&nsigwaiters, -1);
	d->waitsp = 0;
}

int
sigwaitfor(struct g *gp, uint64_t set, siginfo_t *info, int64_t until)
{
	struct sigdata *d = sigdataof(gp);
	int r;

	set &= ~SIGNEVER;
	if(d == NULL)
		return -EAGAIN;
	d->waitsp = (uintptr_t)__builtin_frame_address(0);
	store_release(&d->waitset, set);
	add_fetch(&nsigwaiters, 1); /* a full barrier, before the look at the queues */
	r = wait(gp, set, info, until);
	sigwaitover(d);
	sigretarget(gp, set & gp->sigmask);
	if(sigwaits(gp, ~gp->sigmask))
		fetch_or(&gp->attn, ATTN_SIGNAL);
	return r;
}
