/* SPDX-License-Identifier: MIT */
/*
 * pthread_barrier_wait and pthread_barrier_destroy.
 *
 * glibc's object, all of which changes under the lock of the bucket only:
 *
 *	in     threads that have come in so far
 *	done   of these, threads whose rounds are complete (glibc: current_round)
 *	out    of these, threads that will not look at the object any more
 *	count  threads in a round
 *
 * The counters run over together. Who completes a round takes the others off the queue, and with that they are out:
 * the barrier may be destroyed as soon as one of them has returned. Only a waiter that runs a signal
 * handler has to look at the object afterwards; for such ones destroy waits, as
 * glibc's does, on the queue of the address plus one.
 */
#include "sync.h"

struct barrierobj {
	uint32_t in;
	uint32_t done;
	uint32_t count;
	int32_t shared;
	uint32_t out;
};
_Static_assert(sizeof(struct barrierobj) <= sizeof(pthread_barrier_t), "pthread_barrier_t");

static inline uintptr_t
destroyers(struct barrierobj *b)
{
	return (uintptr_t)b + 1;
}

static void
wakeall(struct semaroot *root, uintptr_t key, struct glist *list)
{
	struct semawait *w;

	while((w = semafirst(root, key)) != NULL){
		w->flags |= SW_HANDOFF;
		semawake(root, w, list);
	}
}

/* barrierhandlers runs handlers, after a waiter has been taken off the queue. mine: in when it came.
 * True if its round is complete; else the bucket is locked. */
static bool
barrierhandlers(struct g *gp, struct barrierobj *b, uint32_t mine)
{
	struct glist list = {0};
	struct semaroot *root;
	bool done;

	runhandlers(gp);
	root = semalock((uintptr_t)b);
	b->out++;
	done = (int32_t)(b->done - mine) >= 0;
	if(done){
		if(b->out == b->done)
			wakeall(root, destroyers(b), &list);
		semaunlock(root);
		semaready(&list);
	}
	return done;
}

/* barrierwait is true for the one that completes the round. In runtime mode. */
static bool
barrierwait(struct g *gp, struct barrierobj *b)
{
	struct semawait w;
	struct glist list = {0};
	struct semaroot *root = semalock((uintptr_t)b);
	uint32_t mine = ++b->in;

	semawaitinit(&w, gp, (uintptr_t)b);
	if(mine - b->done == b->count){
		b->done = mine;
		b->out += b->count;
		wakeall(root, w.key, &list);
		semaunlock(root);
		semaready(&list);
		return true;
	}
	for(;;){
		w.seq = parkprep(gp);
		semaenqueue(root, &w, false);
		semaunlock(root);
		if(semasleep(gp, Wbarrier, b, NULL) == WAKE_READY)
			return false;
		root = semacancel(&w);
		if(root == NULL){
			runhandlers(gp); /* the round was completed meanwhile */
			return false;
		}
		b->out--;
		semaunlock(root);
		if(barrierhandlers(gp, b, mine))
			return false;
		root = semarootof(w.key);
	}
}

EXPORT int
pthread_barrier_wait(pthread_barrier_t *barrier)
{
	struct barrierobj *b = (struct barrierobj *)barrier;
	struct g *gp = syncg();
	bool last;

	if(gp == NULL || b->shared)
		return blockingcall(gp, libc.pthread_barrier_wait(barrier));
	rtenter(gp);
	last = barrierwait(gp, b);
	rtexit(gp);
	return last ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}

EXPORT int
pthread_barrier_destroy(pthread_barrier_t *barrier)
{
	struct barrierobj *b = (struct barrierobj *)barrier;
	struct g *gp = syncg();
	struct semawait w;
	struct semaroot *root;

	if(gp == NULL || b->shared)
		return blockingcall(gp, libc.pthread_barrier_destroy(barrier));
	semawaitinit(&w, gp, destroyers(b));
	rtenter(gp);
	root = semalock((uintptr_t)b);
	while(b->out != b->done){
		w.seq = parkprep(gp);
		semaenqueue(root, &w, false);
		semaunlock(root);
		if(semasleep(gp, Wbarrier, b, NULL) != WAKE_READY){
			if((root = semacancel(&w)) != NULL)
				semaunlock(root);
			runhandlers(gp);
		}
		root = semalock((uintptr_t)b);
	}
	semaunlock(root);
	rtexit(gp);
	return 0;
}
