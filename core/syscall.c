/* SPDX-License-Identifier: MIT */
/*
 * Blocking system calls (Go: proc.go entersyscall, exitsyscall; nearest to Go 1.26,
 * where a P stays wired to its M in a system call until sysmon takes it).
 *
 * A G in a system call is in user mode with insyscall set. Entering and leaving
 * write only the G's own words; who takes the P away pays (sysmon.c retake), with the
 * same handshake as for a G in any other user code. So an unknown blocking call
 * and a known one differ only in how soon sysmon acts.
 *
 *                 entersyscall                exitsyscall, P still there
 *   runtime mode ---------------> user mode ----------------------------> runtime mode
 *       |                          | sysmon took P     | rtenter sees RETAKE_TAKEN
 *       | entersyscallblock:       v                   |   idle P: take it
 *       '----- P handed off ---> user mode, no P ------'   none: global queue, stopm
 *
 * Kernel threads are bounded: entersyscallblock may have to queue for one to block (blockq.c).
 */
#include "runtime.h"

static void
waitasked(struct g *gp)
{
	uint32_t r;

	stressat(ST_waitasked);
	for(int i = 0; i < 100; i++){
		if((r = load_acquire(&gp->retake)) != RETAKE_ASKED)
			break;
		cpurelax();
	}
	while((r = load_acquire(&gp->retake)) == RETAKE_ASKED || r == RETAKE_SLEEP){
		if(r == RETAKE_ASKED && !cas(&gp->retake, RETAKE_ASKED, RETAKE_SLEEP))
			continue;
		futexsleep(&gp->retake, RETAKE_SLEEP, NOTIME);
	}
}

/* On g0 without a P: queue gp where any M finds it, unless a P came free. */
static struct g *
exitsyscall0(struct g *gp)
{
	struct m *mp = gp->m;
	struct p *pp;
	bool locked = gp->lockedm != NULL;

	gp->status = Grunnable;
	store_relaxed(&mp->curg, NULL);
	gp->m = NULL;
	lock(&sched.lock);
	pp = pidleget();
	if(pp == NULL)
		globrunqput(gp);
	unlock(&sched.lock);
	if(pp != NULL){
		acquirep(mp, pp);
		return execute(mp, gp, false);
	}
	if(!locked)
		stopm(mp);
	return schedule(mp); /* a locked M waits there for its G */
}

static void
reacquirep(struct g *gp)
{
	struct m *mp = gp->m;
	struct p *pp;

	stressat(ST_exitsyscall);
	if(load_relaxed(&sched.npidle) != 0 && !stresschance(SC_leavesidlep)){
		lock(&sched.lock);
		pp = pidleget();
		unlock(&sched.lock);
		if(pp != NULL){
			acquirep(mp, pp);
			store_relaxed(&pp->schedtick, pp->schedtick + 1);
			return;
		}
	}
	mcall(exitsyscall0);
}

/* rtenterslow: sysmon wants gp's P, or has taken it. */
void
rtenterslow(struct g *gp)
{
	waitasked(gp);
	if(load_acquire(&gp->retake) != RETAKE_TAKEN)
		return;
	store_relaxed(&gp->retake, RETAKE_NO);
	reacquirep(gp);
}

/* The P goes now. Runtime mode; who calls goes on to user mode at once. */
static void
giveup(struct g *gp)
{
	struct p *pp = releasep(gp->m);

	store_relaxed(&gp->retake, RETAKE_TAKEN);
	handoffp(pp);
}

/*
 * gp is about to make its call, but a signal for it has come, or there is stress. Handlers run before the call
 * blocks: a kick that found runtime mode is over. By then gp may have its P again, and be on another M, to which a kick is on its
 * way that was meant for another G: the call must not end with EINTR for that. User mode.
 */
static noinline void
entersyscallslow(struct g *gp)
{
	do{
		if(load_relaxed(&gp->attn) & ATTN_SIGNAL)
			rtexitslow(gp);
		rtenter(gp);
		if(load_relaxed(&gp->m->signalpending))
			kickwait(gp->m);
		if(gp->insyscall >= INBLOCK || stresschance(SC_handsoff))
			giveup(gp);
		leaveruntime(gp);
	}while(load_relaxed(&gp->attn) & ATTN_SIGNAL);
	stressat(ST_entersyscall);
}

void
entersyscall(struct g *gp)
{
	store_relaxed(&gp->syscalltick, gp->syscalltick + 1);
	store_relaxed(&gp->insyscall, INCALL);
	compiler_barrier(); /* see preemptask */
	if(unlikely(load_relaxed(&gp->m->signalpending)))
		kickwait(gp->m);
	if(unlikely(load_relaxed(&sched.sysmonwait) > SYSMON_NAPS) && !runqempty(gp->m->p))
		sysmonwake(); /* others wait: should this call block, they must not wait for a long round */
	compiler_barrier();
	gp->locks--; /* from here on the P may go */
	compiler_barrier();
	if(unlikely(load_relaxed(&gp->attn) & (ATTN_SIGNAL | ATTN_SLOW)))
		entersyscallslow(gp);
}

void
exitsyscall(struct g *gp)
{
	rtenter(gp);
	store_relaxed(&gp->insyscall, INNONE);
}

/* ---- calls known to block ---- */

bool
handoffquiet(struct g *gp)
{
	return runqempty(gp->m->p) && load_relaxed(&sched.runq.l.n) == 0;
}

void
entersyscallblock(struct g *gp)
{
	if(unlikely(load_relaxed(&gp->attn) & ATTN_SIGNAL))
		sigdeliver(gp); /* now, as its handler may leave for good */
	blockacquire(gp);
	store_relaxed(&gp->syscalltick, gp->syscalltick + 1);
	store_relaxed(&gp->insyscall, gp->lockedm == NULL ? INBLOCK : INBLOCKOWN);
	compiler_barrier(); /* see preemptask */
	if(unlikely(load_relaxed(&gp->m->signalpending)))
		kickwait(gp->m);
	if(ngs() > 1 || load_relaxed(&sched.runq.l.n) != 0 || !runqempty(gp->m->p))
		giveup(gp);
	compiler_barrier();
	gp->locks--;
	compiler_barrier();
	if(unlikely(load_relaxed(&gp->attn) & (ATTN_SIGNAL | ATTN_SLOW)))
		entersyscallslow(gp);
}

/* Where a handler has forked, and returned in the child, the call has not been counted there. */
void
exitsyscallblock(struct g *gp)
{
	uint8_t in = gp->insyscall;

	exitsyscall(gp);
	if(likely(in >= INBLOCK))
		blockrelease(in == INBLOCKOWN);
	sigcatchup(gp);
}

/* The G leaves the call without coming back to its end: it is cancelled. User mode before and after. */
void
abandonsyscall(struct g *gp)
{
	uint8_t in = gp->insyscall;

	gp->redo = 0;
	if(in == INNONE)
		return;
	exitsyscall(gp);
	if(in >= INBLOCK)
		blockrelease(in == INBLOCKOWN);
	compiler_barrier();
	gp->locks--;
	compiler_barrier();
}
