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
 * A delay at all points alike would hide as much as it shows. So the seed chooses for each point how often there is one:
 * never at half of them, often at a few; and for each chance of one in two whether it is a certainty. Different seeds search in
 * different places.
 *
 * What is repeated. Each site has a sequence of decisions for each P, and one more for threads that have none: the k-th decision
 * depends on the seed, the site, the P's number and k. What a run does depends on these and on how the kernel schedules the threads; but how often
 * a lock of the runtime's was contended does not change what comes of a wait. With one P only time is left to change the order in
 * which Gs run, so with preempt=0 and without +preempt nothing is done for how long it takes (stresstimeless): Gs that wait for each other
 * only then run in the same order with the same seed, whatever else the machine does. (Ps move between Ms even so, but
 * which M has the P is nothing to a G; and a P that is passed on takes no second decision in the same turn.)
 *
 * stress=...+count has the process say at its end what was decided: how often, and for decisions of Ps that change the order of Gs a
 * number made of each P's sequence of them.
 */
#include <string.h>

#include "sig.h"

static const struct {
	const char *name;
	uint32_t chance; /* once in so many times; of delays as the seed says */
} sites[STRESS_SITES] = {
#define POINT(name) {#name, 0},
#define CHANCE(name, kind, n) {#name, n},
	STRESSPOINTS(POINT)
	STRESSCHANCES(CHANCE)
#undef POINT
#undef CHANCE
};

/* A P's; only its holder writes. The last is that of all threads without a P; atomic. */
static struct stream {
	uint32_t drawn[STRESS_SITES], asked[STRESS_SITES], done[STRESS_SITES];
	uint64_t order;
} cachealigned streams[MAXPROCS + 1];

uint32_t stressing;
bool stresstimeless;
static uint32_t chance[STRESS_SITES]; /* once in so many times, 0 never */
static uint32_t said;                 /* atomic */

#define GOLDEN 0x9e3779b97f4a7c15

/* The finalizer of splitmix64: each bit of the result depends on all of x. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static struct stream *
mystream(struct m *mp)
{
	struct p *pp = mp != NULL ? load_relaxed(&mp->p) : NULL;

	return pp != NULL ? &streams[pp->id] : &streams[MAXPROCS];
}

static struct m *
mym(void)
{
	return load_relaxed(&rtready) ? getm() : NULL;
}

static uint32_t
draw(struct stream *s, enum stresspoint at)
{
	uint32_t n = add_fetch(&s->drawn[at], 1);

	return (uint32_t)mix(mix(options.stress.seed + (uint64_t)(s - streams) * STRESS_SITES + at) + n * GOLDEN);
}

uint32_t
stressrand(enum stresspoint at)
{
	return draw(mystream(mym()), at);
}

/* Does it depend on time how often an M with a P comes by this site? It waits for a lock of the runtime's, or looks for another M. */
static bool
bytime(enum stresspoint at)
{
	return at == SC_shortsleep || at == SC_otherm || at == SC_otherp;
}

bool
stressdraws(enum stresspoint at)
{
	struct stream *s = mystream(mym());
	bool does = draw(s, at) % chance[at] == 0;

	add_fetch(&s->asked[at], 1);
	if(does)
		add_fetch(&s->done[at], 1);
	if(!bytime(at))
		store_relaxed(&s->order, mix(load_relaxed(&s->order) + at * 2 + does + GOLDEN));
	return does;
}

void
stressinit(void)
{
	static const uint32_t often[] = {0, 0, 0, 0, 256, 256, 32, 4};
	uint64_t seed;

	if((stressing = options.stress.kinds) == 0)
		return;
	stresstimeless = !(stressing & STRESS_PREEMPT) && !options.preempt;
	if(options.stress.seed == 0)
		options.stress.seed = (uint32_t)mix((uint64_t)nanotime()) >> 1 | 1;
	seed = mix(options.stress.seed);
	for(int i = 0; i < STRESS_SITES; i++){
		uint64_t r = mix(seed + (uint64_t)i * GOLDEN);

		chance[i] = i < ST_MAX ? often[r % nelem(often)] : sites[i].chance != 2 ? sites[i].chance : 1 + r % 2;
	}
	if(xchg(&said, 1) == 0)
		stresssaid();
}

void
stressfork(void)
{
	if(unlikely(stressing)) /* untouched otherwise, which is a megabyte that no child needs */
		memset(streams, 0, sizeof streams);
}

static const char *
kindnames(void)
{
	static char names[40];
	uint32_t k = options.stress.kinds;

	fmtbuf(names, sizeof names, "%s%s%s%s", k & STRESS_PREEMPT ? "+preempt" : "", k & STRESS_MOVE ? "+move" : "",
	    k & STRESS_DELAY ? "+delay" : "", k & STRESS_SLOW ? "+slow" : "");
	return names;
}

void
stresssaid(void)
{
	struct m *mp = mym();

	if(stressing != 0)
		rtlog("stress=seed:%u%s%s%s", options.stress.seed, kindnames(),
		    mp != NULL ? "; this thread's last delay: " : "", mp != NULL ? sites[mp->stressedat].name : "");
}

/* The sites from first to before last, with how often each was come by and what was done. */
static void
saycounts(const char *what, int first, int last)
{
	char line[900];
	int n = 0;

	line[0] = 0;
	for(int i = first; i < last; i++){
		uint32_t asked = 0, done = 0;

		for(int k = 0; k <= MAXPROCS; k = k + 1 < gomaxprocs ? k + 1 : k < MAXPROCS ? MAXPROCS : k + 1){
			asked += load_relaxed(&streams[k].asked[i]);
			done += load_relaxed(&streams[k].done[i]);
		}
		if(asked != 0 && n < (int)sizeof line - 64)
			n += fmtbuf(line + n, sizeof line - (size_t)n, " %s %u/%u", sites[i].name, done, asked);
	}
	rtlog("stress: %s:%s", what, line);
}

/* At the process's end. Other threads may still run: then it is about so many. */
static void __attribute__((destructor))
saycount(void)
{
	uint64_t order = 0;

	if(likely(!options.stress.count) || stressing == 0 || !load_relaxed(&rtready))
		return;
	for(int k = 0; k < gomaxprocs; k++)
		order += mix(load_relaxed(&streams[k].order) + (uint64_t)k);
	saycounts("delays", 0, ST_MAX);
	saycounts("done", ST_MAX, STRESS_SITES);
	rtlog("stress=seed:%u%s: order %08x", options.stress.seed, kindnames(), (uint32_t)order);
}

void
stressdelay(enum stresspoint at)
{
	struct m *mp = mym();
	struct stream *s = mystream(mp);
	uint32_t r;

	add_fetch(&s->asked[at], 1);
	if(chance[at] == 0 || draw(s, at) % chance[at] != 0)
		return;
	add_fetch(&s->done[at], 1);
	if(mp != NULL)
		mp->stressedat = (uint8_t)at;
	r = draw(s, at);
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
	if(!gp->insyscall && stresschance(SC_yields))
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

/*
 * mp gives its P to another M, an idle one or, while there are few, a new one, for which the P waits with nothing to run (empty). True
 * if it has done so.
 */
static bool
passp(struct m *mp, bool empty)
{
	struct p *pp;
	bool can;

	lock(&sched.lock);
	can = sched.midle != NULL || (empty && sched.mcount < gomaxprocs + 4);
	unlock(&sched.lock);
	if(!can)
		return false;
	pp = mp->p;
	pp->stresspassed = true;
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
	if(blocked & (kickbit | SIGBIT(SIGCANCELNO) | SIGBIT(SIGSETXIDNO)))
		throw("stress: a kernel thread that schedules blocks the kick");
}

bool
stressschedule(struct m *mp)
{
	struct p *pp = mp->p;
	bool spilt, wakes, breaks, passes;

	checkmask();
	stressat(ST_schedule);
	if(pp->stresspassed){
		pp->stresspassed = false;
		return false;
	}
	if((spilt = stresschance(SC_spills)))
		spill(pp);
	wakes = stresschance(SC_wakes);
	breaks = stresschance(SC_breakspoll);
	if(stresschance(SC_wakessysmon))
		sysmonwake();
	passes = stresschance(SC_passesp);
	if(load_relaxed(&sched.alone) != ALONE_NO)
		return false; /* main wants to be alone: all other Ms have to be idle at a time */
	if(wakes)
		wakep();
	if(breaks)
		netpollbreak();
	return passes && !mp->spinning && passp(mp, spilt);
}
