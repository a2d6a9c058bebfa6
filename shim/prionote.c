/* SPDX-License-Identifier: MIT */
/*
 * What libc notes of a thread's priority.
 *
 * libc keeps in a thread's descriptor its policy and priority, from the first time that it sets them or asks the kernel for them.
 * A mutex of the protocol PTHREAD_PRIO_PROTECT is refused to a thread with a higher one than its ceiling, raises a lower one,
 * and when it is unlocked the thread gets back what the note says. So what another thread sets has to get into the note, too.
 *
 * libc's function for that changes the kernel thread whose tid is in the descriptor: the G's M's while the G is pinned (pin.c), and
 * only then may the G have such a mutex. Then libc does all of it, under its lock of the descriptor. While the G is not pinned the
 * tid there is nobody's. So the change is made by number, and kept (given) until the G is pinned again for such a mutex:
 *
 *   who changes, with notelock                      the G
 *   s = pinseq                                      pinseq++: odd; its M's tid into the descriptor
 *   pinned: libc's function; done, but for ESRCH    notelock: is there something given? libc's function
 *   else by number; given = that                    locks the mutex
 *   pinseq == s? else once more                     ...
 *                                                   unlocks it: the kernel thread gets what the note says
 *                                                   pinseq++
 *
 * If it is pinned before the second look at pinseq, the change is made once more, by libc. If after, it takes notelock after, too, and
 * finds what was given. If it was pinned for a while in between, it has given itself back the priority of the old note, and the change is
 * made once more.
 *
 * What is given is for a G with its goid: a descriptor may be another thread's by the time that it is found.
 *
 * notelock is a mutex as a program's, for Gs and foreign threads in user mode: within it libc waits for its lock of the descriptor, and
 * who has that may be in a handler of the program's, and need the P.
 */
#include "sync.h"
#include "prionote.h"
#include "tls.h"

static pthread_mutex_t notelock = PTHREAD_MUTEX_INITIALIZER;
static __thread struct {
	uint64_t goid; /* 0: nothing; atomic, written with notelock */
	bool haspolicy;
	int policy;
	struct sched_param param;
} given __attribute__((tls_model("initial-exec")));

static int
bylibc(struct g *gp, const int *policy, const struct sched_param *param)
{
	return policy != NULL ? libc.pthread_setschedparam(gp->fsbase, *policy, param) :
	                        libc.pthread_setschedprio(gp->fsbase, param->sched_priority);
}

static int
bynumber(int32_t tid, const int *policy, const struct sched_param *param)
{
	long r = policy != NULL ? rawsyscall(SYS_sched_setscheduler, tid, *policy, param) :
	                          rawsyscall(SYS_sched_setparam, tid, param);

	return r < 0 ? (int)-r : 0;
}

/* notelock. */
static void
give(struct g *gp, uint64_t goid, const int *policy, const struct sched_param *param)
{
	__typeof__(given) *to = OTHERS(gp, given);

	if(to->goid != goid)
		to->haspolicy = false;
	if(policy != NULL){
		to->haspolicy = true;
		to->policy = *policy;
	}
	to->param = *param;
	store_relaxed(&to->goid, goid);
}

int
prioset(struct g *gp, uint64_t goid, int32_t tid, const int *policy, const struct sched_param *param)
{
	uint32_t seq;
	int e;

	pthread_mutex_lock(&notelock);
	do{
		seq = pinseq(gp);
		if(pinseqpinned(seq)){
			libcnotes(gp);
			if((e = bylibc(gp, policy, param)) == 0)
				store_relaxed(&OTHERS(gp, given)->goid, 0);
			if(e != ESRCH)
				break;
		}
		if((e = bynumber(tid, policy, param)) != 0)
			break;
		give(gp, goid, policy, param);
		fence_seqcst(); /* pairs with the one in pin */
	}while(pinseq(gp) != seq);
	pthread_mutex_unlock(&notelock);
	return e;
}

static int
kernels(int32_t tid, int *policy, struct sched_param *param)
{
	long r = rawsyscall(SYS_sched_getscheduler, tid);

	if(r >= 0){
		*policy = (int)r;
		r = rawsyscall(SYS_sched_getparam, tid, param);
	}
	return r < 0 ? (int)-r : 0;
}

/* One look. ESRCH: it has been unpinned meanwhile. notelock. */
static int
getonce(struct g *gp, int32_t tid, uint32_t s, int *policy, struct sched_param *param)
{
	__typeof__(given) *to = OTHERS(gp, given);
	int e;

	if(to->goid == 0 || to->goid != load_relaxed(&gp->goid))
		return pinseqpinned(s) ? libc.pthread_getschedparam(gp->fsbase, policy, param) : kernels(tid, policy, param);
	if((e = kernels(tid, policy, param)) == 0){
		if(to->haspolicy)
			*policy = to->policy;
		*param = to->param;
	}
	return e;
}

int
prioget(struct g *gp, int32_t tid, int *policy, struct sched_param *param)
{
	uint32_t s;
	int e;

	pthread_mutex_lock(&notelock);
	do{
		s = pinseq(gp);
		e = getonce(gp, tid, s, policy, param);
		fence_seqcst();
	}while(pinseq(gp) != s);
	pthread_mutex_unlock(&notelock);
	return e;
}

void
priotake(struct g *gp)
{
	if(gp == NULL || gp->flags & GF_FOREIGN || likely(load_relaxed(&given.goid) == 0))
		return;
	pthread_mutex_lock(&notelock);
	if(given.goid == gp->goid)
		bylibc(gp, given.haspolicy ? &given.policy : NULL, &given.param);
	store_relaxed(&given.goid, 0);
	pthread_mutex_unlock(&notelock);
}

void
prionotefork(void)
{
	notelock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	given.goid = 0;
}
