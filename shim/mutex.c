/* SPDX-License-Identifier: MIT */
/*
 * pthread_mutex_*: the fast paths, the kinds, and those mutexes that are libc's. See mutexwait.c for the rest.
 */
#include <sys/single_threaded.h>

#include "mutex.h"
#include "prionote.h"

bool
mutexnative(const pthread_mutex_t *m)
{
	return kindof(m) & KNATIVE;
}

/* ---- libc's mutexes ---- */

/* tracked says that other processes or the kernel look at the owner of m, which is libc's. */
static bool
tracked(const pthread_mutex_t *m)
{
	int kind = kindof(m), type = kind & KTYPE;

	return kind != -1 && (type == KRECURSIVE || type == KERRORCHECK || (kind & (KTID | KPROTECT)));
}

/* gp, in user mode, is going to lock m. */
static void
pinfor(struct g *gp, const pthread_mutex_t *m)
{
	if(kindof(m) & KPROTECT)
		libcnotes(gp);
	pin(gp);
	if(kindof(m) & KPROTECT)
		priotake(gp);
}

/* nativelock is a call that locks m; gp, which may be NULL, is in user mode. */
#define nativelock(gp, m, call)                                 \
	({                                                      \
		bool nl_track = tracked(m);                     \
		if(nl_track)                                    \
			pinfor(gp, m);                          \
		int nl_r = blockingcall(gp, call);              \
		if(nl_track && nl_r != 0 && nl_r != EOWNERDEAD) \
			unpin(gp);                              \
		nl_r;                                           \
	})

static int
nativeunlock(struct g *gp, pthread_mutex_t *m)
{
	bool track = tracked(m);
	int r = libc.pthread_mutex_unlock(m);

	if(track && (r == 0 || r == ENOTRECOVERABLE))
		unpin(gp);
	return r;
}

/* ---- for condition variables ---- */

int
mutexreleaseother(struct g *gp, pthread_mutex_t *m)
{
	int r;

	if(mutexnative(m))
		return nativeunlock(gp, m);
	r = mutexdisown(gp, m, 0);
	if(r == 0)
		mutexfree(gp, m, false);
	return r == EBUSY ? 0 : r;
}

static int
nativeretake(struct g *gp, pthread_mutex_t *m)
{
	int r;

	if(gp->flags & GF_FOREIGN)
		return libc.pthread_mutex_lock(m);
	if(tracked(m)){
		leaveruntime(gp);
		pinfor(gp, m);
		rtenter(gp);
	}
	entersyscall(gp);
	r = libc.pthread_mutex_lock(m);
	exitsyscall(gp);
	return r;
}

int
mutexretakeother(struct g *gp, pthread_mutex_t *m, struct semawait *w)
{
	int r;

	if(mutexnative(m))
		return nativeretake(gp, m);
	if(w == NULL && (r = mutextake(gp, m, 0)) != EBUSY)
		return r;
	return mutexwait(gp, m, 0, NULL, w);
}

/* mutextake in user mode. */
static int
mutextakeuser(struct g *gp, pthread_mutex_t *m)
{
	int r;

	if(likely(!withp(m)))
		return mutextake(gp, m, 1);
	rtenter(gp);
	r = mutextake(gp, m, 1);
	rtexit(gp);
	return r;
}

/* All but the fast path of locking. d is NULL, or its when is not yet set: ts is looked at only if we have to wait. */
static noinline int
mutexlock(struct g *gp, pthread_mutex_t *m, struct deadline *d)
{
	int r;

	r = mutextakeuser(gp, m);
	if(r != EBUSY)
		return r;
	if(d && (r = deadlineset(d)) != 0)
		return r;
	rtenter(gp);
	r = mutexwait(gp, m, 1, d, NULL);
	rtexit(gp);
	return r;
}

/* ---- the interposed functions ---- */

static int32_t tidoffset; /* of the tid in libc's TCB; 0 not looked for yet, -1 not known */

static noinline void
findtidoffset(void)
{
	const uint32_t *desc; /* for debuggers: size in bits, number, offset */

	tidoffset = -1; /* in case the look-up locks a mutex */
	desc = libcsym("_thread_db_pthread_tid");
	if(desc && desc[0] == 32)
		tidoffset = (int32_t)desc[2];
}

/*
 * Before the process has made a thread no atomic operation is needed, as in glibc; and to leave it to
 * glibc's function would cost more than the function itself does.
 */
static inline bool
lockbefore(pthread_mutex_t *m)
{
	if(!__libc_single_threaded || rtready || m->__data.__lock != 0)
		return false;
	if(unlikely(tidoffset <= 0)){
		if(tidoffset == 0)
			findtidoffset();
		return false;
	}
	m->__data.__lock = 1;
	m->__data.__owner = *(int *)((char *)__builtin_thread_pointer() + tidoffset);
	m->__data.__nusers++;
	return true;
}

static inline bool
unlockbefore(pthread_mutex_t *m)
{
	if(!__libc_single_threaded || rtready || m->__data.__lock != 1)
		return false;
	m->__data.__owner = 0;
	m->__data.__nusers--;
	m->__data.__lock = 0;
	return true;
}

/* Recursive mutexes and those that check errors are common enough to have a fast path, too. */
static inline bool
owned(const pthread_mutex_t *m)
{
	int type = kindof(m) & (KTYPE | KTID | KNATIVE);

	return type == KRECURSIVE || type == KERRORCHECK;
}

static noinline int
lockother(struct g *gp, pthread_mutex_t *m)
{
	if(gp != NULL && owned(m) && load_relaxed(&m->__data.__owner) != (int)gp->tid && cas(lockword(m), 0, 1)){
		m->__data.__owner = (int)gp->tid;
		m->__data.__count = 1;
		m->__data.__nusers++;
		return 0;
	}
	if(gp == NULL)
		gp = syncgslow();
	if(gp == NULL || mutexnative(m))
		return nativelock(gp, m, libc.pthread_mutex_lock(m));
	return mutexlock(gp, m, NULL);
}

/*
 * The fast path while words are not shared. Who is to be preempted is so when it has unlocked the mutex, not now that it has just
 * locked it.
 */
static noinline int
lockalone(struct g *gp, pthread_mutex_t *m)
{
	bool ok;

	rtenter(gp);
	if(likely(ok = wordchangealone(lockword(m), 0, 1))){
		m->__data.__owner = (int)gp->tid;
		m->__data.__nusers++;
	}
	leaveruntime(gp);
	if(unlikely(load_relaxed(&gp->attn) & ~(uint32_t)ATTN_PREEMPT) && gp->locks == 0)
		rtexitslow(gp);
	return ok ? 0 : lockother(gp, m);
}

EXPORT int
pthread_mutex_lock(pthread_mutex_t *m)
{
	struct g *gp = getg();

	if(likely(mutexplain(m))){
		if(gp == NULL){
			if(lockbefore(m))
				return 0;
		}else if(!wordsshared()){
			return lockalone(gp, m);
		}else if(likely(cas(lockword(m), 0, 1))){
			m->__data.__owner = gp->tid;
			m->__data.__nusers++;
			return 0;
		}
	}
	return rtready ? lockother(gp, m) : libc.pthread_mutex_lock(m);
}
ALSO(__pthread_mutex_lock, pthread_mutex_lock)

EXPORT int
pthread_mutex_trylock(pthread_mutex_t *m)
{
	struct g *gp = syncg();
	int r;

	if(gp == NULL || mutexnative(m))
		return nativelock(gp, m, libc.pthread_mutex_trylock(m));
	r = mutextakeuser(gp, m);
	return r == EDEADLK && !(kindof(m) & KTID) ? EBUSY : r;
}
ALSO(__pthread_mutex_trylock, pthread_mutex_trylock)

static int
timedlock(pthread_mutex_t *m, clockid_t clock, const struct timespec *abstime)
{
	struct g *gp = syncg();
	struct deadline d = {.clock = clock, .ts = abstime};

	if(gp == NULL || mutexnative(m))
		return nativelock(gp, m, libc.pthread_mutex_clocklock(m, clock, abstime));
	if(!validclock(clock))
		return EINVAL;
	return mutexlock(gp, m, &d);
}

EXPORT int
pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *abstime)
{
	return timedlock(m, CLOCK_REALTIME, abstime);
}

EXPORT int
pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clock, const struct timespec *abstime)
{
	return timedlock(m, clock, abstime);
}

static noinline int
unlockother(struct g *gp, pthread_mutex_t *m)
{
	int r;

	if(gp != NULL && owned(m) && m->__data.__owner == (int)gp->tid && m->__data.__count == 1){
		m->__data.__count = 0;
		m->__data.__owner = 0;
		m->__data.__nusers--;
		if(unlikely(!cas(lockword(m), 1, 0)))
			mutexfree(gp, m, true);
		return 0;
	}
	if(gp == NULL)
		gp = syncgslow();
	if(gp == NULL || mutexnative(m))
		return nativeunlock(gp, m);
	r = mutexdisown(gp, m, 1);
	if(r == 0)
		mutexfree(gp, m, true);
	return r == EBUSY ? 0 : r;
}

static noinline void
unlockmarked(struct g *gp, pthread_mutex_t *m)
{
	mutexfree(gp, m, true);
}

static noinline int
unlockalone(struct g *gp, pthread_mutex_t *m)
{
	bool ok;

	rtenter(gp);
	m->__data.__owner = 0;
	m->__data.__nusers--;
	ok = wordchangealone(lockword(m), 1, 0);
	rtexit(gp);
	if(unlikely(!ok))
		mutexfree(gp, m, true);
	return 0;
}

EXPORT int
pthread_mutex_unlock(pthread_mutex_t *m)
{
	struct g *gp = getg();

	if(unlikely(gp == NULL || !mutexplain(m))){
		if(mutexplain(m) && unlockbefore(m))
			return 0;
		return rtready ? unlockother(gp, m) : libc.pthread_mutex_unlock(m);
	}
	if(!wordsshared())
		return unlockalone(gp, m);
	m->__data.__owner = 0;
	m->__data.__nusers--;
	if(unlikely(!cas(lockword(m), 1, 0)))
		unlockmarked(gp, m);
	return 0;
}
ALSO(__pthread_mutex_unlock, pthread_mutex_unlock)

/*
 * libc calls every robust mutex process-shared, as the kernel does when it marks one. Ours that is not has to be told
 * from the others.
 */
EXPORT int
pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr)
{
	int r = libc.pthread_mutex_init(m, attr);
	int shared;

	if(r == 0 && attr && (kindof(m) & KROBUST) && pthread_mutexattr_getpshared(attr, &shared) == 0 &&
	   shared == PTHREAD_PROCESS_PRIVATE)
		m->__data.__kind &= ~KSHARED;
	return r;
}
ALSO(__pthread_mutex_init, pthread_mutex_init)
