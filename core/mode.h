/* SPDX-License-Identifier: MIT */
/* The way between user mode and runtime mode (see runtime.h), and calls that may block: syscall.c, preempt.c. */
#ifndef HEDDLE_MODE_H
#define HEDDLE_MODE_H

void rtenterslow(struct g *);
void rtexitslow(struct g *);

/* rtenter: from user mode to runtime mode (they nest). gp is getg(), not NULL. */
static inlined void
rtenter(struct g *gp)
{
	gp->locks++;
	lightbarrier(ST_rtenter); /* pairs with heavybarrier in sysmon.c take */
	if(unlikely(load_relaxed(&gp->retake) != RETAKE_NO))
		rtenterslow(gp);
}

/* rtexit: back. Pending preemption and signals are served here. Keeps errno. */
static inlined void
rtexit(struct g *gp)
{
	compiler_barrier();
	gp->locks--;
	compiler_barrier(); /* a handler that saw locks > 0 has set attn before this load */
	if(unlikely(load_relaxed(&gp->attn) != 0) && gp->locks == 0)
		rtexitslow(gp);
}

/* leaveruntime: rtexit without looking at attn, for a short stretch of user mode that rtenter ends. */
static inline void
leaveruntime(struct g *gp)
{
	compiler_barrier();
	gp->locks--;
	compiler_barrier();
}

/*
 * A call that may block:
 *	rtenter(gp); entersyscall(gp); r = libc.call(...); exitsyscall(gp); rtexit(gp);
 * Both keep errno. In between the G is in user mode and its P may be taken, after 20 us or more.
 */
void entersyscall(struct g *gp);
void exitsyscall(struct g *gp);
/* For calls known to block: the P is handed off at once. Queues (blockq) when kernel threads run out. */
void entersyscallblock(struct g *gp);
void exitsyscallblock(struct g *gp);
void abandonsyscall(struct g *gp);
bool handoffquiet(struct g *gp); /* entersyscallblock would leave the P idle, without waking anybody */

#endif
