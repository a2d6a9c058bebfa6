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
 * it is odd during one. An M may still have to charge a G that has gone on and runs on another one. So who reads the time of a G adds
 * what the clocks of all Ms that name it show beyond their stamps, and tries again if one of them changes meanwhile or the sum has been
 * charged: then what was seen before is never lost, and the time does not go backwards.
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
	struct g *was = mp->cpug;
	int64_t now;

	store_relaxed(&mp->cpuseq, mp->cpuseq + 1);
	fence_seqcst(); /* pairs with the one in uncharged */
	now = threadclock(0); /* within: nobody may have seen a later time that is not charged */
	if(was != NULL && was->goid == mp->cpugoid)
		charge(was, now - mp->cpustamp);
	store_relaxed(&mp->cpug, gp);
	store_relaxed(&mp->cpustamp, now);
	store_relaxed(&mp->cpugoid, gp ? gp->goid : 0);
	store_release(&mp->cpuseq, mp->cpuseq + 1);
}

/* Adds to *t what mp has not charged gp yet; false if that has changed meanwhile. */
static bool
uncharged(struct m *mp, struct g *gp, int64_t *t)
{
	uint32_t seq = load_acquire(&mp->cpuseq);
	int64_t ns = 0;

	if(seq & 1)
		return false;
	if(load_relaxed(&mp->cpug) == gp && load_relaxed(&mp->cpugoid) == gp->goid)
		ns = threadclock(mp->tid) - load_relaxed(&mp->cpustamp);
	fence_seqcst(); /* pairs with the one in cpuswitch */
	*t += ns;
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

static int64_t
charged(struct g *gp)
{
	struct sigdata *d = load_acquire(&gp->sigdata);

	return d ? load_acquire(&d->cputime) : 0;
}

int64_t
cputime(struct g *gp)
{
	struct m *mp;
	int64_t sum, t;

	count();
	for(;;){
		t = sum = charged(gp);
		mp = load_acquire(&allm);
		while(mp != NULL && (load_relaxed(&mp->cpug) != gp || uncharged(mp, gp, &t)))
			mp = mp->alllink;
		fence_seqcst();
		if(mp == NULL && charged(gp) == sum)
			return t;
		rawsyscall(SYS_sched_yield); /* mp may be off its CPU in the middle of its change */
	}
}
