/* SPDX-License-Identifier: MIT */
/*
 * pthread_cond_*.
 *
 * A private condition variable is a queue in sema.c and one byte in the object: CONDMARK in the top byte of
 * __wrefs says that the queue is not empty. It is written under the lock of the bucket only. In
 * glibc __wrefs counts waiters from bit 3 on and holds flags below that; so a signal
 * looks, as glibc's does, at this one word, and nothing else happens when nobody waits. The
 * byte is stored as a byte, hence threads that wait in libc's way may count in the other
 * three at the same time.
 *
 * That look needs no fence. Who signals has changed, while it held the mutex, what the waiter looked at while it
 * held the mutex. If the waiter came first then its mark was set before it unlocked, so
 * before the signaller locked, and is seen. If it came second it saw the change and does not wait.
 *
 * Waiting: the entry is queued, then the mutex unlocked, then the G parks; a signal in between finds the
 * entry and claims it. A woken waiter never touches the object again, so it may be destroyed
 * as soon as the broadcast that woke everybody has returned.
 *
 * A signal handler runs in the middle of the wait, without the mutex, and the wait goes on after it, as it does in the kernel. The
 * G cannot be parked meanwhile, nor may it leave the queue, as a signal would pass it by. So a stand-in takes its place there: it
 * has no park to claim (seq is 0), and to wake it is to take it off. It is not on the stack, as the handler may
 * never come back (sigunwound).
 *
 * Whose wait it is, is decided by the mutex: a mutex that is heddle's can be used in this process only, so all
 * who wait with it do so here, even if the condition variable is process-shared. With a mutex
 * that is libc's (process-shared) and a process-shared condition variable the wait is libc's. To
 * signal one that is process-shared is therefore to signal both here and there.
 */
#include "mutex.h"
#include "sig.h"

/* __wrefs */
enum {
	CSHARED = 1,
	CMONOTONIC = 2,
	CDESTROYING = 4,
};
#define CONDMARK 0x80u
#define CCOUNT   0x00fffff8u /* libc's waiters */

static inline uint32_t
wrefs(const pthread_cond_t *c)
{
	return load_relaxed(&c->__data.__wrefs);
}

static inline void
setmark(pthread_cond_t *c, uint8_t mark)
{
	/* The top byte: little-endian machines only, which all that heddle runs on are. */
	store_relaxed((uint8_t *)&c->__data.__wrefs + 3, mark);
}

/* condleft: an entry of c has gone. The bucket is locked. */
static inline void
condleft(struct semaroot *root, pthread_cond_t *c)
{
	if(semafirst(root, (uintptr_t)c) == NULL)
		setmark(c, 0);
}

/* condwake wakes up to n waiters, in runtime mode; it returns how many. */
static int
condwake(pthread_cond_t *c, int n)
{
	struct glist list = {0};
	struct semaroot *root = semalock((uintptr_t)c);
	struct semawait *w;
	int woken = 0;

	while(woken < n && (w = semafirst(root, (uintptr_t)c)) != NULL){
		if(unlikely(w->seq == 0)){
			semadequeue(root, w); /* a stand-in */
			woken++;
		}else if((gomaxprocs > 1 && w->arg != NULL && mutexadopt(w->arg, root, w)) || semawake(root, w, &list))
			woken++;
	}
	condleft(root, c);
	semaunlock(root);
	semaready(&list);
	return woken;
}

/* The mutex could not be unlocked: back out of the wait. */
static void
condabort(struct g *gp, pthread_cond_t *c, struct semawait *w)
{
	struct semaroot *root = semacancel(w);
	enum wakewhy why;

	if(root){
		condleft(root, c);
		semaunlock(root);
	}
	if(!parkabort(gp, &why) && why == WAKE_READY)
		condwake(c, 1); /* that signal was another waiter's */
}

/* The G's stand-in; NULL without memory, or if it is in use, as this is a handler's own wait. */
static struct sigdata *
getstandin(struct g *gp)
{
	struct sigdata *d = gp->flags & GF_FOREIGN ? NULL : sigdataof(gp);

	if(d == NULL || d->standinsp != 0)
		return NULL;
	if(d->standin == NULL && (d->standin = persistentalloc(sizeof *d->standin, 16)) == NULL)
		return NULL;
	d->standinsp = (uintptr_t)__builtin_frame_address(0);
	return d;
}

/* Not runhandlers(), which would also cancel gp here if it is to be cancelled asynchronously: it has to have the mutex first. */
static void
condhandlers(struct g *gp)
{
	if(!(gp->flags & GF_FOREIGN))
		sigdeliver(gp);
}

/* Runs the handlers while a stand-in holds e's place. True: the wait goes on. False: it has been signalled, or gp is cancelled. */
static bool
standby(struct g *gp, pthread_cond_t *c, struct semawait *e, struct semaroot *root, struct sigdata *d)
{
	struct semawait *s = d->standin;
	bool on = false;

	semawaitinit(s, gp, (uintptr_t)c);
	s->seq = 0;
	semadequeue(root, e);
	semaenqueue(root, s, true);
	semaunlock(root);
	condhandlers(gp);
	if((root = semacancel(s)) != NULL){
		on = !(load_relaxed(&gp->attn) & ATTN_CANCEL);
		if(on){
			e->seq = parkprep(gp);
			semaenqueue(root, e, true);
		}else{
			condleft(root, c);
		}
		semaunlock(root);
	}
	d->standinsp = 0;
	return on;
}

/* A signal or a cancellation has ended gp's sleep. True: handlers have run, and the wait goes on. */
static bool
condintr(struct g *gp, pthread_cond_t *c, struct semawait *e)
{
	bool moved = e->flags & SW_MOVED, cancel = load_relaxed(&gp->attn) & ATTN_CANCEL;
	struct sigdata *d = moved || cancel ? NULL : getstandin(gp);
	struct semaroot *root = semahold(e);

	if(root != NULL && d != NULL && !(e->flags & SW_MOVED))
		return standby(gp, c, e, root, d);
	if(root != NULL){
		semadequeue(root, e);
		if(!(e->flags & SW_MOVED))
			condleft(root, c);
		semaunlock(root);
	}
	if(d != NULL)
		d->standinsp = 0;
	condhandlers(gp);
	return false;
}

/*
 * condsleep parks the waiter, and takes its entry back if no signal did. It returns ETIMEDOUT, EINTR for what may be a
 * cancellation, or 0; *w is the entry if it was woken as a waiter of the mutex, else NULL.
 */
static int
condsleep(struct g *gp, pthread_cond_t *c, struct deadline *d, struct semawait **w)
{
	struct semaroot *root;
	struct semawait *e = *w;
	enum wakewhy why;

	for(;;){
		why = semasleepcancel(gp, Wcond, c, d);
		if(why == WAKE_SIGNAL){
			if(condintr(gp, c, e))
				continue;
			*w = NULL;
			return e->flags & SW_MOVED ? 0 : EINTR;
		}
		if(why == WAKE_READY){
			if(!(e->flags & SW_MOVED))
				*w = NULL;
			return 0;
		}
		if((root = semahold(e)) != NULL && !(e->flags & SW_MOVED) && !deadlinepast(d)){
			e->seq = parkprep(gp);
			semaunlock(root);
			continue;
		}
		if(root != NULL){
			semadequeue(root, e);
			if(!(e->flags & SW_MOVED))
				condleft(root, c);
			semaunlock(root);
		}
		*w = NULL;
		/* moved: signalled before its time was up */
		return e->flags & SW_MOVED || !deadlinepast(d) ? 0 : ETIMEDOUT;
	}
}

/* The end of a wait of a G that is cancelled, now or later, but not before it has the mutex again. */
static int
condcancelled(struct g *gp, pthread_mutex_t *m, struct semawait *w, int result)
{
	int r, old;

	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old); /* a store to the TCB */
	r = mutexretake(gp, m, w);
	rtexit(gp);
	if(result == EINTR)
		cancelpoint(gp);
	pthread_setcanceltype(old, NULL);
	return r != 0 ? r : result == EINTR ? 0 : result;
}

/* condwait: d->when is set, or d is NULL. */
static int
condwait(struct g *gp, pthread_cond_t *c, pthread_mutex_t *m, struct deadline *d)
{
	struct semawait entry, *w = &entry;
	struct semaroot *root;
	int r, result;

	cancelpoint(gp);
	semawaitinit(w, gp, (uintptr_t)c);
	/* A wait gives back one of several locks of a recursive mutex: never wait for what one has. */
	entry.arg = (kindof(m) & KTYPE) == KRECURSIVE && m->__data.__count > 1 ? NULL : m;
	rtenter(gp);
	root = semalock((uintptr_t)c);
	entry.seq = parkprep(gp);
	semaenqueue(root, &entry, false);
	setmark(c, CONDMARK);
	semaunlock(root);
	r = mutexrelease(gp, m);
	if(unlikely(r != 0)){
		condabort(gp, c, &entry);
		rtexit(gp);
		return r;
	}
	result = condsleep(gp, c, d, &w);
	if(unlikely(load_relaxed(&gp->attn) & ATTN_CANCEL))
		return condcancelled(gp, m, w, result);
	r = mutexretake(gp, m, w);
	rtexit(gp);
	if(result == EINTR){
		cancelpoint(gp); /* with the mutex locked */
		result = 0;
	}
	return r != 0 ? r : result;
}

/* condhere says that a wait with m is ours. */
static inline bool
condhere(struct g *gp, const pthread_cond_t *c, const pthread_mutex_t *m)
{
	return gp != NULL && !((wrefs(c) & CSHARED) && mutexnative(m));
}

EXPORT int
pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	struct g *gp = syncg();

	if(!condhere(gp, c, m))
		return blockingcall(gp, libc.pthread_cond_wait(c, m));
	return condwait(gp, c, m, NULL);
}

EXPORT int
pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *abstime)
{
	struct g *gp = syncg();
	struct deadline d = {.ts = abstime};

	if(!condhere(gp, c, m))
		return blockingcall(gp, libc.pthread_cond_timedwait(c, m, abstime));
	d.clock = wrefs(c) & CMONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME;
	if(deadlineset(&d) != 0)
		return EINVAL;
	return condwait(gp, c, m, &d);
}

EXPORT int
pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock, const struct timespec *abstime)
{
	struct g *gp = syncg();
	struct deadline d = {.clock = clock, .ts = abstime};

	if(!condhere(gp, c, m))
		return blockingcall(gp, libc.pthread_cond_clockwait(c, m, clock, abstime));
	if(!validclock(clock) || deadlineset(&d) != 0)
		return EINVAL;
	return condwait(gp, c, m, &d);
}

static noinline int
signalslow(pthread_cond_t *c, int n)
{
	struct g *gp = syncg();
	uint32_t refs = wrefs(c);
	int woken = 0;

	if(gp != NULL && (refs & CONDMARK << 24)){
		rtenter(gp);
		woken = condwake(c, n);
		rtexit(gp);
		/* c may be gone by now, if all that waited were ours. */
	}
	if(woken < n && (refs & (CCOUNT | CSHARED)))
		return n == 1 ? libc.pthread_cond_signal(c) : libc.pthread_cond_broadcast(c);
	return 0;
}

EXPORT int
pthread_cond_signal(pthread_cond_t *c)
{
	if(likely((wrefs(c) & ~(CMONOTONIC | CDESTROYING)) == 0))
		return 0;
	return signalslow(c, 1);
}

EXPORT int
pthread_cond_broadcast(pthread_cond_t *c)
{
	if(likely((wrefs(c) & ~(CMONOTONIC | CDESTROYING)) == 0))
		return 0;
	return signalslow(c, INT_MAX);
}

/* libc's waits until those it has woken have left the object. Ours have left it already. */
EXPORT int
pthread_cond_destroy(pthread_cond_t *c)
{
	struct g *gp = syncg();

	if(gp == NULL || (wrefs(c) & (CCOUNT | CSHARED)))
		return blockingcall(gp, libc.pthread_cond_destroy(c));
	setmark(c, 0);
	return 0;
}
