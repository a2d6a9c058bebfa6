/* SPDX-License-Identifier: MIT */
/*
 * A TCB and TLS for each G.
 *
 * A G is a thread in libc's eyes when the FS base points to a thread descriptor (TCB) as
 * libc itself would have made it, with the static TLS blocks below and a dtv for the
 * dynamic ones. ld.so makes the TLS (_dl_allocate_tls); the descriptor is a copy of
 * that of a real thread, the donor, which runs once, when the runtime starts. Its layout
 * is libc's secret and differs between versions: part of it is told by the symbols
 * meant for libthread_db, the rest is found by experiments on the donor
 * (tlscal.c). Where these do not give one clear answer, heddle stays out of the way.
 *
 * The list of threads. dlopen initialises the static TLS of a new library in every
 * thread on ld.so's lists (dl_stack_used, dl_stack_user); setxid signals their tids; the
 * child of a fork forgets them. So each TCB of ours goes on dl_stack_user, where libc
 * has threads whose stacks it does not manage, under the lock that libc takes for it.
 * The critical sections are a few instructions and take no other lock, and libc's
 * are as short, except that dlopen's is a memcpy for each thread. A G that waits here is
 * in user mode, so that its P can be taken meanwhile. setxid's signals to
 * fake tids fail with ESRCH, which it takes for a thread that is gone. A dead G stays
 * listed until its stack is unmapped: its static TLS is then kept current like any other's.
 * A fork's child has an empty list with itself on it; linkgen keeps Gs of its parent's from being unlinked there.
 *
 * Fake tids are unique among TCBs, dead ones included: recursive locks within libc compare
 * them. A G's are made of its own index and a generation, so that the next G in the
 * same place has another one; they lie between the kernel's limit for pids (2^22) and the
 * tid field of a futex (2^30).
 */
#include <string.h>
#include <sys/mman.h>

#include "runtime.h"
#include "tls.h"
#include "tlscal.h"

enum {
	TIDBASE = 0x20000000,
	TIDINDEXBITS = 24,
	TIDGENMASK = 31,
	NCOLOURS = 32,
	RSEQ_SIZE = 32,
	RSEQ_SIG = 0x53053053,
	RSEQ_UNREGISTER = 1,
};

struct tcblayout tcblayout;
static struct tlscal cal;
static ptrdiff_t tlsgoff, tlsowneroff; /* of tls_g and tls_owner, from the TCB */
static uint32_t linkgen = 1;
static uint32_t tidindexes; /* atomic */

/* ---- the list of threads ---- */

struct list {
	struct list *next, *prev;
};

/* libc's low-level lock: 0 free, 1 held, 2 held and maybe waited for. */
static void
lllock(uint32_t *l)
{
	if(cas(l, 0, 1))
		return;
	while(xchg(l, 2) != 0)
		futexsleep(l, 2, NOTIME);
}

static void
llunlock(uint32_t *l)
{
	if(xchg(l, 0) == 2)
		futexwakeup(l, 1);
}

/* glibc's list_add: the link is stored last, for readers without the lock (libthread_db). */
static void
tcblink(struct g *gp)
{
	struct list *l = (struct list *)(gp->fsbase + tcblayout.list), *head = cal.stackuser;

	lllock(cal.stacklock);
	l->next = head->next;
	l->prev = head;
	head->next->prev = l;
	store_release(&head->next, l);
	llunlock(cal.stacklock);
	gp->linkgen = linkgen;
}

static void
tcbunlink(struct g *gp)
{
	struct list *l = (struct list *)(gp->fsbase + tcblayout.list);

	if(gp->linkgen != linkgen)
		return;
	lllock(cal.stacklock);
	l->next->prev = l->prev;
	l->prev->next = l->next;
	llunlock(cal.stacklock);
	gp->linkgen = 0;
}

/* ---- libc's blocks of Gs without stacks ---- */

static struct {
	struct mutex lock;
	void **free; /* the first word of each links them */
} blocks;

static void *
getblock(void)
{
	void **b;

	lock(&blocks.lock);
	if((b = blocks.free) != NULL)
		blocks.free = *b;
	unlock(&blocks.lock);
	return b != NULL ? b : persistentalloc(cal.libctlssize, 16);
}

static void
putblock(void *p)
{
	void **b = p;

	lock(&blocks.lock);
	*b = blocks.free;
	blocks.free = b;
	unlock(&blocks.lock);
}

/* ---- making, resetting and freeing ---- */

static int
newtid(struct g *gp)
{
	if(gp->tidindex == 0)
		gp->tidindex = fetch_add(&tidindexes, 1) + 1;
	if(gp->tidindex >= 1U << TIDINDEXBITS)
		return EAGAIN;
	gp->tid = TIDBASE | (gp->tidgen++ & TIDGENMASK) << TIDINDEXBITS | gp->tidindex;
	return 0;
}

/* The words of the descriptor that point into itself, from the i-th on. */
static void
relocate(uintptr_t tcb, uint32_t i, uint32_t n)
{
	for(; i < n; i++)
		*(uintptr_t *)(tcb + cal.reloc[i].at) = tcb + cal.reloc[i].to;
}

static size_t
generation(void)
{
	return cal.generation ? load_acquire(cal.generation) : 0;
}

/* What a new thread has set up before its first function runs. */
static void
tcbstart(struct g *gp)
{
	uintptr_t tcb = gp->fsbase;

	tcbword(gp, tcblayout.tid, uint32_t) = gp->tid;
	*(uintptr_t *)(tcb + (uintptr_t)tcblayout.resp) = tcb + tcblayout.res;
	*(struct g **)(tcb + (uintptr_t)tlsgoff) = gp;
	*(struct g **)(tcb + (uintptr_t)tlsowneroff) = gp;
}

static void
setrseq(uintptr_t tcb)
{
	uint32_t *area = (uint32_t *)(tcb + (uintptr_t)cal.rseqoff);

	if(cal.rseqsize == 0)
		return;
	area[0] = 0;             /* cpu_id_start */
	area[1] = (uint32_t)-2; /* cpu_id: registration failed, ask the kernel instead */
}

/* The place of a TCB at the top of a stack, as libc has it. */
static uintptr_t
tcbplace(uintptr_t hi)
{
	return (hi - tcblayout.size) & ~(tcblayout.align - 1);
}

/*
 * Stacks lie at equal distances, so that all TCBs would fall into the same few sets of the caches. Each is
 * moved down by its own number of cache lines; the two pages that a parked G touches have room for it.
 */
static uintptr_t
colour(struct g *gp)
{
	return gp->flags & GF_USERSTACK ? 0 : (gp->tidindex & (NCOLOURS - 1)) * CACHELINE;
}

int
tlsnew(struct g *gp)
{
	size_t gen = generation(); /* before: modules may come meanwhile */
	uintptr_t tcb;
	int e;

	if((e = newtid(gp)) != 0)
		return e;
	tcb = tcbplace(gp->stack.hi - colour(gp));
	memcpy((void *)tcb, cal.image, tcblayout.size);
	relocate(tcb, 0, cal.nreloc);
	gp->fsbase = tcb;
	tcbword(gp, tcblayout.stackblock, uintptr_t) = gp->stack.lo;
	tcbword(gp, tcblayout.stackblocksize, size_t) = gp->stack.hi - gp->stack.lo;
	setrseq(tcb);
	if(cal.allocatetls((void *)tcb) == NULL){
		gp->fsbase = 0;
		return EAGAIN;
	}
	if(gp->libctls != NULL){
		memcpy((void *)(tcb + (uintptr_t)cal.libctls), gp->libctls, cal.libctlssize);
		putblock(gp->libctls);
		gp->libctls = NULL;
	}
	gp->tlsgen = (uint32_t)gen;
	tcbstart(gp);
	tcblink(gp);
	return 0;
}

/*
 * All TLS is made anew but libc's own block: its caches (malloc's tcache and arena above all)
 * pass on to the next thread; what of it a thread can tell has been cleared by
 * cleanlibc in shim/exit.c. _dl_allocate_tls_init forgets the dynamic blocks, which tlsexit has freed.
 */
static void
longreset(struct g *gp)
{
	uintptr_t tcb = gp->fsbase, block = tcb + (uintptr_t)cal.libctls;
	size_t gen = generation();
	uint8_t keep[TLSBLOCKMAX];

	memcpy(keep, (void *)block, cal.libctlssize);
	cal.allocatetlsinit((void *)tcb, true);
	memcpy((void *)block, keep, cal.libctlssize);
	gp->tlsgen = (uint32_t)gen;
	if(cal.generation != NULL)
		tlsnote(gp, &cal, gen);
}

void
tlsreset(struct g *gp)
{
	uintptr_t tcb = gp->fsbase;
	uint32_t from = tcblayout.cleanupjmpbuf - sizeof(void *);

	newtid(gp);
	if(cal.generation == NULL || !tlsquickreset(gp, &cal))
		longreset(gp);
	/* both lists of cleanup handlers and the state of cancellation */
	memcpy((void *)(tcb + from), cal.image + from, tcblayout.cancelhandling + 4 - from);
	relocate(tcb, cal.robust0, cal.robust1);
	if(unlikely(gp->linkgen != linkgen))
		tcblink(gp);
	tcbstart(gp);
}

bool
tlsunstarted(struct g *gp)
{
	return tlsstacktop(gp) - gp->sp < 2 * CACHELINE;
}

/* Gives the TLS back, but for libc's block, which stays with the G. */
static void
release(struct g *gp)
{
	gp->libctls = getblock();
	if(gp->libctls != NULL)
		memcpy(gp->libctls, (void *)(gp->fsbase + (uintptr_t)cal.libctls), cal.libctlssize);
	tcbunlink(gp);
	cal.deallocatetls((void *)gp->fsbase, false);
}

void
tlsfree(struct g *gp)
{
	if(gp->fsbase == 0)
		return;
	release(gp);
	gp->fsbase = 0;
}

void
tlsexit(struct g *gp)
{
	struct dtv *dtv;

	tcbword(gp, tcblayout.tid, uint32_t) = 0;
	if(gp->flags & GF_USERSTACK){
		release(gp); /* the program may use the memory as soon as the thread has been joined */
		return;
	}
	if(cal.generation != NULL && tlsnodynamic(gp, &cal))
		return;
	dtv = tcbword(gp, cal.dtvp, struct dtv *);
	for(size_t i = 1; i <= dtv[-1].len; i++){
		if(dtv[i].tofree == NULL)
			continue;
		cal.free(dtv[i].tofree);
		dtv[i].val = (void *)-1; /* not allocated */
		dtv[i].tofree = NULL;
	}
}

uintptr_t
tlsstacktop(struct g *gp)
{
	return (gp->fsbase - (tcblayout.tlssize - tcblayout.size)) & ~63UL;
}

struct g *
gfrompthread(uintptr_t th)
{
	struct g *gp = *(struct g **)(th + (uintptr_t)tlsowneroff);

	return gp != NULL && gp->fsbase == th ? gp : NULL;
}

struct g *
gfromtid(uint32_t tid)
{
	for(struct g *gp = load_acquire(&allgs); gp != NULL; gp = gp->alllink)
		if(gp->tid == tid && gp->status != Gdead && gp->status != Gidle && !(gp->flags & GF_FOREIGN))
			return gp;
	return NULL;
}

/* ---- bootstrap ---- */

int
tlsinit(const struct tlsops *ops)
{
	const char *why;

	if(tlsgoff != 0)
		return 0; /* known from the parent's start */
	why = tlscalibrate(ops, &tcblayout, &cal);
	if(why == tlscalagain)
		return EAGAIN;
	if(why != NULL){
		rtlog("off: this libc's threads are not understood (%s); every thread stays a kernel thread", why);
		return ENOSYS;
	}
	tlsgoff = (char *)&tls_g - (char *)getfsbase();
	tlsowneroff = (char *)&tls_owner - (char *)getfsbase();
	tlsfindlines(&cal, tlsgoff);
	return 0;
}

/*
 * Main's kernel thread is to be any M's from now on, so the kernel must no longer write
 * into main's TCB: the restartable-sequence area is unregistered (newer libcs register more
 * than 32 bytes). Robust mutexes on main's list are the G's; M0 gets an empty list.
 */
static void
adoptmain(uintptr_t m0)
{
	uintptr_t tcb = getfsbase();

	if(cal.rseqsize != 0)
		for(long n = RSEQ_SIZE; n <= 1024; n += RSEQ_SIZE)
			if(rawsyscall(SYS_rseq, tcb + (uintptr_t)cal.rseqoff, n, RSEQ_UNREGISTER, RSEQ_SIG) == 0)
				break;
	setrseq(tcb);
	if(cal.robusthead != 0)
		rawsyscall(SYS_set_robust_list, m0 + cal.robusthead, 3 * sizeof(void *));
}

/* A TCB on memory of its own, for a kernel thread that runs no G; 0 without memory. */
static uintptr_t
threadtcb(void)
{
	struct g stand = {0}; /* stands for the thread here only */
	size_t size = (tcblayout.tlssize + 8191) & ~4095UL;
	long p = rawsyscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if(p < 0 && p > -4096)
		return 0;
	stand.stack.lo = (uintptr_t)p;
	stand.stack.hi = (uintptr_t)p + size;
	if(tlsnew(&stand) != 0){
		rawsyscall(SYS_munmap, p, size);
		return 0;
	}
	*(struct g **)(stand.fsbase + (uintptr_t)tlsgoff) = NULL;
	*(struct g **)(stand.fsbase + (uintptr_t)tlsowneroff) = NULL;
	return stand.fsbase;
}

/* Initialises libc's own part, by which it classifies characters. */
static void
ctypein(uintptr_t tcb)
{
	uintptr_t fs = getfsbase();

	setfsbase(tcb);
	cal.ctypeinit();
	setfsbase(fs);
}

uintptr_t
tlsm0(void)
{
	uintptr_t tcb = threadtcb();

	if(tcb != 0){
		ctypein(tcb);
		adoptmain(tcb);
	}
	return tcb;
}

void
tlspoke(void *var, uintptr_t tcb, void *value)
{
	*(void **)(tcb + ((uintptr_t)var - getfsbase())) = value;
}

/* ---- threads that the program makes by clone(2) ---- */

/* Never freed, but used again: the kernel clears tid at the thread's end. */
struct cloned {
	struct cloned *next;
	uintptr_t tcb;
	uint32_t tid; /* atomic; CLONEBUSY until the kernel thread is there */
};
enum { CLONEBUSY = 0xffffffff };
static struct cloned *cloneds; /* atomic, append only */

static struct cloned *
newcloned(void)
{
	struct cloned *c;

	for(c = load_acquire(&cloneds); c != NULL; c = c->next)
		if(cas(&c->tid, 0, CLONEBUSY))
			return c;
	if((c = persistentalloc(sizeof *c, 16)) == NULL || (c->tcb = threadtcb()) == 0)
		return NULL;
	c->tid = CLONEBUSY;
	do
		c->next = load_relaxed(&cloneds);
	while(!cas(&cloneds, c->next, c));
	return c;
}

uintptr_t
tlsclone(uint32_t **tid)
{
	uintptr_t from = getfsbase(), block;
	size_t n = tcblayout.tlssize - tcblayout.size;
	struct cloned *c = newcloned();
	uint8_t keep[TLSBLOCKMAX];

	if(c == NULL)
		return 0;
	block = c->tcb + (uintptr_t)cal.libctls;
	memcpy(keep, (void *)block, cal.libctlssize);
	memcpy((void *)(c->tcb - n), (void *)(from - n), n);
	memcpy((void *)block, keep, cal.libctlssize);
	*(struct g **)(c->tcb + (uintptr_t)tlsgoff) = NULL;
	*(struct g **)(c->tcb + (uintptr_t)tlsowneroff) = NULL;
	ctypein(c->tcb);
	*tid = &c->tid;
	return c->tcb;
}

void
tlsclonefailed(uint32_t *tid)
{
	store_release(tid, 0);
}

/*
 * In the child of a fork libc's list of threads is empty but for the caller, which the forking thread's TCB has put there.
 */
void
tlsfork(void)
{
	linkgen++;
	cloneds = NULL;
	blocks = (__typeof__(blocks)){0};
	tlsimagefork();
}
