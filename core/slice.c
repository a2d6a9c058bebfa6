/* SPDX-License-Identifier: MIT */
/*
 * Slices: how long a G may keep its P while others wait, and how one that keeps it longer is asked to yield.
 * sysmon calls this each round, for what it finds running on each P.
 */
#include "sysmon.h"

static const int64_t MINSLICE = 2 * MSEC;
enum { PREEMPTTRIES = 2 };

/*
 * CPU time of mp's thread in ns: CLOCK_THREAD_CPUTIME_ID of another thread. 0 if the kernel does not tell: the
 * thread then seems to sleep, and loses its P instead of being preempted.
 */
int64_t
mcputime(struct m *mp)
{
	struct timespec ts;

	if(rawsyscall(SYS_clock_gettime, (long)~mp->tid * 8 | 6, &ts) != 0)
		return 0;
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

static bool
timerdue(struct p *pp, int64_t now)
{
	int64_t w = load_relaxed(&pp->timer0when);

	return w != 0 && w <= now;
}

bool
workwaits(struct p *pp, int64_t now)
{
	return !runqempty(pp) || load_relaxed(&sched.runq.l.n) != 0 || timerdue(pp, now);
}

/*
 * Is mp's thread on a CPU at this instant? Its CPU clock then moves from one look to the next. (Its
 * state in /proc would say more, but to read that takes a descriptor, which the program could notice.)
 */
bool
oncpu(struct m *mp)
{
	int64_t cpu = mcputime(mp);

	return mcputime(mp) != cpu;
}

/*
 * How long a G may run: 10 ms as in Go if none waits, and all of them share these 10 ms if some do, down to 2 ms each: the last
 * one waits for all the others' slices, and a kernel would not let one wait for longer than 3 ms, either.
 */
static int64_t
slice(struct p *pp, int64_t now)
{
	int64_t s = SLICE / (1 + runqlen(pp) + load_relaxed(&sched.runq.l.n) + timerdue(pp, now));

	return s > MINSLICE ? s : MINSLICE;
}

/*
 * Stress: its slice is over if it has used the CPU since the last round. Not if it has slept meanwhile: it may be about to do so
 * again, in a call that we do not know, and the signal would end that with EINTR.
 */
static bool
overdueatonce(struct p *pp, struct m *mp, struct g *gp, int64_t now)
{
	int64_t wall = now - pp->sysschedwhen, cpu = mcputime(mp), used = cpu - mp->cpulast;

	pp->sysschedwhen = now;
	mp->cpulast = cpu;
	if(stresschance(SC_losesp))
		return true;
	if(used >= wall / 2 && used <= wall && oncpu(mp)){
		fetch_or(&gp->attn, ATTN_PREEMPT);
		preemptask(mp, gp);
	}
	return false;
}

static void
newslice(struct p *pp, struct m *mp, uint32_t tick, int64_t now)
{
	pp->sysschedtick = tick;
	pp->sysschedwhen = now;
	pp->systries = pp->syslooks = 0;
	mp->cpulast = workwaits(pp, now) ? mcputime(mp) : -1;
	lookforget(pp);
}

/*
 * Nobody can tell whether it sleeps: it is taken to, as others wait. Where that is wrong, since other processes have the CPUs, each thread that
 * we make waits for one as well: the n-th is made when n slices have passed without one more.
 */
static bool
guess(int64_t now)
{
	static int64_t last;
	int64_t n = 1;

	for(struct m *mp = load_acquire(&allm); mp != NULL; mp = mp->alllink){
		struct g *gp = load_acquire(&mp->curg);

		n += gp != NULL && load_relaxed(&mp->p) == NULL && !load_relaxed(&gp->insyscall);
	}
	if(now - last < n * SLICE)
		return false;
	last = now;
	return true;
}

bool
overdue(struct p *pp, struct m *mp, struct g *gp, int64_t now)
{
	uint32_t t = load_relaxed(&pp->schedtick);
	int64_t ran = now - pp->sysschedwhen, max = slice(pp, now), cpu;

	if(unlikely(stresstimeless))
		return false;
	if(stresschance(SC_outofturn))
		return overdueatonce(pp, mp, gp, now);
	if(pp->sysschedtick != t){
		newslice(pp, mp, t, now);
		return false;
	}
	if(!workwaits(pp, now))
		return false;
	cpu = mcputime(mp);
	if(cpu == mp->cpulast){
		/* it did not run at all: it blocks in a call that we do not know, or others have the CPUs */
		enum look l = lookat(pp, mp, cpu, now);

		return l == LOOK_SLEEPS || (l == LOOK_NONE && ran >= max && guess(now));
	}
	mp->cpulast = cpu;
	if(ran < max)
		return false;
	/*
	 * It ran, but is it still? The signal would end a wait with EINTR. If it sleeps, the next round sees no progress; it
	 * may also be off the CPU because we are on it.
	 */
	if(!oncpu(mp) && pp->syslooks++ < OFFCPULOOKS)
		return false;
	pp->syslooks = 0;
	pp->sysschedwhen = now;
	if(pp->systries++ >= PREEMPTTRIES)
		return true;
	store_relaxed(&pp->hog, gp);
	fetch_or(&gp->attn, ATTN_PREEMPT);
	preemptask(mp, gp);
	return false;
}

/*
 * A G found in runtime mode is there for an instant, and looks at attn when it leaves. One that makes nothing but calls that do not
 * block (reads what is there, writes where there is room) is hardly ever found elsewhere: it has to yield all the same.
 */
void
overdueinside(struct p *pp, struct m *mp, struct g *gp, int64_t now)
{
	uint32_t t = load_relaxed(&pp->schedtick);

	if(unlikely(stresstimeless))
		return;
	if(pp->sysschedtick != t)
		newslice(pp, mp, t, now);
	else if(now - pp->sysschedwhen >= slice(pp, now) && workwaits(pp, now)){
		pp->sysschedwhen = now;
		fetch_or(&gp->attn, ATTN_PREEMPT);
	}
}
