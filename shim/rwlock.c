/* SPDX-License-Identifier: MIT */
/*
 * pthread_rwlock_*.
 *
 * The state is in glibc's __readers, with glibc's bits for what one can find there when nobody waits:
 *
 *	0, WRPHASE            free (glibc leaves WRPHASE behind after a writer)
 *	n * READER            n readers
 *	WRPHASE | WRLOCKED    a writer, whose tid is in __cur_writer
 *
 * and with QUEUED if anybody waits, which is glibc's RWAITING. The other words of glibc's are not used.
 *
 * Taking and releasing are one compare-and-swap as long as QUEUED is not set. With QUEUED set, who releases
 * the lock as a whole (a writer, or the last reader) does it under the lock of the bucket
 * and hands it over: so it is never free while somebody waits. Waiting writers are on the queue
 * of the object's address and waiting readers on that of the address plus one, both in the
 * object's bucket.
 *
 *	kind                     a writer waits:            writer leaves, both wait:
 *	                         new readers with readers
 *	PREFER_READER            get in                     all readers
 *	PREFER_WRITER            get in (may be recursive)  a writer
 *	PREFER_WRITER_NONREC.    wait                       a writer
 *
 * No wake-up is lost: a waiter sets QUEUED under the bucket's lock, in the same step seeing that the lock is
 * held against it, and queues before it lets go; who releases sees QUEUED or came before.
 */
#include "sync.h"

enum {
	WRPHASE = 1,
	WRLOCKED = 2,
	QUEUED = 4,
	READER = 8,
	READERSHIFT = 3,
};
#define READERMAX 0x80000000u /* from here on EAGAIN */

static inline uint32_t *
state(pthread_rwlock_t *l)
{
	return &l->__data.__readers;
}

static inline uintptr_t
writers(pthread_rwlock_t *l)
{
	return (uintptr_t)l;
}

static inline uintptr_t
readers(pthread_rwlock_t *l)
{
	return (uintptr_t)l + 1;
}

/* statecas is cas, but leaves in *v what is there. */
static inline bool
statecas(pthread_rwlock_t *l, uint32_t *v, uint32_t new)
{
	return __atomic_compare_exchange_n(state(l), v, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static inline bool
nonrecursive(const pthread_rwlock_t *l)
{
	return l->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
}

/* Taking it without waiting: 0, EBUSY, EAGAIN. */

static inline int
tryread(pthread_rwlock_t *l)
{
	uint32_t v = load_relaxed(state(l));

	do{
		if((v & WRLOCKED) || ((v & QUEUED) && nonrecursive(l)))
			return EBUSY;
		if(v + READER >= READERMAX)
			return EAGAIN;
	}while(!statecas(l, &v, (v & ~(uint32_t)WRPHASE) + READER));
	return 0;
}

static inline int
trywrite(pthread_rwlock_t *l)
{
	uint32_t v = load_relaxed(state(l));

	do{
		if((v & ~(uint32_t)WRPHASE) != 0)
			return EBUSY;
	}while(!statecas(l, &v, WRPHASE | WRLOCKED));
	return 0;
}

/* ---- releasing, with the bucket locked ---- */

static void handover(struct semaroot *, pthread_rwlock_t *, struct glist *);

/* leave releases n readers' shares. */
static void
leave(struct semaroot *root, pthread_rwlock_t *l, uint32_t n, struct glist *list)
{
	uint32_t v = load_relaxed(state(l));
	uint32_t new;
	bool last;

	do{
		last = v >> READERSHIFT == n && (v & QUEUED);
		new = last ? WRPHASE | WRLOCKED | QUEUED : v - n * READER;
	}while(!statecas(l, &v, new));
	if(last)
		handover(root, l, list);
}

/*
 * admit lets all waiting readers in. The lock is the caller's as a writer, or some reader has it, who
 * cannot leave while QUEUED is set and we have the bucket. One share more is taken and given back
 * in the end, so that those who are woken first and leave at once do not end the phase.
 */
static void
admit(struct semaroot *root, pthread_rwlock_t *l, struct glist *list)
{
	struct semawait *w;
	uint32_t n = 1, gone = 1;
	uint32_t v = load_relaxed(state(l));

	for(w = semafirst(root, readers(l)); w; w = w->next)
		n++;
	while(!statecas(l, &v, (v & WRLOCKED ? 0 : v & ~(uint32_t)QUEUED) + n * READER
	    + (semafirst(root, writers(l)) ? QUEUED : 0)))
		;
	while((w = semafirst(root, readers(l))) != NULL)
		if(!semawake(root, w, list))
			gone++;
	leave(root, l, gone, list);
}

/* handover gives the lock, which the caller holds as a writer, to those who come next. */
static void
handover(struct semaroot *root, pthread_rwlock_t *l, struct glist *list)
{
	struct semawait *r, *w;
	uint32_t queued;

	for(;;){
		r = semafirst(root, readers(l));
		w = semafirst(root, writers(l));
		if(r && (w == NULL || l->__data.__flags == PTHREAD_RWLOCK_PREFER_READER_NP)){
			admit(root, l, list);
			return;
		}
		if(w == NULL){
			store_release(state(l), 0);
			return;
		}
		queued = r || w->next ? QUEUED : 0;
		store_release(state(l), WRPHASE | WRLOCKED | queued);
		if(semawake(root, w, list))
			return;
	}
}

/* ---- waiting ---- */

/* rwqueue takes the lock, or marks it and puts w on its queue. True if it is taken. */
static bool
rwqueue(struct g *gp, pthread_rwlock_t *l, struct semawait *w)
{
	struct semaroot *root = semalock((uintptr_t)l);
	bool write = w->flags & SW_WRITER;
	uint32_t v = load_relaxed(state(l));
	uint32_t new;
	bool got;

	do{
		if(write)
			got = (v & ~(uint32_t)WRPHASE) == 0;
		else
			got = !(v & WRLOCKED) && !(nonrecursive(l) && semafirst(root, writers(l)));
		if(got)
			new = write ? (uint32_t)(WRPHASE | WRLOCKED) : (v & ~(uint32_t)WRPHASE) + READER;
		else
			new = v | QUEUED;
	}while(!statecas(l, &v, new));
	if(!got){
		w->seq = parkprep(gp);
		semaenqueue(root, w, false);
	}
	semaunlock(root);
	return got;
}

/* rwgiveup: w has left its queue, whose bucket is locked, without having been woken. */
static void
rwgiveup(struct semaroot *root, pthread_rwlock_t *l, struct semawait *w)
{
	struct glist list = {0};

	if(semafirst(root, writers(l)) == NULL){
		if(semafirst(root, readers(l)) == NULL)
			fetch_and(state(l), ~(uint32_t)QUEUED);
		else if((w->flags & SW_WRITER) && !(load_relaxed(state(l)) & WRLOCKED))
			admit(root, l, &list); /* they waited for this writer only */
	}
	semaunlock(root);
	semaready(&list);
}

/* rwsleep waits for the lock, in runtime mode. 0, or ETIMEDOUT. */
static int
rwsleep(struct g *gp, pthread_rwlock_t *l, bool write, struct deadline *d)
{
	struct semawait w;
	struct semaroot *root;
	enum wakewhy why;

	semawaitinit(&w, gp, write ? writers(l) : readers(l));
	w.flags = write ? SW_WRITER : 0;
	for(;;){
		if(rwqueue(gp, l, &w))
			return 0;
		why = semasleep(gp, Wrwlock, l, d);
		if(why == WAKE_READY)
			return 0;
		if((root = semacancel(&w)) != NULL)
			rwgiveup(root, l, &w);
		if(why == WAKE_SIGNAL)
			runhandlers(gp);
		else if(deadlinepast(d))
			return ETIMEDOUT;
	}
}

static noinline int
rwlock(struct g *gp, pthread_rwlock_t *l, bool write, struct deadline *d)
{
	int r;

	if(d && (!validclock(d->clock) || deadlineset(d) != 0))
		return EINVAL;
	if((uint32_t)load_relaxed(&l->__data.__cur_writer) == gp->tid)
		return EDEADLK;
	r = write ? trywrite(l) : tryread(l);
	if(r == EBUSY){
		rtenter(gp);
		r = rwsleep(gp, l, write, d);
		rtexit(gp);
	}
	if(r == 0 && write)
		store_relaxed(&l->__data.__cur_writer, (int)gp->tid);
	return r;
}

/* ---- the interposed functions ---- */

/* native says that l is libc's to handle. */
static inline bool
native(struct g *gp, const pthread_rwlock_t *l)
{
	return gp == NULL || l->__data.__shared != 0;
}

/* nativewrite is a call that locks l, libc's, to write. Its owner's tid is in it for other processes to see. */
#define nativewrite(gp, call)                      \
	({                                         \
		pin(gp);                           \
		int nw_r = blockingcall(gp, call); \
		if(nw_r != 0)                      \
			unpin(gp);                 \
		nw_r;                              \
	})

static int
nativeunlock(struct g *gp, pthread_rwlock_t *l)
{
	bool writer = gp != NULL && (uint32_t)load_relaxed(&l->__data.__cur_writer) == pintid(gp);
	int r = libc.pthread_rwlock_unlock(l);

	if(writer)
		unpin(gp);
	return r;
}

EXPORT int
pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
	struct g *gp = syncg();

	if(unlikely(native(gp, l)))
		return blockingcall(gp, libc.pthread_rwlock_rdlock(l));
	if(likely(tryread(l) == 0))
		return 0;
	return rwlock(gp, l, false, NULL);
}
ALSO(__pthread_rwlock_rdlock, pthread_rwlock_rdlock)

EXPORT int
pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
	struct g *gp = syncg();

	if(unlikely(native(gp, l)))
		return nativewrite(gp, libc.pthread_rwlock_wrlock(l));
	return rwlock(gp, l, true, NULL);
}
ALSO(__pthread_rwlock_wrlock, pthread_rwlock_wrlock)

EXPORT int
pthread_rwlock_tryrdlock(pthread_rwlock_t *l)
{
	return native(syncg(), l) ? libc.pthread_rwlock_tryrdlock(l) : tryread(l);
}
ALSO(__pthread_rwlock_tryrdlock, pthread_rwlock_tryrdlock)

EXPORT int
pthread_rwlock_trywrlock(pthread_rwlock_t *l)
{
	struct g *gp = syncg();
	int r;

	if(native(gp, l))
		return nativewrite(gp, libc.pthread_rwlock_trywrlock(l));
	r = trywrite(l);
	if(r == 0)
		store_relaxed(&l->__data.__cur_writer, (int)gp->tid);
	return r;
}
ALSO(__pthread_rwlock_trywrlock, pthread_rwlock_trywrlock)

EXPORT int
pthread_rwlock_clockrdlock(pthread_rwlock_t *l, clockid_t clock, const struct timespec *abstime)
{
	struct deadline d = {.clock = clock, .ts = abstime};
	struct g *gp = syncg();

	if(native(gp, l))
		return blockingcall(gp, libc.pthread_rwlock_clockrdlock(l, clock, abstime));
	return rwlock(gp, l, false, &d);
}

EXPORT int
pthread_rwlock_clockwrlock(pthread_rwlock_t *l, clockid_t clock, const struct timespec *abstime)
{
	struct deadline d = {.clock = clock, .ts = abstime};
	struct g *gp = syncg();

	if(native(gp, l))
		return nativewrite(gp, libc.pthread_rwlock_clockwrlock(l, clock, abstime));
	return rwlock(gp, l, true, &d);
}

EXPORT int
pthread_rwlock_timedrdlock(pthread_rwlock_t *l, const struct timespec *abstime)
{
	return pthread_rwlock_clockrdlock(l, CLOCK_REALTIME, abstime);
}

EXPORT int
pthread_rwlock_timedwrlock(pthread_rwlock_t *l, const struct timespec *abstime)
{
	return pthread_rwlock_clockwrlock(l, CLOCK_REALTIME, abstime);
}

/* The lock, or the last share of it, with QUEUED set. */
static noinline void
unlockqueued(struct g *gp, pthread_rwlock_t *l, bool write)
{
	struct glist list = {0};
	struct semaroot *root;

	rtenter(gp);
	root = semalock((uintptr_t)l);
	if(write)
		handover(root, l, &list);
	else
		leave(root, l, 1, &list);
	semaunlock(root);
	semaready(&list);
	rtexit(gp);
}

EXPORT int
pthread_rwlock_unlock(pthread_rwlock_t *l)
{
	struct g *gp = syncg();
	uint32_t v;

	if(unlikely(native(gp, l)))
		return nativeunlock(gp, l);
	if((uint32_t)load_relaxed(&l->__data.__cur_writer) == gp->tid){
		store_relaxed(&l->__data.__cur_writer, 0);
		if(!cas(state(l), WRPHASE | WRLOCKED, 0))
			unlockqueued(gp, l, true);
		return 0;
	}
	v = load_relaxed(state(l));
	do{
		if((v & QUEUED) && v >> READERSHIFT == 1){
			unlockqueued(gp, l, false);
			return 0;
		}
	}while(!statecas(l, &v, v - READER));
	return 0;
}
ALSO(__pthread_rwlock_unlock, pthread_rwlock_unlock)
