/* SPDX-License-Identifier: MIT */
/* The fields of pthread_mutex_t, and mutexwait.c as mutex.c sees it. See mutexwait.c for the protocol. */
#ifndef HEDDLE_MUTEX_H
#define HEDDLE_MUTEX_H

#include "sync.h"

/* bits of __kind, as in glibc */
enum {
	KTYPE = 3,
	KNORMAL = 0,
	KRECURSIVE = 1,
	KERRORCHECK = 2,
	KROBUST = 16,
	KINHERIT = 32,
	KPROTECT = 64,
	KSHARED = 128,
	KTID = KROBUST | KINHERIT, /* the word holds a tid */
	KNATIVE = KPROTECT | KSHARED, /* also of a destroyed one, whose kind is -1 */
};

static inline uint32_t *
lockword(pthread_mutex_t *m)
{
	return (uint32_t *)&m->__data.__lock;
}

static inline int
kindof(const pthread_mutex_t *m)
{
	return load_relaxed(&m->__data.__kind);
}

/* The word's value when gp holds m, and nobody waits. */
static inline uint32_t
ownword(const struct g *gp, const pthread_mutex_t *m)
{
	return kindof(m) & KTID ? gp->tid : 1;
}

/* The word v, of a locked mutex, with the mark that someone waits. */
static inline uint32_t
withwaiters(const pthread_mutex_t *m, uint32_t v)
{
	return kindof(m) & KTID ? v | FUTEX_WAITERS : 2;
}

/* isfree says that v is the word of a mutex that can be taken. */
static inline bool
isfree(uint32_t v)
{
	return (v & ~(uint32_t)FUTEX_OWNER_DIED) == 0;
}

/* holds says that gp has m, which is of a kind that is to know. */
static inline bool
holds(const struct g *gp, pthread_mutex_t *m)
{
	if(kindof(m) & KTID)
		return (load_relaxed(lockword(m)) & FUTEX_TID_MASK) == gp->tid;
	return (uint32_t)load_relaxed(&m->__data.__owner) == gp->tid;
}

/* A mutex of the usual kind; elision flags do not matter. */
static inline bool
mutexplain(const pthread_mutex_t *m)
{
	return (kindof(m) & (KTYPE | KTID | KNATIVE)) == 0;
}

/* withp says that m's word is changed in runtime mode only, by who has the P: see wordsmode in sema.h. Once false it stays so. */
static inline bool
withp(const pthread_mutex_t *m)
{
	return !wordsshared() && mutexplain(m);
}

/* ---- mutexwait.c ---- */

/* All of these are for mutexes that are not libc's (mutexnative). */

/* mutextake locks m if that can be done at once. EBUSY if not, else what pthread_mutex_lock returns. In runtime mode if withp(m).
 * users: 1, or 0 from within a condition variable's wait, during which it stays in use. */
int mutextake(struct g *gp, pthread_mutex_t *m, unsigned users);
/* mutexwait waits for m and locks it, in runtime mode. d may be NULL. w: see mutexretake. */
int mutexwait(struct g *gp, pthread_mutex_t *m, unsigned users, struct deadline *d, struct semawait *w);
/* mutexdisown checks that gp may unlock m, and takes its name off. 0: mutexfree(m) has to follow. EBUSY: gp has it still, as
 * it had locked it several times. Else an error. */
int mutexdisown(struct g *gp, pthread_mutex_t *m, unsigned users);
/* mutexfree frees m and wakes who is next. In user or runtime mode; yield: it may yield. */
void mutexfree(struct g *gp, pthread_mutex_t *m, bool yield);

/* ---- for condition variables: mutex.c ---- */

int mutexreleaseother(struct g *gp, pthread_mutex_t *m);
int mutexretakeother(struct g *gp, pthread_mutex_t *m, struct semawait *w);

/* mutexrelease unlocks m for the time of a wait, in runtime mode. It stays in use (pthread_mutex_destroy says EBUSY). It
 * returns an error of pthread_mutex_unlock's. */
static inline int
mutexrelease(struct g *gp, pthread_mutex_t *m)
{
	if(unlikely(!mutexplain(m)))
		return mutexreleaseother(gp, m);
	m->__data.__owner = 0;
	if(unlikely(!wordchange(lockword(m), 1, 0)))
		mutexfree(gp, m, false);
	return 0;
}

/* mutexretake locks m again, in runtime mode. w: the entry, if it has been moved to the mutex and been woken there; else
 * NULL. It returns an error of pthread_mutex_lock's. */
static inline int
mutexretake(struct g *gp, pthread_mutex_t *m, struct semawait *w)
{
	if(unlikely(w != NULL || !mutexplain(m) || !wordchange(lockword(m), 0, 1)))
		return mutexretakeother(gp, m, w);
	m->__data.__owner = (int)gp->tid;
	return 0;
}

#endif
