/* SPDX-License-Identifier: MIT */
/*
 * sysmon: the one thread that runs without a P (Go: proc.go sysmon, retake).
 *
 * Each round, at once after one that took a P, 20 us apart while there is something to do and up to 10 ms when not, it
 *   - takes the P of a G that stayed in a system call for a whole round without using the CPU;
 *   - asks a G that ran for a slice (10 ms, less when many wait) to yield, by flag and signal;
 *   - takes the P of one that did not yield, or that blocks in a call nobody knows;
 *   - polls the network if nobody did for 10 ms; starts an M for an overdue timer;
 * With all Ps idle it sleeps until pidleget() wakes it: an idle process has no wakeups. With only main left it ends (alone.c).
 *
 * Taking a P from a G in user mode
 * --------------------------------
 * Only sysmon takes, so there is one taker. For G and its rtenter():
 *
 *   sysmon                                   G
 *   retake = ASKED                           locks++
 *   heavybarrier                             compiler barrier
 *   locks == 0, same G, M, P?                retake != NO?
 *     yes: take, retake = TAKEN                ASKED: wait for the verdict
 *     no:  retake = NO                         TAKEN: get another P
 *
 * Whatever the G does lies before or after the barrier. If locks++ is before, sysmon
 * sees it and backs off. If after, so is the load of retake: the G sees ASKED and waits.
 * So sysmon takes only from a G that is in user mode and cannot leave it
 * unnoticed, and the G pays one load for it. Where membarrier is refused,
 * rtenter has a fence and sysmon one here.
 */
#include <sys/prctl.h>

#include "stopped.h"
#include "sysmon.h"

static const int64_t MINDELAY = 20 * USEC, WAITDELAY = MSEC, BRISKDELAY = 5 * MSEC, MAXDELAY = 10 * MSEC;
static const int64_t BRISK = MSEC, LOOPBRISK = 5 * MSEC / 2;
enum { SYSMONSTACK = 64 << 10, IDLEROUNDS = 50, DEEPROUNDS = 6, FUTILE = 4, LOOKS = 3 };

/*
 * Wakes in a row, by calls that might block while others wait, after which none did. A server that opens and reads files
 * which are in memory makes such calls all the time, and would pay for a wake with each. After FUTILE of
 * them sysmon looks but once when woken, and cannot be woken in its next rest (a nap) of a millisecond, later of up to five: a call
 * that does block then keeps its P for that long, once.
 */
static int futile;
static int64_t nap = MSEC;
static bool suspect; /* a G may be blocked in its call, while others wait */

/* What a round wants to take: candidates share one membarrier. */
struct cand {
	struct p *pp;
	struct m *mp;
	struct g *gp;
};

/*
 * Blocked in a system call since the last round? One that computes there (a large write, a send that does the
 * receiver's work) makes progress by the thread's CPU clock, and keeps its P for a slice.
 */
static bool
blocked(struct p *pp, struct m *mp, struct g *gp, int64_t now)
{
	uint32_t t = load_relaxed(&gp->syscalltick);
	int64_t cpu;

	if(stresschance(SC_takenincall))
		return true;
	if(pp->sysg != gp || pp->syssystick != t){
		pp->sysg = gp;
		pp->syssystick = t;
		pp->syssyswhen = now;
		pp->syscpu = mcputime(mp);
		suspect |= workwaits(pp, now);
		return false;
	}
	/* nothing waits for it, and others look out for work: leave it, but not for ever */
	if(now - pp->syssyswhen >= SLICE)
		return true;
	if(!workwaits(pp, now) && load_relaxed(&sched.nmspinning) + load_relaxed(&sched.npidle) != 0)
		return false;
	cpu = mcputime(mp);
	if(cpu >= 0 && cpu != pp->syscpu){
		pp->syscpu = cpu;
		suspect |= workwaits(pp, now);
		return false;
	}
	return true;
}

/*
 * Only what was asked is answered. A G that went on in runtime mode may have given its P away since (entersyscallblock):
 * its TAKEN must stand, or it would come back believing that it has the P still.
 */
static void
verdict(struct g *gp, uint32_t v)
{
	uint32_t r = load_acquire(&gp->retake);

	while(r == RETAKE_ASKED || r == RETAKE_SLEEP){
		if(cas(&gp->retake, r, v)){
			if(r == RETAKE_SLEEP)
				futexwakeup(&gp->retake, 1);
			return;
		}
		r = load_acquire(&gp->retake);
	}
}

/* Does the question still stand? If it does after the barrier, and the G is in user mode, it cannot leave that unnoticed. */
static bool
asked(struct g *gp)
{
	uint32_t r = load_acquire(&gp->retake);

	return r == RETAKE_ASKED || r == RETAKE_SLEEP;
}

/* Takes the Ps of the candidates that are still in user mode; returns how many. */
static int
take(struct cand *c, int n)
{
	int taken = 0;

	for(int i = 0; i < n; i++)
		cas(&c[i].gp->retake, RETAKE_NO, RETAKE_ASKED); /* not if it has given its P away meanwhile */
	stressat(ST_asked);
	heavybarrier();
	stressat(ST_taken);
	for(int i = 0; i < n; i++){
		struct p *pp = c[i].pp;
		struct m *mp = c[i].mp;
		struct g *gp = c[i].gp;

		if(load_acquire(&gp->locks) != 0 || !asked(gp) || load_acquire(&mp->curg) != gp || pp->m != mp || mp->p != pp ||
		   gp->m != mp){
			verdict(gp, RETAKE_NO);
			c[i].pp = NULL;
			continue;
		}
		releasep(mp);
		pp->systries = 0;
		verdict(gp, RETAKE_TAKEN); /* releases the stores of releasep */
		taken++;
	}
	for(int i = 0; i < n; i++)
		if(c[i].pp != NULL)
			handoffp(c[i].pp);
	return taken;
}

static int
retake(int64_t now)
{
	struct cand c[16];
	int n = 0;

	for(int i = 0; i < gomaxprocs && n < (int)nelem(c); i++){
		struct p *pp = allp[i];
		struct m *mp;
		struct g *gp;

		if(load_acquire(&pp->status) != Prunning || (mp = load_relaxed(&pp->m)) == NULL)
			continue;
		gp = load_acquire(&mp->curg);
		if(gp == NULL)
			continue; /* on g0 */
		if(load_relaxed(&gp->locks) != 0){
			if(!load_relaxed(&gp->insyscall))
				overdueinside(pp, mp, gp, now);
			continue;
		}
		if(load_relaxed(&gp->insyscall) ? !blocked(pp, mp, gp, now) : !overdue(pp, mp, gp, now))
			continue;
		c[n++] = (struct cand){pp, mp, gp};
	}
	return n ? take(c, n) : 0;
}

/*
 * A G found in a call while others wait is looked at again at once; between the looks its thread may run, if it was off the CPU
 * only because we are on it. To sleep would cost 20 us and more to fall asleep and wake. Where we share a CPU with it our timer
 * often stops it on its way into the call: then it runs on at the first yield, the second look sees that it has, and
 * the third that it does no more.
 */
static int
retakenow(int64_t now)
{
	int n;

	suspect = false;
	looksseen();
	n = retake(now);
	for(int i = 1; suspect && i < LOOKS; i++){
		suspect = false;
		rawsyscall(SYS_sched_yield); /* where others compute on our CPU they may keep it for milliseconds */
		n += retake(nanotime());
	}
	return n;
}

/* The network, if nobody has polled it for a slice. */
static void
pollnetwork(int64_t now)
{
	int64_t last = load_acquire(&sched.lastpoll);
	struct glist l;

	if(last == 0 || last + SLICE > now || !netpollanywaiters() || !cas(&sched.lastpoll, last, now))
		return;
	if(xchg(&sched.polled, 0) != 0)
		return; /* the Ps do it themselves */
	l = netpoll(0);
	if(l.head != NULL)
		injectglist(&l);
}

/* Sleeps until a P is taken into use, if all are idle; for a second only while there are stacks to give back. */
static bool
deepsleep(void)
{
	int64_t now = nanotime(), until = stackspare() ? now + NSEC : alonedue(now);

	if(options.schedtrace > 0 || load_relaxed(&sched.nblockq) != 0 || kicksowed())
		return false;
	lock(&sched.lock);
	if(sched.npidle != gomaxprocs || strandedwork()){
		unlock(&sched.lock);
		return false;
	}
	noteclear(&sched.sysmonnote);
	xchg(&sched.sysmonwait, SYSMON_DEEP); /* a full barrier, as in rest() */
	unlock(&sched.lock);
	sigmasksysmon(); /* with all Ps idle no G changes its mask any more */
	if(load_acquire(&sched.sigwake))
		sysmonwake();
	if(!notesleep(&sched.sysmonnote, until, false) && !cas(&sched.sysmonwait, SYSMON_DEEP, SYSMON_AWAKE))
		notesleep(&sched.sysmonnote, NOTIME, false); /* a waker is on its way: let it use the note */
	return true;
}

/* sysmonwake ends sysmon's sleep. Who changes sysmonwait to SYSMON_AWAKE uses the note, once. */
void
sysmonwake(void)
{
	if(load_relaxed(&sched.sysmonwait) != SYSMON_AWAKE && xchg(&sched.sysmonwait, SYSMON_AWAKE) != SYSMON_AWAKE){
		notewakeup(&sched.sysmonnote);
		stopring();
	}
}

/*
 * After a round that took a P: lets those run who share our CPU, instead of a sleep. Calls that block come in rows, as the G that got
 * the P makes the next one. On one CPU it has done so when we run again, and to sleep then would leave the CPU idle for 20 us and for as
 * long as the timer takes, on a virtual machine 30 us more. But where somebody computes on our CPU a yield costs us our turn, for
 * milliseconds: then not again until the time lost is a hundredth. False if it was not done.
 */
static bool
letrun(void)
{
	static int64_t notbefore;
	int64_t start = nanotime(), lost;

	if(start < notbefore)
		return false;
	rawsyscall(SYS_sched_yield);
	if((lost = nanotime() - start) > MSEC)
		notbefore = start + 100 * lost;
	return true;
}

/* Rests between rounds; a long rest can be cut short by sysmonwake. True if it was. */
static bool
rest(int64_t delay, bool took)
{
	uint32_t how = futile >= FUTILE && delay <= nap ? SYSMON_NAPS : SYSMON_RESTS;
	int64_t until;
	bool watch;

	if(took && letrun())
		return false;
	watch = stopwatches();
	if(delay < MSEC){
		if(watch)
			stopnap(delay);
		else
			usleep_ns(delay);
		return false;
	}
	noteclear(&sched.sysmonnote);
	xchg(&sched.sysmonwait, how); /* before the look at sigwake: pairs with the fetch_or in sigtramp */
	if(load_acquire(&sched.sigwake) || lookanswered())
		sysmonwake();
	until = nanotime() + delay;
	if(watch ? stopsleep(&sched.sysmonnote, until) : notesleep(&sched.sysmonnote, until, false))
		return true;
	if(!cas(&sched.sysmonwait, how, SYSMON_AWAKE))
		notesleep(&sched.sysmonnote, NOTIME, false); /* a waker is on its way: let it use the note */
	return false;
}

/*
 * How long a round may be, which is longer while nothing waits for a P. Where something does, but each G has run for less than BRISK
 * on average since the last long round, as in a busy server, all get their turns without us: a round in five milliseconds is for
 * the day when one does not. With 1,000 a second, the timer's cost included, sysmon took 2 to 3 % of a virtual machine's CPU.
 * Event loops that are in each other's way end their turns by themselves, after longer (shim/epoll.c).
 */
static int64_t
waitdelay(int64_t now)
{
	static int64_t last;
	int64_t passed = now - last, delay = MAXDELAY;

	last = now;
	for(int i = 0; i < gomaxprocs; i++){
		struct p *pp = allp[i];
		uint32_t t = load_relaxed(&pp->schedtick), ran = t - pp->syswaittick;
		int64_t brisk = t - load_relaxed(&pp->looptick) <= 1 ? LOOPBRISK : BRISK; /* is this, or was the last, a loop's turn? */

		pp->syswaittick = t;
		if(load_relaxed(&pp->status) != Prunning || !workwaits(pp, now))
			continue;
		if(ran * brisk < passed)
			delay = WAITDELAY;
		else if(delay > BRISKDELAY)
			delay = BRISKDELAY;
	}
	return delay;
}

/*
 * A timer that nobody serves although a P is idle: its poller is stuck, start another. If there can be none, and the Ms that there are run what
 * computes, they never look at the timers of idle Ps: then it is done here. What they wake goes to the global queue.
 */
static void
overduetimers(int64_t now)
{
	int64_t w;
	bool ran;

	if(load_relaxed(&sched.npidle) == 0 || (w = timesleepuntil()) == 0 || w + SLICE >= now)
		return;
	if(gomaxprocs > 1 && load_relaxed(&sched.refused) && load_relaxed(&sched.nmidle) == 0)
		for(int i = 0; i < gomaxprocs; i++)
			if(load_relaxed(&allp[i]->status) == Pidle)
				checktimers(allp[i], now, &ran);
	startm(NULL, false);
}

/*
 * Does mp's thread, which has no P, compute? Either it is on a CPU now, or it has run before each of the last looks, a slice
 * apart: where it shares our CPU it is never found there.
 */
static bool
computes(struct m *mp)
{
	int64_t cpu = mcputime(mp);

	mp->cpulooks = cpu != mp->cpulast ? mp->cpulooks + 1 : 0;
	mp->cpulast = cpu;
	if(!oncpu(mp) && mp->cpulooks <= OFFCPULOOKS)
		return false;
	mp->cpulooks = 0;
	return true;
}

/*
 * An idle P, work, and no M: the kernel has refused one. It is asked again; and Gs that compute on although their P has been taken are
 * asked to yield, as theirs may be all the threads there are.
 */
static void
rescue(int64_t now)
{
	static int64_t since;
	bool stranded;

	if(likely(load_relaxed(&sched.npidle) == 0))
		return;
	lock(&sched.lock);
	stranded = sched.pidle != NULL && strandedwork();
	unlock(&sched.lock);
	if(!stranded || since == 0)
		since = stranded ? now : 0;
	if(!stranded || now - since < SLICE)
		return;
	since = now;
	startm(NULL, false);
	for(struct m *mp = load_acquire(&allm); mp != NULL; mp = mp->alllink){
		struct g *gp = load_acquire(&mp->curg);

		if(gp == NULL || load_relaxed(&mp->p) != NULL || load_relaxed(&gp->insyscall) || load_relaxed(&gp->locks) != 0 ||
		   !computes(mp))
			continue;
		fetch_or(&gp->attn, ATTN_PREEMPT);
		preemptask(mp, gp);
	}
}

static void *
sysmon(void *arg)
{
	int64_t delay = MINDELAY, longest, lasttrace = nanotime(), lastscavenge = 0, now = lasttrace;
	int idle = 0, asleep = 0;
	bool took = false;

	rawsyscall(SYS_prctl, PR_SET_TIMERSLACK, 1, 0, 0, 0);
	tls_helper = true;
	sigsysmonstart();
	for(;;){
		sigmasksysmon();
		if((unlikely(stressing & STRESS_PREEMPT) && load_relaxed(&sched.npidle) != gomaxprocs) || alonewished())
			idle = 0;
		if(idle == 0)
			delay = MINDELAY;
		else if(idle > IDLEROUNDS && (delay *= 2) > MAXDELAY)
			delay = MAXDELAY;
		if(delay > WAITDELAY && (longest = waitdelay(now)) < delay)
			delay = longest;
		if(rest(delay, took)){
			if(futile < FUTILE){
				futile++;
				idle = 0;
				nap = WAITDELAY;
			}else{
				delay = nap / 2;
				if((nap *= 2) > BRISKDELAY)
					nap = BRISKDELAY;
			}
		}
		/* all idle in a row of long rounds: sleep for good, and begin with long rounds after */
		asleep = delay == MAXDELAY && load_relaxed(&sched.npidle) == gomaxprocs ? asleep + 1 : 0;
		if(asleep >= DEEPROUNDS && deepsleep()){
			idle = IDLEROUNDS + 1;
			delay = MSEC;
			asleep = 0;
		}
		now = nanotime();
		took = retakenow(now) != 0;
		if(took)
			idle = futile = 0;
		else if(idle <= IDLEROUNDS)
			idle++;
		pollnetwork(now);
		if(unlikely(load_relaxed(&sched.sigwake)))
			sigdispatch(NULL);
		if(unlikely(kicksowed()))
			kickagain();
		overduetimers(now);
		rescue(now);
		blockretry(now);
		if(options.schedtrace > 0 && now - lasttrace >= options.schedtrace * MSEC){
			lasttrace = now;
			schedtrace();
		}
		if(now - lastscavenge > NSEC){
			lastscavenge = now;
			stackscavenge(now);
		}
		if(alonetry(now))
			return NULL;
	}
}

bool sysmonmade;

int
sysmonstart(void)
{
	static bool said;
	int e = newhelper(sysmon, SYSMONSTACK);

	sysmonmade |= e == 0;
	if(e != 0 && !said)
		rtlog("cannot make the monitor thread (error %d): Gs are not preempted and unknown blocking calls hold "
		      "up others. Raise RLIMIT_NPROC (ulimit -u) or the cgroup's pids.max.", e);
	said |= e != 0;
	return e;
}

/* wakenetpoller makes sure that somebody wakes at when: the blocked poller, or a new one. */
void
wakenetpoller(int64_t when)
{
	if(load_relaxed(&sched.npidle) == 0)
		return; /* all Ps run: each sees its timers when it schedules, and before it idles */
	if(load_acquire(&sched.lastpoll) == 0){
		int64_t u = load_acquire(&sched.polluntil);

		if(u == 0 || u > when)
			netpollbreak();
	}else
		wakep();
}
