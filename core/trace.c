/* SPDX-License-Identifier: MIT */
/*
 * HEDDLE=schedtrace=MS,scheddetail=1: GODEBUG's lines (Go: proc.go schedtrace). Nothing is stopped
 * for it: the numbers are of nearly one instant. Called by sysmon.
 */
#include "runtime.h"

static const char *const statusnames[] = {"idle", "runnable", "running", "waiting", "dead"};

static void
detail(int fd)
{
	for(int i = 0; i < gomaxprocs; i++){
		struct p *pp = allp[i];
		struct m *mp = load_relaxed(&pp->m);

		rtprint(fd, "  P%d: status=%d schedtick=%u m=%d runqsize=%u gfreecnt=%u timerslen=%u steals=%lu\n", i,
		    (int)load_relaxed(&pp->status), load_relaxed(&pp->schedtick), mp ? (int)mp->id : -1, runqlen(pp),
		    load_relaxed(&pp->gfree.n), load_relaxed(&pp->ntimers), (unsigned long)pp->nsteal);
	}
	for(struct m *mp = load_acquire(&allm); mp != NULL; mp = mp->alllink){
		struct p *pp = load_relaxed(&mp->p);
		struct g *gp = load_acquire(&mp->curg);

		rtprint(fd, "  M%u: p=%d curg=%ld tid=%d spinning=%d lockedg=%ld\n", mp->id, pp ? (int)pp->id : -1,
		    gp ? (long)gp->goid : -1L, mp->tid, mp->spinning, mp->lockedg ? (long)mp->lockedg->goid : -1L);
	}
	for(struct g *gp = load_acquire(&allgs); gp != NULL; gp = gp->alllink){
		struct m *mp = load_relaxed(&gp->m);

		if(gp->status == Gidle || gp->status == Gdead || gp->goid == 0)
			continue;
		rtprint(fd, "  G%lu: status=%s(%s %p) m=%d lockedm=%d\n", (unsigned long)gp->goid,
		    gp->insyscall && gp->status == Grunning ? "syscall" : statusnames[gp->status],
		    gp->status == Gwaiting ? waitreasons[gp->waitreason] : "",
		    gp->status == Gwaiting ? gp->waitobj : NULL, mp ? (int)mp->id : -1,
		    gp->lockedm ? (int)gp->lockedm->id : -1);
	}
}

void
schedtrace(void)
{
	static int64_t start;
	int64_t now = nanotime();
	char b[1024];
	int n, fd = logfd();

	if(start == 0)
		start = now;
	n = fmtbuf(b, sizeof b,
	    "SCHED %ldms: gomaxprocs=%d idleprocs=%d threads=%d spinningthreads=%d needspinning=%u idlethreads=%d "
	    "blocked=%d blockqueue=%d gs=%d runqueue=%u [",
	    (long)((now - start) / MSEC), gomaxprocs, load_relaxed(&sched.npidle), load_relaxed(&sched.mcount) + 1,
	    load_relaxed(&sched.nmspinning), load_relaxed(&sched.needspinning), load_relaxed(&sched.nmidle),
	    load_relaxed(&sched.nblocked), load_relaxed(&sched.nblockq), ngs(),
	    load_relaxed(&sched.runq.l.n));
	for(int i = 0; i < gomaxprocs && n < (int)sizeof b - 16; i++)
		n += fmtbuf(b + n, sizeof b - (size_t)n, "%s%u", i ? " " : "", runqlen(allp[i]));
	rtprint(fd, "%s]\n", b);
	if(options.scheddetail)
		detail(fd);
	if(fd != 2)
		rawsyscall(SYS_close, fd);
}
