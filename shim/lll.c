/* SPDX-License-Identifier: MIT */
/*
 * The locks inside libc: malloc's arenas, stdio's streams, its lists and tables ("low-level locks", lll).
 * Taking one that is free is an instruction inside malloc or putc, which nothing here changes. Only who has to wait, and
 * who unlocks what others wait for, calls libc's __lll_lock_wait_private and __lll_lock_wake_private, which patch.c
 * makes these two functions. The protocol is libc's:
 *
 *	*word   0 free, 1 locked, 2 locked and somebody may wait
 *
 *	lock    0 -> 1, else wait: while xchg(word, 2) != 0: sleep while it is 2
 *	unlock  xchg(word, 0) was 2: wake one
 *
 * A G waits parked, in sema.c under the word's address plus one, as for a futex. Other threads wait in the kernel: those
 * without a G, and Gs within entersyscall or in runtime mode. kwaiters counts them, so that an unlock among Gs makes no system call.
 *
 * No wake-up is lost. A G puts itself on the queue and then looks at the word, the waker changes the word and then looks at the queue
 * (semaidle). A thread in the kernel adds itself to kwaiters and then exchanges the word, the waker exchanges the word, in libc, and
 * then looks at kwaiters: if it finds 0 that thread's exchange comes later, and finds the lock free; else there is a
 * FUTEX_WAKE. Both may have waiters: one of each is woken. Who has waited takes the lock with 2, whether or not others
 * are left, so that its own unlock wakes the next.
 *
 * Some locks are ld.so's, too, which has copies of both functions that know of the kernel only: waiting for those, in ld.so's data, is
 * done in the kernel, and waking, too, whatever kwaiters says.
 */
#include "patch.h"
#include "sig.h"
#include "sync.h"
#include "thread.h"

static bool parks;         /* both functions are ours; set before there is a second thread */
static uintptr_t lo, hi;   /* ld.so's data */
static uint32_t kwaiters;  /* atomic; in the child of a fork it may be too high */

void
lllinit(bool patched, uintptr_t rtlo, uintptr_t rthi)
{
	parks = patched;
	lo = rtlo;
	hi = rthi;
}

static inline bool
ldsolock(const uint32_t *word)
{
	return (uintptr_t)word - lo < hi - lo;
}

static void
waitkernel(uint32_t *word)
{
	fetch_add(&kwaiters, 1);
	while(xchg(word, 2) != 0)
		futexsleep(word, 2, NOTIME);
	fetch_add(&kwaiters, -1);
}

/*
 * enter is rtenter, but it does not wait for a P: it says whether there is one. leave is rtexit, but it does not yield. Whoever
 * calls from inside libc may hold a lock of malloc's, and must not stand on a run queue with it: the runtime makes its
 * kernel threads by pthread_create, which allocates, and a P's queue may be waiting for just that thread. With its
 * lock a G runs on, if need be without a P.
 */
static bool
enter(struct g *gp)
{
	gp->locks++;
	compiler_barrier(); /* as in rtenter */
	if(unlikely(nomembarrier))
		fence_seqcst();
	return load_relaxed(&gp->retake) == RETAKE_NO;
}

static void
leave(struct g *gp)
{
	leaveruntime(gp);
	if(likely((load_relaxed(&gp->attn) & ~(uint32_t)ATTN_PREEMPT) == 0))
		return;
	fetch_and(&gp->attn, ~(uint32_t)ATTN_PREEMPT); /* sysmon will ask again */
	rtexitslow(gp);
}

void
lllwait(uint32_t *word)
{
	struct g *gp = getg();

	if(gp == NULL || gp->locks != 0 || gp->insyscall != 0 || !parks || ldsolock(word)){
		waitkernel(word);
		return;
	}
	if(!enter(gp)){
		leaveruntime(gp);
		waitkernel(word);
		return;
	}
	while(xchg(word, 2) != 0)
		futexpark(gp, Wlibc, word, 2);
	leave(gp);
}

/* Without a P. No handler of the program's may run meanwhile, which might come here again. */
static void
wakewithoutp(uint32_t *word)
{
	semaothersin();
	futexunpark(word, 1);
	semaothersout();
}

static void
wakeg(uint32_t *word)
{
	struct g *gp = getg();
	uint64_t mask;

	if(gp == NULL){
		mask = sigblockall();
		wakewithoutp(word);
		sigsetkernelmask(mask);
		return;
	}
	if(enter(gp) && (gp->locks > 1 || gp->insyscall == 0))
		futexunpark(word, 1);
	else
		wakewithoutp(word);
	if(gp->locks > 1 || forking)
		leaveruntime(gp); /* within fork all signals are blocked: the G must not leave a thread in that state */
	else
		leave(gp);
}

/*
 * Between fork(2) and rtfork the child still looks as if it had the parent's runtime, whose Gs are not there, and
 * whose locks may be held by threads that are not there either.
 */
static bool
inchild(void)
{
	return unlikely(forking) && rawsyscall(SYS_getpid) != sigpid;
}

void
lllwake(uint32_t *word)
{
	if(ldsolock(word)){
		futexwakeup(word, 1); /* and no G waits; the descriptor in force may be another G's here: setxid.c */
		return;
	}
	if(rtready && !semaidle((uintptr_t)word + 1) && !inchild())
		wakeg(word);
	if(!parks || load_relaxed(&kwaiters) != 0)
		futexwakeup(word, 1);
}
