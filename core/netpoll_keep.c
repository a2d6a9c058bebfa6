/* SPDX-License-Identifier: MIT */
/*
 * Descriptions outlive the close of their number for as long as somebody waits on them.
 *
 * Natively a blocked call holds a reference to the open file: a close of the descriptor by another thread does
 * not end it, what arrives later goes to it, and the peer sees no end until it has returned. A
 * parked G holds nothing. So when a number is closed, or given to another file, while Gs wait on it, the
 * description gets another number first, high up and close-on-exec, and the waiters go on with that:
 *
 *	closer (pollclosing)                         waiter
 *	finds waiters; dup: entry k                  parked on pd
 *	holds k itself
 *	under pd->lock, for each reader and writer:
 *	  notes (G, k), then wakes it with WAKE_CLOSE
 *	for each that polls: notes (G, k),
 *	  moves its entry to k's queue
 *	drops its own hold                           WAKE_CLOSE: pollkept(G) is k; tries again with k,
 *	the program's close()                        parks on k
 *	                                             its call ends: polldrop(G); the last one closes k
 *
 * The note is made before the wake-up, since a G that is claimed may run at once. Notes are made for all who are on a
 * queue, those whose wait has ended otherwise included: these have yet to take pd->lock to leave the queue, and
 * may go on waiting after a handler has run. Who polls is not woken: natively poll() sleeps on, too, and looks at the number
 * only when something has happened to the file.
 *
 * What costs: a close under waiters. Elsewhere one look at nkept where a call is slow, or a thread ends.
 *
 * Without a number or memory for this the waiters get EBADF. So do those that an event has woken, but who have not run
 * yet when the number is closed, and those between an attempt and its wait: they are on no queue.
 */
#include "netpoll.h"

/* Where the numbers are: the kernel's table must not grow much, but few programs have numbers there that they close. */
enum { KEPTTOP = 16384 - 256 };

struct kept {
	struct kept *next;
	struct g *gp;        /* NULL: the closer's own */
	struct polldesc *pd; /* what it holds */
	uint32_t use;        /* of pd's number */
};

static struct mutex keptlock; /* taken with a polldesc's held; only persistentalloc is called under it */
static struct kept *kepts;    /* keptlock; latest first */
static struct kept *freelist; /* keptlock */
uint32_t nkept;               /* written under keptlock, atomic reads */

/* Notes that gp holds pd. False: no memory. */
bool
keepfor(struct g *gp, struct polldesc *pd)
{
	struct kept *k;

	lock(&keptlock);
	if((k = freelist) != NULL)
		freelist = k->next;
	else
		k = persistentalloc(sizeof *k, 8);
	if(k != NULL){
		*k = (struct kept){kepts, gp, pd, pd->use};
		kepts = k;
		store_relaxed(&nkept, nkept + 1);
	}
	unlock(&keptlock);
	return k != NULL;
}

struct polldesc *
pollkept(struct g *gp)
{
	struct polldesc *pd = NULL;

	if(likely(load_relaxed(&nkept) == 0))
		return NULL;
	lock(&keptlock);
	for(struct kept *k = kepts; k != NULL && pd == NULL; k = k->next)
		if(k->gp == gp)
			pd = k->pd;
	unlock(&keptlock);
	return pd;
}

static bool
held(const struct polldesc *pd)
{
	for(struct kept *k = kepts; k != NULL; k = k->next)
		if(k->pd == pd)
			return true;
	return false;
}

/* Closes a number that nobody holds any more, unless the program has made another of it. */
static void
release(struct polldesc *pd, uint32_t use)
{
	uint32_t now = pollclosing(pd);

	if(now == use)
		rawsyscall(SYS_close, pd->fd);
	pollclosed(pd, now);
}

/* Takes one of gp's notes off, of pd if that is not NULL. False: there is none. */
static bool
dropone(struct g *gp, struct polldesc *pd)
{
	struct kept **at, *k;
	bool last = false;
	uint32_t use = 0;

	lock(&keptlock);
	for(at = &kepts; (k = *at) != NULL; at = &k->next)
		if(k->gp == gp && (pd == NULL || k->pd == pd))
			break;
	if(k != NULL){
		*at = k->next;
		pd = k->pd;
		use = k->use;
		k->next = freelist;
		freelist = k;
		store_relaxed(&nkept, nkept - 1);
		last = !held(pd);
	}
	unlock(&keptlock);
	if(last)
		release(pd, use);
	return k != NULL;
}

void
polldropslow(struct g *gp)
{
	while(dropone(gp, NULL))
		continue;
}

struct polldesc *
keepopen(struct polldesc *pd)
{
	uint32_t fl = load_relaxed(&pd->flags);
	struct polldesc *k;
	int fd = duphigh(pd->fd, KEPTTOP);

	if(fd < 0)
		return NULL;
	if((k = pollget(fd)) != NULL){
		pollreset(k, (enum fdkind)load_relaxed(&pd->kind), fl & (PD_NODRAIN | PD_LOWAT));
		if(keepfor(NULL, k))
			return k;
	}
	rawsyscall(SYS_close, fd);
	return NULL;
}

void
keepdone(struct polldesc *k)
{
	dropone(NULL, k);
}

int
keptnext(int from)
{
	int fd = -1;

	if(likely(load_relaxed(&nkept) == 0))
		return -1;
	lock(&keptlock);
	for(struct kept *k = kepts; k != NULL; k = k->next)
		if(k->pd->fd >= from && (fd < 0 || k->pd->fd < fd))
			fd = k->pd->fd;
	unlock(&keptlock);
	return fd;
}

/* The child of a fork has copies of numbers for which nobody waits there. */
void
keptfork(void)
{
	struct kept *k;

	keptlock.key = 0;
	while((k = kepts) != NULL){
		rawsyscall(SYS_close, k->pd->fd);
		kepts = k->next;
		k->next = freelist;
		freelist = k;
	}
	nkept = 0;
}
