/* SPDX-License-Identifier: MIT */
/*
 * Sending kicks. What they do where they arrive: preempt.c.
 *
 * It is signal 32, real-time, which libc keeps for itself and lets no program block or handle; libc sends
 * it in pthread_cancel only. A kick carries a value of ours, so that libc's are told apart and passed on. A
 * thread has at most one kick on its way (m.signalpending), so kicks never fill up the user's limit of
 * queued signals.
 *
 * Where that limit (RLIMIT_SIGPENDING, ulimit -i) is reached by others' signals the kernel refuses a kick: sysmon sends it later. Where it is
 * low from the start, a kick is a signal that needs no place in a queue: a standard one that no program has a use for, SIGSTKFLT. It
 * is then never blocked, and a program's own is told apart by who has sent it (iskick).
 *
 * m.signalpending, and who changes it. A kick that is lost leaves it at SENT, and kickwait waits for ever:
 *
 *   NONE -> ASKED     sysmon (preemptask)
 *   ASKED -> NONE     sysmon: the G has begun a system call meanwhile
 *   any -> SENT       whoever then sends the kick; the M itself, which sends none (kickhold)
 *   SENT -> NONE      the handler, on that M's thread; waitkernel in sigwait.c, which has taken the kick; who could not send it
 *   any -> NONE       minitsignals: the thread is new, and kicks to the one before it are gone with that
 *
 * So a thread must not block kicks for long, nor leave its G doing so:
 *
 *   blocked in                                      until
 *   our handlers                                    they return; the program's let kicks through (SIGNEVER)
 *   siglock and its like, setuid: runtime mode      they are over; there is no switch inside
 *   vfork, clone: the G is not to be found          the call is over
 *   fork: user mode, within libc                    forkparent; lll.c sees to it that the G stays on its thread
 *   sigwait and ppoll: user mode                    the call, which the kick ends
 *   the last moments of an M's thread               its end; nobody waits for it any more
 *
 * Under stress a thread that schedules and blocks kicks is fatal (stress.c).
 */
#include <linux/membarrier.h>
#include <sys/resource.h>

#include "sig.h"

enum { FEWQUEUED = 1024 }; /* other processes of the user's have theirs */

int32_t kicksig = SIGCANCELNO;
uint64_t kickbit = SIGBIT(SIGCANCELNO);
static uint32_t owed; /* atomic: a kick could not be sent */

/* Before there is a second thread. */
void
kickinit(void)
{
	struct rlimit64 lim;

	kicksig = rawsyscall(SYS_prlimit64, 0, RLIMIT_SIGPENDING, NULL, &lim) == 0 && lim.rlim_cur < FEWQUEUED ? SIGSTKFLT : SIGCANCELNO;
	kickbit = SIGBIT(kicksig);
	owed = 0;
}

/* m.signalpending is SENT. */
void
sendkick(struct m *mp)
{
	siginfo_t info = {.si_signo = SIGCANCELNO, .si_code = SI_QUEUE};
	int32_t tid = load_relaxed(&mp->tid);
	long r;

	info.si_pid = sigpid;
	info.si_value.sival_int = KICKMAGIC;
	if(unlikely(kicksig != SIGCANCELNO))
		r = rawsyscall(SYS_tgkill, sigpid, tid, kicksig);
	else
		r = rawsyscall(SYS_rt_tgsigqueueinfo, sigpid, tid, SIGCANCELNO, &info);
	if(likely(r == 0))
		return;
	store_release(&mp->signalpending, KICK_NONE);
	if(r == -EAGAIN && xchg(&owed, 1) == 0)
		sysmonwake();
}

bool
kicksowed(void)
{
	return load_relaxed(&owed) != 0;
}

/* sysmon tries again, until the user has fewer signals queued. Who waits in confine() does so itself. */
void
kickagain(void)
{
	xchg(&owed, 0);
	for(struct m *mp = load_acquire(&allm); mp != NULL; mp = mp->alllink){
		struct g *gp = load_acquire(&mp->curg);

		if(gp != NULL && load_relaxed(&gp->attn) & (ATTN_SIGNAL | ATTN_CANCEL))
			preemptm(mp);
	}
}

void
preemptm(struct m *mp)
{
	if(xchg(&mp->signalpending, KICK_SENT) != KICK_SENT)
		sendkick(mp);
}

/*
 * A kick that asks for preemption must not interrupt a system call, which might return EINTR for nothing. This is
 * Dekker's pattern again, with the barrier on the side of who asks:
 *
 *	sysmon                          G, in entersyscall
 *	signalpending = ASKED           insyscall = 1
 *	membarrier                      compiler barrier
 *	insyscall? then no kick         signalpending? wait until the kick has come, or has been dropped
 *
 * Who kicks for a signal meanwhile turns ASKED into SENT and sends: that kick must not be dropped.
 */
bool
preemptask(struct m *mp, struct g *gp)
{
	if(!options.preempt)
		return true;
	if(!cas(&mp->signalpending, KICK_NONE, KICK_ASKED))
		return false;
	stressat(ST_kick);
	if(!nomembarrier)
		rawsyscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	if(load_acquire(&gp->insyscall) || load_acquire(&mp->curg) != gp)
		cas(&mp->signalpending, KICK_ASKED, KICK_NONE);
	else if(cas(&mp->signalpending, KICK_ASKED, KICK_SENT))
		sendkick(mp);
	return true;
}

/* The other side; runtime mode. Kicks for a signal are awaited, too: by now it may have been delivered. */
void
kickwait(struct m *mp)
{
	for(int i = 0; load_acquire(&mp->signalpending); i++)
		if(i < 100)
			cpurelax();
		else
			rawsyscall(SYS_sched_yield);
}

/*
 * One has been sent whose handler has not begun, however long that takes: it is going to see what attn has had set, with a full
 * barrier, before this look.
 */
bool
kickcomes(struct m *mp)
{
	return load_acquire(&mp->signalpending) == KICK_SENT;
}

/* No kick is pending for the caller's M when this returns, and none will be sent before kickrelease. Runtime mode. */
void
kickhold(struct m *mp)
{
	while(!cas(&mp->signalpending, KICK_NONE, KICK_SENT))
		kickwait(mp);
}

/* What came meanwhile is in attn. */
void
kickrelease(struct m *mp)
{
	store_release(&mp->signalpending, KICK_NONE);
}

/* Kicks by a standard signal have no value, and may have lost their siginfo; but nobody outside the process sends such. */
bool
iskick(struct m *mp, const siginfo_t *info)
{
	return kicksig != SIGCANCELNO &&
	       (mp == NULL || (mp->sigreraise != kicksig && load_acquire(&mp->signalpending) == KICK_SENT)) &&
	       ((info->si_code == SI_TKILL && info->si_pid == sigpid) || (info->si_code == SI_USER && info->si_pid == 0));
}
