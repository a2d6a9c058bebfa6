/* SPDX-License-Identifier: MIT */
/*
 * What the wrappers of mutexes, condition variables, semaphores and so on share.
 *
 * The objects keep glibc's layout, and as far as one can see from outside glibc's values: so its
 * static initialisers, its init, destroy and attribute functions go on working, and an
 * object that was used before heddle's bootstrap is used on after it. Waiting alone is
 * heddle's: a waiter is an entry in core/sema.c under the object's address.
 *
 * Process-shared objects stay libc's, in entersyscall.
 *
 * Some threads may still wait in libc's way, in the kernel, for an object that is now
 * ours: libc's own helper threads (SIGEV_THREAD timers) that went to sleep before the bootstrap.
 * So wherever an object is marked as waited for and sema.c knows no waiter, its waker wakes in
 * the kernel too: kernelwake().
 */
#ifndef HEDDLE_SYNC_H
#define HEDDLE_SYNC_H

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <time.h>

#include "cancel.h"
#include "libc.h"
#include "sema.h"

/* semawait.flags */
enum {
	SW_HANDOFF = 1,  /* the waker gives the object itself, not a chance to get it */
	SW_MORE = 2,     /* others wait behind this one */
	SW_STARVING = 4, /* has waited for too long; written by its owner before it queues again */
	SW_MOVED = 8,    /* from a condition variable to its mutex */
	SW_WRITER = 16,  /* rwlock: waits to write */
	SW_PI = 32,      /* futexpi.c's */
};

/* syncgslow is syncg for a thread that is no G. */
struct g *syncgslow(void);

/*
 * syncg returns the caller's G; for a kernel thread that is not heddle's a pseudo-G;
 * NULL where libc's function is to be called instead: before the bootstrap, and on an M's own TCB.
 */
static inline struct g *
syncg(void)
{
	struct g *gp = getg();

	return likely(gp != NULL) ? gp : syncgslow();
}

/* A point of time after which a wait ends, as POSIX's functions take it. */
struct deadline {
	clockid_t clock; /* CLOCK_REALTIME or CLOCK_MONOTONIC */
	const struct timespec *ts;
	int64_t when; /* on CLOCK_MONOTONIC; see deadlineset */
};

/* deadlineset works out d->when. EINVAL if ts is no time. */
int deadlineset(struct deadline *d);
/* deadlinepast is asked after a time-out: false means that the real-time clock was set back, and d->when has been moved. */
bool deadlinepast(struct deadline *d);
static inline bool
validclock(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}
static inline bool
validnsec(const struct timespec *ts)
{
	return ts->tv_nsec >= 0 && ts->tv_nsec < NSEC;
}

/*
 * semasleep parks gp, whose entry has been put on a queue; d may be NULL. With a cancellation pending, which
 * would end every wait at once, only the wait in which it came is ended by it: these functions are no
 * cancellation points, or have acted on it already. If it is asynchronous, runhandlers() acts on it.
 */
static inline enum wakewhy
semasleep(struct g *gp, enum waitreason why, const void *obj, const struct deadline *d)
{
	int64_t when = d ? d->when : NOTIME;

	if(unlikely(load_relaxed(&gp->attn) & ATTN_CANCEL) && !(gp->locks == 1 && asynccancels(gp)))
		return parknointr(gp, why, obj, when);
	return park(gp, why, obj, when);
}

/* The same in a cancellation point: the wait ends by WAKE_SIGNAL also if the G is cancelled. */
static inline enum wakewhy
semasleepcancel(struct g *gp, enum waitreason why, const void *obj, const struct deadline *d)
{
	return park(gp, why, obj, d ? d->when : NOTIME);
}

enum { HANDLER_NONE, HANDLER_RESTART, HANDLER_EINTR };
/* runhandlers runs the signal handlers that have interrupted a wait. In runtime mode, with nothing of the wait
 * left in the object or on a queue: a handler may leave by longjmp. It says whether handlers ran, and
 * whether one of them was installed without SA_RESTART. Nor does it return if the G is cancelled asynchronously. */
int runhandlers(struct g *gp);

/* kernelwake wakes up to n threads that wait at addr in the kernel. The memory may be gone. */
void kernelwake(const void *addr, int n);

/* ---- futex.c ---- */

/* futexpark parks gp, in runtime mode, while the word is val, until it is woken; or returns after a handler, or for nothing. */
void futexpark(struct g *gp, enum waitreason, uint32_t *addr, uint32_t val);
/* futexunpark wakes up to n Gs that wait for the word, and returns how many. Runtime mode, or a thread without a P, see semaothersin. */
int futexunpark(uint32_t *addr, int n);

/* piended: gp has ended, on g0; what it has by FUTEX_LOCK_PI goes to who waits for it. */
void piended(struct g *gp);
void pifork(void); /* robustfork's part */

/* blockingcall makes a call of libc's that may block; gp is NULL or syncg(), in user mode. */
#define blockingcall(gp, call)                                        \
	({                                                            \
		struct g *bc_g = (gp);                                \
		bool bc_enter = bc_g && !(bc_g->flags & GF_FOREIGN);  \
		unwindsyscall();                                      \
		if(bc_enter){                                         \
			rtenter(bc_g);                                \
			entersyscall(bc_g);                           \
		}                                                     \
		__typeof__(call) bc_r = (call);                       \
		if(bc_enter){                                         \
			exitsyscall(bc_g);                            \
			rtexit(bc_g);                                 \
		}                                                     \
		bc_r;                                                 \
	})

/* ---- mutex.c ---- */

/* mutexnative says that m is libc's to handle. */
bool mutexnative(const pthread_mutex_t *m);
/* mutexadopt moves the entry w from a condition variable's bucket to the waiters of m, if m is ours and locked. The
 * bucket from is locked. False if that was not possible or makes no sense. */
bool mutexadopt(pthread_mutex_t *m, struct semaroot *from, struct semawait *w);
/* mutexownerdied frees the robust mutex m, if gp has it, for the next one to get EOWNERDEAD. */
void mutexownerdied(struct g *gp, pthread_mutex_t *m);

/* ---- pin.c; gp may be NULL ---- */

/* pin is called before gp locks an object that other processes know its owner of, and unpin when that has failed or it has
 * unlocked it. In runtime mode or not. */
void pin(struct g *gp);
void unpin(struct g *gp);
void libcnotes(struct g *gp); /* libc is going to note its priority */
bool pinned(void); /* is the caller, a G? */
/* OTHERS(gp, var) is the address of gp's own variable of that name. */
#define OTHERS(gp, var) ((__typeof__(var) *)((gp)->fsbase + ((uintptr_t)&(var) - getfsbase())))
/* pinseq(gp) changes whenever gp is pinned or unpinned. Any thread. */
uint32_t pinseq(struct g *gp);
static inline bool
pinseqpinned(uint32_t seq)
{
	return seq & 1;
}
/* pintid is the tid by which libc's functions know gp just now. */
uint32_t pintid(struct g *gp);
/* pinstart: main, in runtime mode, begins on its own kernel thread. It may have robust mutexes. */
void pinstart(void);
/* pinfork: robustfork's part. */
void pinfork(void);
/* pinexit: gp ends. Robust mutexes that it has are marked. */
void pinexit(struct g *gp);

/* ---- robust.c ---- */

/* __owner of a robust mutex, as in glibc */
#define OWNERINCONSISTENT INT_MAX
#define OWNERLOST         (INT_MAX - 1)
/* The robust mutexes that the calling thread has. */
void robustadd(pthread_mutex_t *m);
void robustremove(pthread_mutex_t *m);
/* robustfork: the child of a fork has none of its parent's, as in glibc. */
void robustfork(void);
/* robustexit: the thread ends, and with it what it had is free, its owner dead. */
void robustexit(struct g *gp);

#endif
