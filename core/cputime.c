/* SPDX-License-Identifier: MIT */
/*
 * The CPU time that Gs use.
 *
 * To read a kernel thread's clock takes a system call, which is longer than a switch. So nothing is counted until somebody
 * asks for the CPU time of a thread (cputimeon, set for good); from then on an M charges the time since its last
 * switch to the G that it has run, when it turns to another one or goes to sleep. What a thread has used before is not known; main
 * has what its kernel thread had used when the runtime started.
 *
 * m.cpug, m.cpustamp: whom the M runs, and its clock when that began; only the M writes, and m.cpuseq counts its changes, so that
 * it is odd during one. Who reads the time of a G that runs adds what its M's clock shows beyond the stamp, and tries again if
 * that has changed. The G may be charged by its last M while it runs on another one already: the sum is atomic.
 */
#include <time.h>

#include "sig.h"

uint32_t cputimeon;
static int64_t maintime; /* of main's kernel thread, at the runtime's start */

/* The clock of a kernel thread, 0 for the caller's. */
static int64_t
threadclock(int32_t tid)
{
	struct timespec ts = {0};

	rawsyscall(SYS_clock_gettime, tid ? (long)~tid * 8 | 6 : CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

static void
charge(struct g *gp, int64_t ns)
{
	struct sigdata *d = sigdataof(gp);

	if(d != NULL)
		fetch_add(&d->cputime, ns);
}

void
cpuswitch(struct m *mp, struct g *gp)
{
	int64_t now = threadclock(0);
	struct g *was = mp->cpug;

	store_relaxed(&mp->cpuseq, mp->cpuseq + 1);
	fence_seqcst(); /* pairs with the one in running */
	if(was != NULL && was->goid == mp->cpugoid)
		charge(was, now - mp->cpustamp);
	store_relaxed(&mp->cpug, gp);
	store_relaxed(&mp->cpustamp, now);
	mp->cpugoid = gp ? gp->goid : 0;
	store_release(&mp->cpuseq, mp->cpuseq + 1);
}

/* The time of gp, which mp runs or has run; false if that has changed. */
static bool
running(struct m *mp, struct g *gp, int64_t *t)
{
	uint32_t seq = load_acquire(&mp->cpuseq);
	struct sigdata *d = load_acquire(&gp->sigdata);

	if((seq & 1) || load_relaxed(&mp->cpug) != gp)
		return false;
	*t = (d ? load_relaxed(&d->cputime) : 0) + threadclock(mp->tid) - load_relaxed(&mp->cpustamp);
	fence_seqcst(); /* pairs with the one in cpuswitch */
	return load_relaxed(&mp->cpuseq) == seq;
}

void
cputimestart(void)
{
	maintime = threadclock(0);
}

static void
count(void)
{
	struct g *gp = getg();

	if(xchg(&cputimeon, 1) == 0)
		charge(maing, maintime);
	if(gp != NULL && gp->m->cpug != gp)
		cpuswitch(gp->m, gp);
}

int64_t
cputime(struct g *gp)
{
	struct sigdata *d;
	struct m *mp;
	int64_t t;

	count();
again:
	/* another M, which has run it before, may not have charged it yet */
	if((mp = load_acquire(&gp->m)) != NULL && load_relaxed(&mp->cpug) == gp && running(mp, gp, &t))
		return t;
	for(mp = load_acquire(&allm); mp != NULL; mp = mp->alllink)
		if(load_relaxed(&mp->cpug) == gp){
			if(running(mp, gp, &t))
				return t;
			goto again;
		}
	d = load_acquire(&gp->sigdata);
	return d ? load_relaxed(&d->cputime) : 0;
}
