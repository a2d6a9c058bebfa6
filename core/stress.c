/* SPDX-License-Identifier: MIT */
/*
 * Stress (Go has its like in GODEBUG and under the race detector: random run queues, small ones, early preemption).
 *
 *   preempt  sysmon's rounds stay 20 us long, and it asks every other running G to yield, or takes its P; Gs yield at
 *            the end of wrappers
 *   move     queues are emptied into the global one, idle Ms and Ps are taken in random order, and an M that schedules passes
 *            its P to another M
 *   delay    waits at the points of STRESSPOINTS
 *   slow     stacks and TLS are not used again, run queues hold a few Gs, there is no runnext, no P is kept over a
 *            system call, locks are handed over or not by chance, sleeps end early, descriptors seem ready
 *
 * Whatever is done here could happen without it: no G may behave in another way than it could natively.
 *
 * Each decision is the next of a sequence of its M's, which begins with the seed and the M's number; sysmon and
 * foreign threads share one. So what a run does depends on the seed and on how the kernel schedules the threads.
 * A delay at all points alike would hide as much as it shows. So the seed chooses for each point how often there is one:
 * never at half of them, often at a few. Different seeds search in different places.
 */
#include "sig.h"

static const char *const points[] = {
#define POINT(name) #name,
	STRESSPOINTS(POINT)
#undef POINT
};

uint32_t stressing;
static uint64_t others;        /* atomic: the sequence of threads that are no M */
static uint32_t mask[ST_MAX];  /* a delay at a point unless some of these bits are set in a random number */
static uint32_t said;          /* atomic */

/* The finalizer of splitmix64: each bit of the result depends on all of x. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

#define GOLDEN 0x9e3779b97f4a7c15

uint32_t
stressrand(void)
{
	struct m *mp = load_relaxed(&rtready) ? getm() : NULL;

	if(mp == NULL)
		return (uint32_t)mix(fetch_add(&others, GOLDEN));
	mp->stress += GOLDEN;
	return (uint32_t)mix(mp->stress + mix(options.stress.seed + mp->id));
}

void
stressinit(void)
{
	static const uint32_t often[] = {~0U, ~0U, ~0U, ~0U, 255, 255, 31, 3};
	uint64_t seed;

	if((stressing = options.stress.kinds) == 0)
		return;
	if(options.stress.seed == 0)
		options.stress.seed = (uint32_t)mix((uint64_t)nanotime()) >> 1 | 1;
	seed = mix(options.stress.seed);
	store_relaxed(&others, seed);
	for(int i = 0; i < ST_MAX; i++)
		mask[i] = often[mix(seed + (uint64_t)i * GOLDEN) % nelem(often)];
	if(xchg(&said, 1) == 0)
		stresssaid();
}

void
stresssaid(void)
{
	uint32_t k = options.stress.kinds;
	struct m *mp = load_relaxed(&rtready) ? getm() : NULL;

	if(stressing != 0)
		rtlog("stress=seed:%u%s%s%s%s%s%s", options.stress.seed, k & STRESS_PREEMPT ? "+preempt" : "",
		    k & STRESS_MOVE ? "+move" : "", k & STRESS_DELAY ? "+delay" : "", k & STRESS_SLOW ? "+slow" : "",
		    mp != NULL ? "; this thread's last delay: " : "", mp != NULL ? points[mp->stressedat] : "");
}

void
stressdelay(enum stresspoint at)
{
	struct m *mp = load_relaxed(&rtready) ? getm() : NULL;
	uint32_t r;

	if(mask[at] == ~0U || (stressrand() & mask[at]) != 0)
		return;
	if(mp != NULL)
		mp->stressedat = (uint8_t)at;
	r = stressrand();
	switch(r % 16){
	case 0:
		usleep_ns((r >> 4) % (200 * USEC));
		return;
	case 1 ... 4:
		rawsyscall(SYS_sched_yield);
		return;
	default:
		for(r = (r >> 4) % 1000; r > 0; r--)
			cpurelax();
	}
}

/* In rtexit, user mode. In a system call it is too late: the P may be gone as it is. */
void
stressexit(struct g *gp)
{
	if(!gp->insyscall && stresschance(STRESS_PREEMPT | STRESS_MOVE, 4))
		fetch_or(&gp->attn, ATTN_PREEMPT);
}

/* All that waits on pp goes to the global queue: from there it comes to any P. */
static void
spill(struct p *pp)
{
	struct glist l = {0};
	struct g *gp;
	bool inherit;

	while((gp = runqget(pp, &inherit)) != NULL)
		glistpush(&l, gp);
	if(l.n == 0)
		return;
	lock(&sched.lock);
	while((gp = glistpop(&l)) != NULL)
		globrunqput(gp);
	unlock(&sched.lock);
	wakep();
}

/* mp gives its P to another M, an idle one or, while there are few, a new one. True if it has done so. */
static bool
passp(struct m *mp)
{
	struct p *pp;
	bool can;

	lock(&sched.lock);
	can = sched.midle != NULL || sched.mcount < gomaxprocs + 4;
	unlock(&sched.lock);
	if(!can)
		return false;
	startm(releasep(mp), false);
	lock(&sched.lock);
	pp = pidleget(); /* that one, if there was no M to be had */
	unlock(&sched.lock);
	if(pp != NULL)
		acquirep(mp, pp);
	else
		stopm(mp);
	return true;
}

/*
 * A thread on g0 must let through the kick and libc's signal 33: who has sent one waits for it. So a G that has blocked
 * all signals must not leave its thread.
 */
static void
checkmask(void)
{
	uint64_t blocked = 0;

	rawsyscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, 8);
	if(blocked & (SIGBIT(SIGCANCELNO) | SIGBIT(SIGSETXIDNO)))
		throw("stress: a kernel thread that schedules blocks the kick");
}

bool
stressschedule(struct m *mp)
{
	checkmask();
	stressat(ST_schedule);
	if(stresschance(STRESS_MOVE, 4))
		spill(mp->p);
	if(stresschance(STRESS_MOVE, 8))
		wakep();
	if(stresschance(STRESS_SLOW, 16))
		netpollbreak();
	if(stresschance(STRESS_SLOW, 16))
		sysmonwake();
	return !mp->spinning && stresschance(STRESS_MOVE, 2) && passp(mp);
}
