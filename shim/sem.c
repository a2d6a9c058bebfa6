/* SPDX-License-Identifier: MIT */
/*
 * sem_wait, sem_post and so on.
 *
 * The object is glibc's: 64 bits with the value below and the number of waiters above, in one
 * word, so that a post sees at once whether somebody has to be woken; and whether it is private. What
 * sem_open returns is never private: that is libc's to wait for, as is any process-shared one.
 *
 * A waiter counts itself, looks for a token once more, and queues, all under the bucket's lock. A post adds to the
 * value and, if the same word says that there is a waiter, takes that lock and wakes the first one. So
 * either the post sees the waiter, or the waiter the token. Who takes an entry off the queue
 * takes it out of the count, while it is there still: a waiter that is on its way costs posts nothing.
 *
 * A post does not hand its token over: who comes first gets it, and a woken waiter that finds
 * none goes back to the front of the queue.
 *
 * As soon as the token is in the value the semaphore may be destroyed by who took it, unless others wait: after that
 * nothing but its address is used, or its count while one that waits is on the queue.
 */
#include "sync.h"

struct semobj {
	uint64_t data;
	int32_t shared; /* 0: private to the process */
	int32_t pad;
};
_Static_assert(sizeof(struct semobj) <= sizeof(sem_t), "sem_t");

#define NWAITER ((uint64_t)1 << 32)

static inline uint32_t
valueof(uint64_t data)
{
	return (uint32_t)data;
}

/* take takes a token, with sub = 1; with sub = 1 + NWAITER also a waiter out of the count. */
static inline bool
take(struct semobj *s, uint64_t sub)
{
	uint64_t d = load_relaxed(&s->data);

	while(valueof(d) != 0)
		if(__atomic_compare_exchange_n(&s->data, &d, d - sub, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return true;
	return false;
}

/* semqueue takes a token, or queues w. True for a token. */
static bool
semqueue(struct semobj *s, struct semawait *w, bool front)
{
	struct semaroot *root = semalock(w->key);
	bool got;

	fetch_add(&s->data, NWAITER);
	got = take(s, NWAITER + 1);
	if(!got){
		w->seq = parkprep(w->gp);
		semaenqueue(root, w, front);
	}
	semaunlock(root);
	return got;
}

/* semwait waits for a token, in runtime mode. 0, ETIMEDOUT, or EINTR. */
static int
semwait(struct g *gp, struct semobj *s, struct deadline *d)
{
	struct semawait w;
	struct semaroot *root;
	enum wakewhy why = WAKE_TIMEOUT;
	int ran;

	semawaitinit(&w, gp, (uintptr_t)s);
	for(;;){
		if(semqueue(s, &w, why == WAKE_READY))
			return 0;
		why = semasleepcancel(gp, Wsem, s, d);
		if(why == WAKE_READY){
			if(take(s, 1))
				return 0;
			continue;
		}
		if((root = semacancel(&w)) != NULL){
			fetch_add(&s->data, -NWAITER);
			semaunlock(root);
		}
		if(why == WAKE_SIGNAL){
			cancelpointrt(gp);
			/* With a time limit the kernel restarts no futex wait, whatever SA_RESTART says. */
			ran = runhandlers(gp);
			if(ran == HANDLER_EINTR || (ran == HANDLER_RESTART && d))
				return EINTR;
		}else if(deadlinepast(d)){
			return ETIMEDOUT;
		}
	}
}

static int
semwaiterr(struct g *gp, struct semobj *s, struct deadline *d)
{
	int r;

	rtenter(gp);
	r = semwait(gp, s, d);
	rtexit(gp);
	if(r == 0)
		return 0;
	errno = r;
	return -1;
}

EXPORT int
sem_wait(sem_t *sem)
{
	struct semobj *s = (struct semobj *)sem;
	struct g *gp = syncg();

	if(unlikely(gp == NULL || s->shared))
		return blockingcall(gp, libc.sem_wait(sem));
	cancelpoint(gp);
	if(likely(take(s, 1)))
		return 0;
	return semwaiterr(gp, s, NULL);
}

EXPORT int
sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *abstime)
{
	struct semobj *s = (struct semobj *)sem;
	struct deadline d = {.clock = clock, .ts = abstime};
	struct g *gp = syncg();

	if(gp == NULL || s->shared)
		return blockingcall(gp, libc.sem_clockwait(sem, clock, abstime));
	if(!validclock(clock) || !validnsec(abstime)){
		errno = EINVAL;
		return -1;
	}
	cancelpoint(gp);
	if(take(s, 1))
		return 0;
	deadlineset(&d);
	return semwaiterr(gp, s, &d);
}

EXPORT int
sem_timedwait(sem_t *sem, const struct timespec *abstime)
{
	struct g *gp = syncg();

	if(gp == NULL || ((struct semobj *)sem)->shared)
		return blockingcall(gp, libc.sem_timedwait(sem, abstime));
	return sem_clockwait(sem, CLOCK_REALTIME, abstime);
}

static noinline void
postslow(struct semobj *s)
{
	struct g *gp = syncg();
	struct glist list = {0};
	struct semaroot *root;
	struct semawait *w;
	bool found = false;

	if(gp == NULL){
		kernelwake(s, 1);
		return;
	}
	rtenter(gp);
	root = semalock((uintptr_t)s);
	while(!found && (w = semafirst(root, (uintptr_t)s)) != NULL){
		fetch_add(&s->data, -NWAITER);
		found = semawake(root, w, &list);
	}
	semaunlock(root);
	if(found)
		semaready(&list);
	else
		kernelwake(s, 1);
	rtexit(gp);
}

/* Async-signal-safe. */
EXPORT int
sem_post(sem_t *sem)
{
	struct semobj *s = (struct semobj *)sem;
	uint64_t d = load_relaxed(&s->data);

	if(unlikely(s->shared))
		return libc.sem_post(sem);
	do{
		if(valueof(d) == SEM_VALUE_MAX){
			errno = EOVERFLOW;
			return -1;
		}
	}while(!__atomic_compare_exchange_n(&s->data, &d, d + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if(d >= NWAITER)
		postslow(s);
	return 0;
}
