/* SPDX-License-Identifier: MIT */
/*
 * Who waits at which address: the queues under everything that Gs wait for each other
 * with (Go's semaRoot). A mutex, a condition variable, a futex word is nothing but its own few
 * bytes until someone has to wait; then the waiters are found here, by the object's address.
 *
 * A waiter, in runtime mode:
 *
 *	root = semalock(key);
 *	... look at the object once more: does it have to wait? ...
 *	semawaitinit(&w, gp, key);
 *	w.seq = parkprep(gp);
 *	semaenqueue(root, &w, false);
 *	semaunlock(root);
 *	why = park(gp, Wmutex, m, deadline);
 *	if(why != WAKE_READY && (root = semacancel(&w)) != NULL)
 *		semaunlock(root);
 *
 * A waker:
 *
 *	root = semalock(key);
 *	... change the object ...
 *	while((w = semafirst(root, key)) != NULL && !semawake(root, w, &list))
 *		;
 *	semaunlock(root);
 *	semaready(&list);
 *
 * Nothing is lost since both look at the object under the bucket's lock. Objects
 * that let a waker go past without the lock have in themselves a mark that someone
 * waits, set under the lock before the waiter looks at them for the last time;
 * futex words have none, and for them there is semaidle().
 *
 * An entry lives on its waiter's stack. It belongs to the bucket's lock while it is on a queue and
 * to the waiter when it is not; semadequeue's last access to it is the store that takes it
 * off, so a waiter that finds itself off the queue needs no lock to leave. What a waker wants
 * to tell the waiter it writes into the entry before it takes it off.
 */
#ifndef HEDDLE_SEMA_H
#define HEDDLE_SEMA_H

#include "runtime.h"

struct semaroot {
	struct mutex lock cachealigned;
	bool solo;             /* locked by the only P, without an atomic operation; who holds it */
	uint32_t nwait;        /* entries in this bucket; lock, atomic reads */
	struct semawait *tree; /* first waiters of the bucket's addresses; lock */
};

struct semawait {
	struct g *gp;
	uint64_t seq;  /* of the park; see parkprep */
	uintptr_t key; /* address waited at */
	struct semaroot *root; /* atomic: bucket whose queue it is on, or NULL */

	/* the queue of an address: from its first waiter on; bucket's lock */
	struct semawait *next, *prev;
	struct semawait *tail; /* first waiter only */
	/* treap of the first waiters, by key */
	struct semawait *parent, *left, *right;
	uint32_t prio;

	/* not this file's: what waiter and waker tell each other */
	uint32_t flags;
	uint32_t bitset;
	int64_t since; /* ns, when its owner began to wait, or 0 */
	void *arg;
};

/* semawaitinit sets what a waiter has to set: not all of it, which would take longer than the rest. */
static inline void
semawaitinit(struct semawait *w, struct g *gp, uintptr_t key)
{
	w->gp = gp;
	w->key = key;
	w->root = NULL;
	w->flags = 0;
	w->since = 0;
}

#define SEMABITS 10
extern struct semaroot semtable[1 << SEMABITS];

static inline uint64_t
semahash(uintptr_t key)
{
	return (uint64_t)key * 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio: upper bits well mixed */
}

static inline struct semaroot *
semarootof(uintptr_t key)
{
	return &semtable[semahash(key) >> (64 - SEMABITS)];
}

/*
 * With one P and no foreign thread, being in runtime mode is the lock: nobody else is. An
 * atomic operation costs as much as a switch, so it is worth telling apart. A foreign thread's
 * first call ends that for good, another thread without the P for a moment:
 *
 *	who holds the P                 semaothersin
 *	semabusy++                      semasolo = false
 *	compiler barrier                heavybarrier()
 *	semasolo? the bucket is ours    wait until semabusy is 0
 *
 * Either the first one sees that it is no longer alone, or the second waits until it has left.
 */
extern bool semasolo;     /* atomic */
extern uint32_t semabusy; /* buckets held that way; who holds the P */
void semainit(void);      /* in rtinit, when gomaxprocs is known */
void semaothersin(void);  /* a thread that has no P is going to use this */
void semaothersout(void); /* it has done so */

/* semaenter says that the caller, which has a P, is alone, and stays so until semaleave. */
static inlined bool
semaenter(void)
{
	if(!load_relaxed(&semasolo))
		return false;
	store_relaxed(&semabusy, semabusy + 1);
	compiler_barrier(); /* pairs with heavybarrier in semaothersin */
	if(likely(load_relaxed(&semasolo)))
		return true;
	store_relaxed(&semabusy, semabusy - 1);
	return false;
}

static inlined void
semaleave(void)
{
	compiler_barrier();
	store_release(&semabusy, semabusy - 1); /* pairs with the load in semaothersin */
}

static inline bool
semaalone(struct semaroot *root)
{
	if(!semaenter())
		return false;
	root->solo = true;
	return true;
}

static inline void
semalockroot(struct semaroot *root)
{
	if(!semaalone(root))
		lock(&root->lock);
}

static inline bool
sematrylockroot(struct semaroot *root)
{
	return semaalone(root) || trylock(&root->lock);
}

/* semalock locks the bucket of key. Runtime mode, here and below. */
static inline struct semaroot *
semalock(uintptr_t key)
{
	struct semaroot *root = semarootof(key);

	semalockroot(root);
	return root;
}

static inline void
semaunlock(struct semaroot *root)
{
	if(root->solo){
		root->solo = false;
		semaleave();
	}else{
		unlock(&root->lock);
	}
}

/* Both buckets of a pair, which may be one; in the order of their places, so that two who do so never wait for each other. */
void semalock2(struct semaroot *, struct semaroot *);
void semaunlock2(struct semaroot *, struct semaroot *);

/* semafirst returns the longest waiting entry of key, or NULL; semafirst(..)->next is the one after it. */
static inline struct semawait *
semafirst(struct semaroot *root, uintptr_t key)
{
	struct semawait *t = root->tree;

	while(t && t->key != key)
		t = key < t->key ? t->left : t->right;
	return t;
}

/* semaenqueue adds w, whose seq is set, behind those of its key, or before them. */
void semaenqueue(struct semaroot *, struct semawait *w, bool front);
/* semadequeue takes w off. Its owner may return from that moment on, and w be gone. */
void semadequeue(struct semaroot *, struct semawait *w);
/* semarequeue moves w behind those of another key without its ever being off a queue. Both locks held. */
void semarequeue(struct semaroot *from, struct semaroot *to, struct semawait *w, uintptr_t key);

/* semawake takes w off and claims its G, which goes on list if it has to be made runnable: semaready(list) after
 * the unlock. False if something else has woken it: look for another. */
bool semawake(struct semaroot *, struct semawait *w, struct glist *list);
void semaready(struct glist *list);

/* semacancel is for the waiter after park has returned another thing than WAKE_READY: it takes its
 * entry off and returns the bucket, locked; or NULL if it is off already. */
struct semaroot *semacancel(struct semawait *w);
/* semahold is the same, but leaves the entry on its queue. */
struct semaroot *semahold(struct semawait *w);

/*
 * semaidle says that nobody waits at key. It takes no lock, and is for wakers that changed a
 * word which tells nothing of waiters. It is a Dekker lock:
 *
 *	waiter, under the lock              waker
 *	nwait++ (semaenqueue)               *word = new
 *	fence_seqcst()                      fence_seqcst(), in here
 *	look at *word: still old? park      look at nwait: 0? nobody
 *
 * Of two sequentially consistent fences one comes first: either the waiter sees the
 * new word, or the waker sees the waiter.
 */
bool semaidle(uintptr_t key);

/*
 * Words of the program that Gs change in user mode, too: those of the usual mutexes. With one P such a word is changed in
 * runtime mode, by who has the P, and then that needs no atomic operation either, as long as no thread that is no G has
 * come to a mutex; the first one ends it for good:
 *
 *	a G                                     wordsothers
 *	rtenter; semabusy++                     wordsmode = WORDS_ENDING
 *	compiler barrier                        heavybarrier()
 *	WORDS_ALONE? change the word            wait until semabusy is 0
 *	else by an atomic operation             wordsmode = WORDS_SHARED
 *	semabusy--; rtexit
 *
 * A G that finds WORDS_SHARED changes the word in user mode, by an atomic operation; nobody is in the middle of a change
 * without one then. One that finds WORDS_ENDING may not yet do that without the P, which another G may have who is in the
 * middle. That wordsmode never goes back is what lets one look at it suffice.
 *
 * Gs on different kernel threads (one may go on without its P) see each other's changes in order, as between two of them the P
 * has gone from the one to the other: the G that had it has left runtime mode by then, and the taking is a full barrier.
 */
enum { WORDS_SHARED, WORDS_ENDING, WORDS_ALONE };
extern uint32_t wordsmode; /* atomic */
/* wordsothers is called by a thread that has no G, before it does anything with a mutex. */
void wordsothers(void);

static inlined bool
wordsshared(void)
{
	return load_relaxed(&wordsmode) == WORDS_SHARED;
}

/* wordchangealone changes *word from old to new, if it is old, in runtime mode; it returns whether it was. Acquires and releases. */
static inlined bool
wordchangealone(uint32_t *word, uint32_t old, uint32_t new)
{
	bool ok;

	store_relaxed(&semabusy, semabusy + 1);
	compiler_barrier(); /* pairs with heavybarrier in wordsothers */
	if(likely(load_relaxed(&wordsmode) == WORDS_ALONE)){
		ok = load_acquire(word) == old;
		if(ok)
			store_release(word, new);
	}else{
		ok = cas(word, old, new);
	}
	semaleave();
	return ok;
}

/* wordchange is the same for who does not know of the mode. */
static inlined bool
wordchange(uint32_t *word, uint32_t old, uint32_t new)
{
	return wordsshared() ? cas(word, old, new) : wordchangealone(word, old, new);
}

/* semafork: in the child of fork, where only the calling G is left, nobody waits. */
void semafork(void);

#endif
