/* SPDX-License-Identifier: MIT */
/*
 * How pthread_mutex_* wait and wake.
 *
 * The lock word is glibc's:
 *
 *	0  free
 *	1  locked
 *	2  locked, and someone waits
 *
 * or, in a mutex that is robust or has priority inheritance, 0, the owner's tid, the owner's tid with
 * FUTEX_WAITERS; and FUTEX_OWNER_DIED, which is free, too. (Gs have no kernel priority to
 * inherit. libc's functions would hand the tid to the kernel, which does not know it.)
 *
 * Locking a free mutex is one compare-and-swap, and so is unlocking one that nobody
 * waits for. All else happens under the lock of the mutex's bucket in sema.c, in which
 * a word of the last kind does not change but by who holds that lock. With one P the word of a usual mutex is
 * changed in runtime mode only, by the fast paths without an atomic operation: see wordsmode in sema.h.
 *
 * Unlocking with waiters sets the word to 0 and wakes the first one, which then has to
 * fight for the mutex like everybody: who runs now gets it at once, as in glibc. To hand it
 * over would make all others wait until the woken one has been scheduled, again and again.
 * A waiter that is beaten goes back to the front of the queue; if it has waited
 * for a millisecond by then the next unlock does hand the mutex to it, and yields: as in
 * Go, nobody starves.
 *
 * No wake-up is lost: if there are entries in the queue and the bucket is unlocked then
 *
 *	(a) the word says so, and the holder's unlock will come here, or
 *	(b) a waiter that was woken with SW_MORE set is on its way. It either gets the
 *	    mutex, and sets the word to "someone waits", or queues again, which does the same.
 *
 * A waiter queues only after it has marked the word (a). An unlock takes an entry off: if that was the last
 * one nothing is claimed any more, and if not the woken waiter is told so (b). A waiter whose time is up
 * or that has a signal to handle was not woken by an unlock (one of the two claims fails, and
 * the unlock takes the next), so it has nothing to pass on.
 *
 * The mutex may be destroyed and its memory be unmapped as soon as another thread can have got and released
 * it: after the store that frees the word nothing but its address is used.
 */
#include "mutex.h"

#define STARVENS MSEC /* after which a mutex is handed over */
#define SPINS    60   /* looks at the word before parking, with several Ps */

/* grab takes m if it is free; with others waiting if mark is set. What it holds then must be finished by got. */
static bool
grab(struct g *gp, pthread_mutex_t *m, bool mark)
{
	uint32_t *word = lockword(m);
	uint32_t own = ownword(gp, m);
	uint32_t v = load_relaxed(word);

	if(mark)
		own = withwaiters(m, own);
	while(isfree(v)){
		if(!__atomic_compare_exchange_n(word, &v, own, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			continue;
		if(unlikely(v & FUTEX_OWNER_DIED))
			m->__data.__owner = OWNERINCONSISTENT;
		return true;
	}
	return false;
}

/* got: gp has grabbed m, or m was handed over. 0, EOWNERDEAD, or ENOTRECOVERABLE: then m is free again. */
static int
got(struct g *gp, pthread_mutex_t *m, unsigned users)
{
	if((kindof(m) & KTYPE) == KRECURSIVE)
		m->__data.__count = 1;
	if(unlikely(kindof(m) & KROBUST)){
		if(m->__data.__owner == OWNERLOST){
			m->__data.__count = 0;
			mutexfree(gp, m, false);
			return ENOTRECOVERABLE;
		}
		robustadd(m);
		if(m->__data.__owner == OWNERINCONSISTENT)
			return EOWNERDEAD; /* the dead one's use of it goes on */
	}
	m->__data.__owner = (int)gp->tid;
	m->__data.__nusers += users;
	return 0;
}

int
mutextake(struct g *gp, pthread_mutex_t *m, unsigned users)
{
	int type = kindof(m) & KTYPE;

	if((type == KRECURSIVE || type == KERRORCHECK) && holds(gp, m)){
		if(type == KERRORCHECK)
			return EDEADLK;
		if(m->__data.__count + 1 == 0)
			return EAGAIN;
		m->__data.__count++;
		return 0;
	}
	return grab(gp, m, false) ? got(gp, m, users) : EBUSY;
}

/*
 * spin watches a locked mutex for a moment: true if it has got it. Worth it only if the holder runs on another
 * P, and gp keeps nothing else from running.
 */
static bool
spin(struct g *gp, pthread_mutex_t *m)
{
	struct m *mp = gp->m;
	int i;

	if(gomaxprocs == 1 || mp == NULL || mp->p == NULL || !runqempty(mp->p))
		return false;
	if(load_relaxed(&sched.npidle) + load_relaxed(&sched.nmspinning) + 1 >= gomaxprocs)
		return false;
	for(i = 0; i < SPINS; i++){
		if(isfree(load_relaxed(lockword(m))) && grab(gp, m, false))
			return true;
		cpurelax();
	}
	return false;
}

/*
 * queueup gets m or puts w on its queue. Before that it marks the word, so that the unlock comes to the
 * bucket, whose lock it has to wait for. True if m is got.
 */
static bool
queueup(struct g *gp, pthread_mutex_t *m, struct semawait *w, bool front)
{
	struct semaroot *root = semalock(w->key);
	uint32_t *word = lockword(m);
	uint32_t v;

	do{
		if(grab(gp, m, semafirst(root, w->key) != NULL)){
			semaunlock(root);
			return true;
		}
		v = load_relaxed(word);
	}while(isfree(v) || (v != withwaiters(m, v) && !cas(word, v, withwaiters(m, v))));
	w->seq = parkprep(gp);
	semaenqueue(root, w, front);
	semaunlock(root);
	return false;
}

/* woken: an unlock has woken w. True if gp has m now. */
static bool
woken(struct g *gp, pthread_mutex_t *m, struct semawait *w)
{
	if((w->flags & SW_HANDOFF) || grab(gp, m, w->flags & SW_MORE))
		return true;
	stressat(ST_mutexwoken);
	if((w->since != 0 && nanotime() - w->since >= STARVENS && !stresstimeless) || stresschance(SC_wantsmutex))
		w->flags |= SW_STARVING;
	return false;
}

/*
 * locksleep waits for m, in runtime mode. waswoken: w has been on m's queue, and was woken.
 * 0, or ETIMEDOUT.
 */
static int
locksleep(struct g *gp, pthread_mutex_t *m, struct deadline *d, struct semawait *w, bool waswoken)
{
	struct semaroot *root;
	enum wakewhy why;

	for(;;){
		if(waswoken && woken(gp, m, w))
			return 0;
		if(w->since == 0)
			w->since = nanotime();
		if(queueup(gp, m, w, waswoken))
			return 0;
		why = semasleep(gp, Wmutex, m, d);
		waswoken = why == WAKE_READY;
		if(waswoken)
			continue;
		if((root = semacancel(w)) != NULL)
			semaunlock(root);
		if(why == WAKE_SIGNAL)
			runhandlers(gp);
		else if(deadlinepast(d))
			return ETIMEDOUT;
	}
}

int
mutexwait(struct g *gp, pthread_mutex_t *m, unsigned users, struct deadline *d, struct semawait *w)
{
	struct semawait own;
	int r = 0;

	if(w != NULL){
		r = locksleep(gp, m, d, w, true);
	}else if(!spin(gp, m)){
		semawaitinit(&own, gp, (uintptr_t)m);
		r = locksleep(gp, m, d, &own, false);
	}
	return r == 0 ? got(gp, m, users) : r;
}

/*
 * wakenext frees m, with left as its word, and wakes the first waiter. True if the mutex has been handed over: then
 * the caller had better yield. As in glibc, a mutex that was not locked stays as it is, and one
 * that another thread holds is unlocked.
 */
static bool
wakenext(pthread_mutex_t *m, uint32_t left)
{
	struct glist list = {0};
	struct semawait *w;
	struct semaroot *root = semalock((uintptr_t)m);
	uint32_t *word = lockword(m);
	bool handoff = false, found = false;
	uint32_t own, v;

	while(isfree(v = load_relaxed(word)) || v != withwaiters(m, v)){
		if(isfree(v) || cas(word, v, left)){
			semaunlock(root);
			return false;
		}
	}
	while(!found && (w = semafirst(root, (uintptr_t)m)) != NULL){
		if(w->next)
			w->flags |= SW_MORE;
		else
			w->flags &= ~SW_MORE;
		handoff = (w->flags & SW_STARVING) && left == 0;
		if(handoff){
			/* Before the claim: from then on it may be unlocked. */
			own = ownword(w->gp, m);
			store_release(word, w->next ? withwaiters(m, own) : own);
			w->flags |= SW_HANDOFF;
		}
		found = semawake(root, w, &list);
	}
	handoff &= found;
	if(!handoff)
		store_release(word, left);
	semaunlock(root);
	if(found)
		semaready(&list);
	else
		kernelwake(word, 1);
	return handoff;
}

void
mutexfree(struct g *gp, pthread_mutex_t *m, bool yield)
{
	bool tried = !withp(m);

	if(tried && cas(lockword(m), ownword(gp, m), 0))
		return;
	rtenter(gp);
	if((tried || !cas(lockword(m), ownword(gp, m), 0)) && wakenext(m, 0) && yield && !(gp->flags & GF_FOREIGN))
		gosched();
	rtexit(gp);
}

void
mutexownerdied(struct g *gp, pthread_mutex_t *m)
{
	if(!holds(gp, m))
		return;
	rtenter(gp);
	wakenext(m, FUTEX_OWNER_DIED);
	rtexit(gp);
}

int
mutexdisown(struct g *gp, pthread_mutex_t *m, unsigned users)
{
	int type = kindof(m) & KTYPE;
	bool robust = kindof(m) & KROBUST;
	bool lost = robust && m->__data.__owner == OWNERINCONSISTENT;

	if((type == KRECURSIVE || type == KERRORCHECK || robust) && !holds(gp, m))
		return EPERM;
	if(type == KERRORCHECK && isfree(load_relaxed(lockword(m))))
		return EPERM;
	if(type == KRECURSIVE && --m->__data.__count != 0)
		return lost ? ENOTRECOVERABLE : EBUSY;
	if(robust)
		robustremove(m);
	m->__data.__owner = lost ? OWNERLOST : 0;
	m->__data.__nusers -= users;
	return 0;
}

/*
 * Whoever signals usually holds the mutex, and what it wakes could only go to sleep again on another P. So
 * the waiter goes from one queue to the other, and the unlock wakes it. (With one P it would not
 * run before that anyway, so this is not called.)
 */
bool
mutexadopt(pthread_mutex_t *m, struct semaroot *from, struct semawait *w)
{
	struct semaroot *to = semarootof((uintptr_t)m);
	uint32_t *word = lockword(m);
	bool ok = true;
	uint32_t v;

	if(isfree(load_relaxed(word)) || mutexnative(m) || stresschance(SC_wakesall))
		return false;
	/* We hold a lock of the same kind: only try, so that two who do this cannot wait for each other. */
	if(to != from && !sematrylockroot(to))
		return false;
	do
		v = load_relaxed(word);
	while(!isfree(v) && v != withwaiters(m, v) && !cas(word, v, withwaiters(m, v)));
	if(isfree(v)){
		ok = false;
	}else{
		w->flags |= SW_MOVED;
		semarequeue(from, to, w, (uintptr_t)m);
	}
	if(to != from)
		semaunlock(to);
	return ok;
}
