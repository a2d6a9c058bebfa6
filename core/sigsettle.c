/* SPDX-License-Identifier: MIT */
/*
 * Signals on their way to their G.
 *
 * Natively the only thread of a program that lets a signal through has handled it before it executes anything after the
 * event that the signal came from: the tick of a timer before setitimer, which stops that, returns; what a child has sent before
 * the parent has read that child's status. Programs rely on it. They set the default action at once, and any signal that came
 * after would end the process. Where the process is signalled and its first thread lets that through, the kernel
 * means the first thread; so the same goes for main beside other threads.
 *
 * Here main runs on any kernel thread, and the signal is one that the kernel has chosen, most often the first. From there it takes four steps:
 *
 *   1  pending for the process. The thread it is for has been woken, but may wait long for a CPU.
 *   2  taken from the kernel by that thread, which has not come to sigtramp's end yet
 *   3  on heddle's queue, until sysmon has found its G
 *   4  the G has been told, and delivers it
 *
 * In step 3 and 4 it is the G's to take. In step 1 any thread may take it that asks for it: sigcatchup does.
 *
 * Step 2 is short, if the thread is not preempted just there, but leaves no trace. All signals are blocked in it, kicks, too. So
 * sigsettle kicks each thread that may be in it: when the handler of the kick has begun, or the thread has gone on to
 * other things, step 2 is over. First the catching up, then the kicks: what came before sigsettle is in step 3 afterwards.
 * Not asked are
 *
 *   threads in user mode   they may be in a system call that a kick would end, or in vfork, for as long as the child likes. The signal
 *                          is another G's then; sigtramp, which finds no action, knows that it has come late and
 *                          what would have been done with it (sigact)
 *   who blocks it          m.sigmask is the kernel's mask, or has been before a signal came
 *   who comes later        a thread that is new, or lets it through from now on, is told of what comes from now on
 *
 * Kicks are not blocked for long by who is in runtime mode or on g0 (preempt.c), and nobody waits there for the caller, who holds no lock.
 *
 * sigsettle is done where a handler is taken away, a timer stopped, or a child reaped. When a G has waited for the world outside in another way
 * sigcatchup, which costs a system call, is all that is done: who had come to step 2 may be too late then.
 */
#include "sig.h"

enum { SPINS = 100 };
static const int64_t NAP = 20 * USEC;

/* Which of the process's handled signals the kernel would have given to gp, the caller. */
static uint64_t
firstsignals(struct g *gp)
{
	uint64_t set = load_relaxed(&sighandledset) & ~(gp->sigmask | sigwaitset(gp));

	return gp == maing ? set : set & load_relaxed(&maing->sigmask);
}

/*
 * Step 1 is over for what has come: it is in step 3. The thread that had been woken for it finds nothing; if it was in a system call that ends
 * with EINTR it could take that for the effect of a stop (stopped.c). It sees that somebody is at it, or has been.
 */
static uint32_t catching; /* atomic: how many are at it */
uint32_t ncaught;

static void
fromkernel(struct g *gp, uint64_t set)
{
	static const struct timespec now;
	siginfo_t info;

	add_fetch(&catching, 1);
	while(rawsyscall(SYS_rt_sigtimedwait, &set, &info, &now, 8) > 0){
		add_fetch(&ncaught, 1);
		sigput(threaddirected(info.si_signo, &info) ? gp : NULL, NULL, &info);
	}
	add_fetch(&catching, -1);
}

bool
sigcaught(uint32_t before)
{
	while(load_acquire(&catching) != 0)
		rawsyscall(SYS_sched_yield);
	return load_acquire(&ncaught) != before;
}

void
sigsettlefork(void)
{
	catching = 0;
}

static void
fromqueue(struct g *gp, uint64_t set)
{
	if(sigwaits(gp, set))
		fetch_or(&gp->attn, ATTN_SIGNAL);
}

/*
 * On the process's first kernel thread there is nothing to be taken: that is the one which the kernel wakes when it can, and if another, that one
 * takes on its way back from the kernel all that waits for the process and that it lets through. So an event loop of main's, which
 * stays there, pays nothing.
 */
void
sigcatchupslow(struct g *gp)
{
	uint64_t set = firstsignals(gp);

	if(set == 0)
		return;
	if(gp->m != firstm)
		fromkernel(gp, set);
	fromqueue(gp, set);
}

/* Is it in user mode? It is not in step 2 then with what was the process's before the caller's look. */
static bool
inuser(struct m *mp)
{
	struct g *gp = load_acquire(&mp->curg);

	return gp != NULL && load_relaxed(&gp->locks) == 0;
}

static bool
maytake(struct m *mp, uint64_t set)
{
	return (load_acquire(&mp->sigmask) & set) != set && !inuser(mp);
}

static void
awaitkick(struct m *mp, uint64_t set)
{
	for(int i = 0; kickcomes(mp) && maytake(mp, set); i++)
		if(i < SPINS)
			cpurelax();
		else
			usleep_ns(NAP);
}

static void
othersdone(struct m *self, uint64_t set)
{
	struct m *sysmon = sigsysmon();

	for(struct m *mp = load_acquire(&allm); mp != NULL; mp = mp->alllink)
		if(mp != self && maytake(mp, set))
			preemptm(mp);
	if(sysmon != NULL)
		preemptm(sysmon);
	for(struct m *mp = load_acquire(&allm); mp != NULL; mp = mp->alllink)
		if(mp != self)
			awaitkick(mp, set);
	if(sysmon != NULL)
		awaitkick(sysmon, set);
}

void
sigsettlert(struct g *gp, uint64_t which)
{
	uint64_t set = firstsignals(gp) & which;

	if(set == 0)
		return;
	fromkernel(gp, set);
	othersdone(gp->m, set);
	fromqueue(gp, set);
}

void
sigsettle(struct g *gp, uint64_t which)
{
	if((load_relaxed(&sighandledset) & which) == 0 || gp->locks != 0)
		return;
	rtenter(gp);
	sigsettlert(gp, which);
	rtexit(gp);
}
