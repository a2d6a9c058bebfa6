/* SPDX-License-Identifier: MIT */
/* Joining and detaching. The protocol is beside the states in thread.h. */
#include <errno.h>

#include "sync.h"
#include "thread.h"

/* On g0, with a P: what a join waits for comes from there alone, as if it were on a queue of sema.c (setparked in park.c). */
static void
wakejoiner(struct g *joiner, uint64_t seq)
{
	int r;

	if(semaenter()){
		r = claimalone(joiner, seq);
		semaleave();
	}else{
		r = claim(joiner, seq, WAKE_READY);
	}
	if(r == 2)
		ready(joiner);
}

/* gp has ended; on g0. Who joins it may free it as soon as the state is Jended. */
void
joinended(struct g *gp)
{
	uint32_t s = load_acquire(&gp->exitstate);
	struct g *joiner;
	uint64_t seq;

	do{
		if((s & JSTATE) == Jdetached){
			threadfree(gp);
			return;
		}
		joiner = gp->joiner;
		seq = gp->joinseq;
	}while(!jchange(gp, &s, Jended));
	stressat(ST_joinended);
	if((s & JSTATE) == Jwaiting)
		wakejoiner(joiner, seq);
}

/* Takes the result of a thread that has ended, and frees it; ESRCH if somebody else has done so. */
static int
reap(struct g *gp, void **res)
{
	uint32_t s = load_acquire(&gp->exitstate);
	void *r = gp->result;

	if((s & JSTATE) != Jended || !jchange(gp, &s, Jgone))
		return ESRCH;
	if(res != NULL)
		*res = r;
	threadfree(gp);
	return 0;
}

/* Changes between the joiner's own states, Jclaimed, Jwaiting, Jrun: false if gp has ended. */
static bool
become(struct g *gp, uint32_t state)
{
	uint32_t s = load_acquire(&gp->exitstate);

	return (s & JSTATE) != Jended && jchange(gp, &s, state);
}

/*
 * In Jclaimed: a signal or a request to end has come. Handlers run, and cancellation happens, in user mode. They may
 * leave from here, so that gp must be joinable again. False if gp has ended or is another's to join.
 */
static bool
interrupted(struct g *self, struct g *gp)
{
	uint32_t s;

	become(gp, Jrun);
	rtexit(self);
	cancelpoint(self);
	rtenter(self);
	s = load_acquire(&gp->exitstate);
	return (s & JSTATE) == Jrun && jchange(gp, &s, Jclaimed);
}

/* Waits for the end of gp, which the caller has claimed; in runtime mode. d may be NULL. */
static int
waitended(struct g *self, struct g *gp, struct deadline *d)
{
	enum wakewhy why;

	if(d != NULL && deadlineset(d) != 0)
		return become(gp, Jrun) ? EINVAL : 0;
	if(load_relaxed(&self->attn) & ATTN_CANCEL && !interrupted(self, gp))
		return 0;
	for(;;){
		gp->joinseq = parkprep(self);
		gp->joiner = self;
		if(!become(gp, Jwaiting)){
			parkabort(self, &why);
			return 0;
		}
		why = park(self, Wjoin, gp, d ? d->when : NOTIME);
		if(why == WAKE_READY || !become(gp, Jclaimed))
			return 0;
		if(why == WAKE_TIMEOUT && deadlinepast(d))
			return become(gp, Jrun) ? ETIMEDOUT : 0;
		if(why == WAKE_SIGNAL && !interrupted(self, gp))
			return 0;
	}
}

/* Is self joined by gp? Then both would wait for ever, unless gp is about to be cancelled out of its join. */
static bool
mutual(struct g *self, struct g *gp)
{
	uint32_t s = load_acquire(&self->exitstate) & JSTATE;

	return (s == Jwaiting || s == Jclaimed) && self->joiner == gp &&
	       !(tcbword(gp, tcblayout.cancelhandling, uint32_t) & (TCB_CANCELED | TCB_EXITING));
}

/* In runtime mode. */
static int
joing(struct g *self, struct g *gp, void **res, struct deadline *d)
{
	uint32_t s = load_acquire(&gp->exitstate);
	int e;

	if((s & JSTATE) == Jrun){
		if(gp == self || mutual(self, gp))
			return EDEADLK;
		if(jchange(gp, &s, Jclaimed)){
			if((e = waitended(self, gp, d)) != 0)
				return e;
			return reap(gp, res);
		}
	}
	switch(s & JSTATE){
	case Jended:
		return reap(gp, res);
	case Jgone:
		return ESRCH;
	default:
		return gp == self ? EDEADLK : EINVAL;
	}
}

static int
join(struct g *gp, void **res, struct deadline *d)
{
	struct g *self = syncg();
	int e;

	if(self == NULL)
		return EAGAIN;
	rtenter(self);
	e = joing(self, gp, res, d);
	rtexit(self);
	return e;
}

EXPORT int
pthread_join(pthread_t th, void **res)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;

	if(gp == NULL)
		return blockingcall(getg(), libc.pthread_join(th, res));
	return join(gp, res, NULL);
}

EXPORT int
pthread_clockjoin_np(pthread_t th, void **res, clockid_t clock, const struct timespec *abstime)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	struct deadline d = {.clock = clock, .ts = abstime};

	if(gp == NULL)
		return blockingcall(getg(), libc.pthread_clockjoin_np(th, res, clock, abstime));
	if(abstime != NULL && !validclock(clock))
		return EINVAL;
	return join(gp, res, abstime ? &d : NULL);
}

EXPORT int
pthread_timedjoin_np(pthread_t th, void **res, const struct timespec *abstime)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;
	struct deadline d = {.clock = CLOCK_REALTIME, .ts = abstime};

	if(gp == NULL)
		return blockingcall(getg(), libc.pthread_timedjoin_np(th, res, abstime));
	return join(gp, res, abstime ? &d : NULL);
}

EXPORT int
pthread_tryjoin_np(pthread_t th, void **res)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL;

	if(gp == NULL)
		return libc.pthread_tryjoin_np(th, res);
	if((load_acquire(&gp->exitstate) & JSTATE) < Jended)
		return EBUSY;
	return join(gp, res, NULL);
}

static int
detach(struct g *gp)
{
	uint32_t s = load_acquire(&gp->exitstate);

	for(;;)
		switch(s & JSTATE){
		case Jrun:
			if(jchange(gp, &s, Jdetached))
				return 0;
			break;
		case Jended:
			return reap(gp, NULL) == 0 ? 0 : EINVAL;
		case Jwaiting:
		case Jclaimed:
			return 0; /* its joiner frees it */
		case Jgone:
			return ESRCH;
		default:
			return EINVAL;
		}
}

EXPORT int
pthread_detach(pthread_t th)
{
	struct g *gp = rtready ? gfrompthread(th) : NULL, *self;
	int e;

	if(gp == NULL)
		return libc.pthread_detach(th);
	if((self = syncg()) == NULL)
		return EAGAIN;
	rtenter(self);
	e = detach(gp);
	rtexit(self);
	return e;
}

/* ---- C11 ---- */

EXPORT int
thrd_join(thrd_t th, int *res)
{
	void *r;
	int e = pthread_join(th, &r);

	if(e == 0 && res != NULL)
		*res = (int)(intptr_t)r;
	return e == 0 ? thrd_success : thrd_error;
}

EXPORT int
thrd_detach(thrd_t th)
{
	return pthread_detach(th) == 0 ? thrd_success : thrd_error;
}
