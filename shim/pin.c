/* SPDX-License-Identifier: MIT */
/*
 * Threads that hold objects which other processes know them by.
 *
 * A process-shared mutex that is robust, recursive or checks errors, and a process-shared rwlock that is held to write,
 * name their owner by its tid, to other processes and to the kernel. The tid of a G is made up; another process that runs
 * under heddle has one with the same. So while a G has such an object it is locked to its M, its
 * TCB has that one's tid, and the kernel is told its list of robust mutexes, not the M's.
 *
 * Libc does the rest, with its own functions; and if the process dies, the kernel.
 *
 * Main may have locked some before the runtime was there. Robust ones it keeps, on its kernel thread (pinstart); they are
 * not counted, so unpin looks whether there are any left. The owner of the others is named by a tid that main has anyhow.
 */
#include "sync.h"
#include "tls.h"

static __thread uint32_t pins __attribute__((tls_model("initial-exec"))); /* objects held; only the G */
static __thread uint32_t seq __attribute__((tls_model("initial-exec")));  /* times it has been pinned and unpinned; atomic for others */
static __thread bool noted __attribute__((tls_model("initial-exec")));    /* see libcnotes */

/* It is pinned, or no more. The tid is in the descriptor by then, or still. */
static void
turn(void)
{
	store_release(&seq, seq + 1);
	fence_seqcst(); /* pairs with the one in prionote.c */
}

uint32_t
pinseq(struct g *gp)
{
	return load_acquire(OTHERS(gp, seq));
}

static void
setrobustlist(uintptr_t tcb)
{
	if(tcblayout.robusthead != 0)
		rawsyscall(SYS_set_robust_list, tcb + tcblayout.robusthead, sizeof(struct robust_list_head));
}

void
pin(struct g *gp)
{
	if(gp == NULL || (gp->flags & GF_FOREIGN))
		return;
	rtenter(gp);
	lockosthread(gp);
	if(pins++ == 0){
		tcbword(gp, tcblayout.tid, uint32_t) = (uint32_t)gp->m->tid;
		setrobustlist(gp->fsbase);
		turn();
	}
	rtexit(gp);
}

/* The next link of gp's list; NULL at the end. */
static uintptr_t
nextheld(struct g *gp, uintptr_t link)
{
	uintptr_t head = gp->fsbase + tcblayout.robusthead, next = *(uintptr_t *)(link & ~1UL);

	return (next & ~1UL) == head ? 0 : next;
}

static pthread_mutex_t *
mutexat(uintptr_t link)
{
	return (pthread_mutex_t *)((link & ~1UL) - offsetof(pthread_mutex_t, __data.__list.__next));
}

/* Does gp have a robust mutex of libc's? */
static bool
holdsrobust(struct g *gp)
{
	uintptr_t link = gp->fsbase + tcblayout.robusthead;

	if(tcblayout.robusthead != 0)
		while((link = nextheld(gp, link)) != 0)
			if(mutexnative(mutexat(link)))
				return true;
	return false;
}

void
pinstart(void)
{
	struct g *gp = getg();

	if(!holdsrobust(gp))
		return;
	lockosthread(gp);
	pins = 1;
	setrobustlist(gp->fsbase);
	turn();
}

void
pinfork(void)
{
	pins = seq = 0;
}

void
unpin(struct g *gp)
{
	if(gp == NULL || (gp->flags & GF_FOREIGN) || pins == 0)
		return; /* pins == 0: another thread has locked it */
	if(pins == 1 && (gp->flags & GF_MAIN) && holdsrobust(gp))
		return;
	rtenter(gp);
	if(--pins == 0){
		turn();
		setrobustlist(gp->m->fsbase);
		tcbword(gp, tcblayout.tid, uint32_t) = gp->tid;
	}
	unlockosthread(gp);
	rtexit(gp);
}

/*
 * libc keeps in the descriptor a thread's priority (prionote.c), and which ceilings add to it, once it has set one. It has no function to
 * forget that again, so no other thread may have this descriptor.
 */
void
libcnotes(struct g *gp)
{
	if(gp != NULL && !(gp->flags & GF_FOREIGN))
		store_relaxed(OTHERS(gp, noted), true);
}

bool
pinned(void)
{
	return pins != 0;
}

uint32_t
pintid(struct g *gp)
{
	return gp->flags & GF_FOREIGN ? gp->tid : tcbword(gp, tcblayout.tid, uint32_t);
}

/* What the kernel does for a thread that ends: marks the mutex m as having a dead owner. */
static void
markdead(pthread_mutex_t *m, uint32_t tid, bool inherit)
{
	uint32_t *word = (uint32_t *)&m->__data.__lock;
	uint32_t v = load_relaxed(word);

	do{
		if((v & FUTEX_TID_MASK) != tid)
			return;
		if(inherit && (v & FUTEX_WAITERS)){
			/* The kernel hands it on to a waiter, who is not told of the death. */
			rawsyscall(SYS_futex, word, FUTEX_UNLOCK_PI, 0);
			return;
		}
	}while(!__atomic_compare_exchange_n(word, &v, (v & FUTEX_WAITERS) | FUTEX_OWNER_DIED, false, __ATOMIC_SEQ_CST,
	    __ATOMIC_RELAXED));
	if(v & FUTEX_WAITERS)
		rawsyscall(SYS_futex, word, FUTEX_WAKE, 1);
}

/* The kernel's part of the end of a thread that has such objects. */
static void
dropheld(struct g *gp)
{
	uintptr_t head = gp->fsbase + tcblayout.robusthead;
	uintptr_t link, next;
	uint32_t tid = pintid(gp);

	if(tcblayout.robusthead != 0){
		for(link = nextheld(gp, head); link != 0; link = next){
			next = nextheld(gp, link);
			markdead(mutexat(link), tid, link & 1);
		}
		*(uintptr_t *)head = head;
	}
	pins = 1;
	unpin(gp);
}

void
pinexit(struct g *gp)
{
	if(pins != 0)
		dropheld(gp);
	if(unlikely(load_relaxed(&noted))) /* now that others can change the note no more */
		fetch_or(&gp->attn, ATTN_NOTED);
}
