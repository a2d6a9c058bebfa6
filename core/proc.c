/* SPDX-License-Identifier: MIT */
/*
 * Bootstrap, creation and end of Gs (Go: proc.go schedinit, newproc, goexit0, gfget, gfput).
 *
 * rtinit turns the running process into G and M: the calling main thread goes on as
 * the main G, on its own stack and TCB; its kernel thread becomes M0, which gets a
 * scheduling stack and a TCB of its own.
 */
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "offsets.h"
#include "runtime.h"
#include "text.h"
#include "sema.h"

_Static_assert(offsetof(struct g, sp) == G_SP, "G_SP");
_Static_assert(offsetof(struct g, fsbase) == G_FSBASE, "G_FSBASE");
_Static_assert(offsetof(struct g, m) == G_M, "G_M");
_Static_assert(offsetof(struct m, g0sp) == M_G0SP, "M_G0SP");
_Static_assert(offsetof(struct m, fsbase) == M_FSBASE, "M_FSBASE");

enum {
	GOIDBATCH = 64,
	GFREEMAX = 64,   /* dead Gs a P keeps at most, see gfreemax */
	GFREEALL = 256,  /* and all Ps together, unless that were less than GFREEMIN each */
	GFREEMIN = 8,
	CHUNK = 256 << 10,
	M0STACK = 128 << 10,
	FSGSBASE = 2,    /* bit of AT_HWCAP2 */
};

__thread struct g *tls_g __attribute__((tls_model("initial-exec")));
__thread struct g *tls_owner __attribute__((tls_model("initial-exec")));
__thread struct g *tls_foreign __attribute__((tls_model("initial-exec")));

struct g *allgs;
struct g *maing;
bool rtready, nomembarrier, havefsgsbase;

/* ---- memory that is never freed ---- */

static struct {
	struct mutex lock;
	uintptr_t at, end;
} persistent;

void *
persistentalloc(size_t size, size_t align)
{
	uintptr_t p;

	if(align < 16)
		align = 16;
	lock(&persistent.lock);
	p = (persistent.at + align - 1) & ~(align - 1);
	if(p == 0 || p + size > persistent.end){
		long r = rawsyscall(SYS_mmap, 0, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if(r < 0 && r > -4096){
			unlock(&persistent.lock);
			return NULL;
		}
		persistent.end = (uintptr_t)r + CHUNK;
		p = (uintptr_t)r; /* page-aligned: enough for any align here */
	}
	persistent.at = p + size;
	unlock(&persistent.lock);
	return (void *)p;
}

/* ---- Gs ---- */

static uint64_t
newgoid(void)
{
	struct m *mp = getm();
	struct p *pp = mp ? mp->p : NULL;

	if(pp == NULL)
		return fetch_add(&sched.goidgen, 1) + 1;
	if(pp->goidcache == pp->goidcacheend){
		pp->goidcache = fetch_add(&sched.goidgen, GOIDBATCH) + 1;
		pp->goidcacheend = pp->goidcache + GOIDBATCH;
	}
	return pp->goidcache++;
}

static struct g *
galloc(void)
{
	struct g *gp = persistentalloc(sizeof *gp, CACHELINE);

	if(gp == NULL)
		return NULL;
	gp->timer.idx = -1;
	gp->locks = 1;
	gp->alllink = load_relaxed(&allgs);
	while(!__atomic_compare_exchange_n(&allgs, &gp->alllink, gp, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	return gp;
}

/*
 * Dead Gs that a P keeps; above that, it moves half of them to the global list. A dead G is not small: two pages of stack, and
 * what malloc caches for it, which may be 30 KiB or more. Ps whose threads come from elsewhere fill up their lists, whence no
 * other P takes any. So the more Ps there are, the fewer may each keep.
 */
static uint32_t gfreemax;

static void
gfreeinit(int nprocs)
{
	gfreemax = GFREEALL / (uint32_t)nprocs;
	if(gfreemax > GFREEMAX)
		gfreemax = GFREEMAX;
	if(gfreemax < GFREEMIN)
		gfreemax = GFREEMIN;
}

/* Takes one with a mapping of that size from l; NULL if the first few have other sizes. */
static struct g *
gfpick(struct glist *l, size_t stacksize)
{
	struct g *prev = NULL;
	int n = 0;

	for(struct g *gp = l->head; gp != NULL && n < 8; prev = gp, gp = gp->schedlink, n++){
		if(gp->stacksize != stacksize)
			continue;
		if(prev == NULL)
			return glistpop(l);
		prev->schedlink = gp->schedlink;
		if(l->tail == gp)
			l->tail = prev;
		l->n--;
		return gp;
	}
	return NULL;
}

/*
 * Nothing fits: a G without a stack, or, when many have one of another size, one of those, so that a program which
 * uses ever new sizes does not pile them up.
 */
static struct g *
gfany(void)
{
	struct g *gp;

	if(load_relaxed(&sched.gfnostack.n) == 0 && load_relaxed(&sched.gfree.l.n) < GFREEMAX)
		return NULL;
	lock(&sched.gflock);
	gp = glistpop(&sched.gfnostack);
	if(gp == NULL && sched.gfree.l.n >= GFREEMAX)
		gp = gqget(&sched.gfree);
	unlock(&sched.gflock);
	return gp;
}

/* Who makes many threads at once finds the dead Gs, last used long ago, out of the cache: asks for the next in time. */
static inline void
prefetchdead(struct g *gp)
{
	if(gp == NULL)
		return;
	tlsprefetchreset(gp);
	for(int i = 0; i < 4; i++)
		__builtin_prefetch((void *)((uintptr_t)gp->schedlink + (uintptr_t)i * CACHELINE), 1);
}

struct g *
gfget(size_t stacksize)
{
	struct m *mp = getm();
	struct p *pp = mp ? mp->p : NULL;
	struct g *gp = NULL;

	if(pp != NULL){
		if((gp = gfpick(&pp->gfree, stacksize)) != NULL){
			prefetchdead(pp->gfree.head);
			return gp;
		}
		if(load_relaxed(&sched.gfree.l.n) != 0 && pp->gfree.n < gfreemax / 2){
			lock(&sched.gflock);
			while(pp->gfree.n < gfreemax / 2 && (gp = gqget(&sched.gfree)) != NULL)
				glistpush(&pp->gfree, gp);
			unlock(&sched.gflock);
			gp = gfpick(&pp->gfree, stacksize);
		}
	}else if(load_relaxed(&sched.gfree.l.n) != 0){
		lock(&sched.gflock);
		gp = gqget(&sched.gfree);
		unlock(&sched.gflock);
	}
	if(gp == NULL)
		gp = gfany();
	return gp != NULL ? gp : galloc();
}

void
gfput(struct g *gp)
{
	struct m *mp = getm();
	struct p *pp = mp ? mp->p : NULL;

	gp->status = Gdead;
	if(pp == NULL || gp->stacksize == 0 || unlikely(load_relaxed(&sched.gfshare))){
		lock(&sched.gflock);
		if(gp->stacksize != 0)
			gqput(&sched.gfree, gp);
		else
			glistpush(&sched.gfnostack, gp);
		unlock(&sched.gflock);
		return;
	}
	/* in front: its pages are the warmest */
	gp->schedlink = pp->gfree.head;
	pp->gfree.head = gp;
	if(pp->gfree.tail == NULL)
		pp->gfree.tail = gp;
	if(++pp->gfree.n < gfreemax)
		return;
	lock(&sched.gflock);
	while(pp->gfree.n > gfreemax / 2)
		gqput(&sched.gfree, glistpop(&pp->gfree));
	unlock(&sched.gflock);
}

void
ginitstack(struct g *gp, uintptr_t top, void (*fn)(struct g *))
{
	uintptr_t *sp = (uintptr_t *)(top & ~15UL);
	uint32_t mxcsr;
	uint16_t fcw;

	/* the floating-point environment is inherited, as by clone */
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(fcw));
	*--sp = (uintptr_t)gstart;
	*--sp = 0;             /* rbp */
	*--sp = 0;             /* rbx */
	*--sp = (uintptr_t)fn; /* r12 */
	*--sp = (uintptr_t)gp; /* r13 */
	*--sp = 0;             /* r14 */
	*--sp = 0;             /* r15 */
	*--sp = (uintptr_t)fcw << 32 | mxcsr;
	gp->sp = (uintptr_t)sp;
}

/*
 * Counts Gs that start and end. With one P who holds it counts by itself: a locked instruction would wait for all the
 * cache misses of a thread that has just been made. Two that end at the same time must not both believe that
 * the other one is left, so with more Ps it has to be one.
 */
int32_t
glive(int32_t d)
{
	struct m *mp = getm();

	if(gomaxprocs == 1 && mp != NULL && mp->p != NULL){
		store_relaxed(&sched.ngs1, sched.ngs1 + d);
		return ngs();
	}
	return add_fetch(&sched.ngs, d) + load_relaxed(&sched.ngs1);
}

void
newproc(struct g *gp)
{
	if(gp->goid == 0)
		gp->goid = newgoid();
	glive(1);
	lightbarrier(ST_alone); /* pairs with the heavybarrier in alone.c */
	if(unlikely(load_relaxed(&sched.alone) == ALONE_NOW))
		rtcompany();
	gp->status = Gwaiting;
	ready(gp);
}

void
gstress(struct g *gp)
{
	if(unlikely(stressing))
		gp->attn |= ATTN_SLOW;
}

/*
 * mp's thread is going to end with its G, whose joiner may come first: from here on libc's setuid and the like, which would fail
 * on a thread that has given up its rights, pass it by as one that is ending.
 */
static void
mends(struct m *mp)
{
	if(mp->id != 0)
		fetch_or((uint32_t *)(mp->fsbase + (uintptr_t)tcblayout.cancelhandling), TCB_EXITING);
}

static struct g *
goexit0(struct g *gp)
{
	struct m *mp = gp->m;
	void (*fn)(struct g *) = (void (*)(struct g *))gp->ending;
	uint64_t goid = gp->goid;

	store_relaxed(&mp->curg, NULL);
	gp->m = NULL;
	gp->ending = NULL;
	store_relaxed(&gp->goid, 0);
	compiler_barrier(); /* pairs with the heavybarrier in own.c */
	if(unlikely(gp->lockedm != NULL || load_relaxed(&gp->attn) & ATTN_OWN))
		ownexit(gp, mp, goid);
	stressat(ST_goexit);
	if(unlikely(mp->dirty))
		mends(mp);
	fn(gp);
	if(unlikely(mp->dirty))
		mretire(mp);
	return schedule(mp);
}

void
goexit(struct g *gp, void (*fn)(struct g *))
{
	gp->ending = (void *)fn;
	mcall(goexit0);
	__builtin_unreachable();
}

struct g *
getgforeign(void)
{
	struct g *gp = tls_foreign;
	bool helper = tls_helper || tls_m != NULL;

	if(gp == NULL && (gp = galloc()) != NULL){
		gp->flags = GF_FOREIGN;
		gp->locks = 0; /* it runs, in user mode */
		gp->attn = ATTN_SLOW;
		gp->status = Grunning;
		gp->goid = fetch_add(&sched.goidgen, 1) + 1;
		gp->tid = (uint32_t)rawsyscall(SYS_gettid);
		add_fetch(helper ? &sched.nhelpers : &sched.nforeign, 1);
		semaothersin();
		tls_foreign = gp;
		if(!helper && unlikely(load_relaxed(&sched.alone) == ALONE_NOW)) /* after a full barrier: alone.c */
			rtcompany();
	}
	return gp;
}

/* ---- bootstrap ---- */

/* The CPUs the process may use: its affinity, capped by HEDDLE_MAXPROCS if set, else by the cgroup's quota. */
static int
osinit(void)
{
	cpu_set_t set[8]; /* 8192 CPUs */
	long r = rawsyscall(SYS_sched_getaffinity, 0, sizeof set, set);
	int n = 0, quota;

	for(long i = 0; i < r / 8; i++)
		n += __builtin_popcountl(((unsigned long *)set)[i]);
	if(options.maxprocs > 0)
		n = options.maxprocs;
	else if((quota = cgroupquota()) > 0 && quota < n)
		n = quota;
	if(n < 1)
		n = 1;
	return n < MAXPROCS ? n : MAXPROCS;
}

static struct m *
initm0(void)
{
	struct m *mp;
	uintptr_t tcb;
	long stk;

	lock(&sched.lock);
	mp = mnew();
	unlock(&sched.lock);
	if(mp == NULL || (tcb = host->m0tcb()) == 0)
		return NULL;
	stk = rawsyscall(SYS_mmap, 0, M0STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if(stk < 0 && stk > -4096)
		return NULL;
	rawsyscall(SYS_mprotect, stk, 4096, PROT_NONE);
	mp->g0sp = (uintptr_t)stk + M0STACK - 64;
	mp->fsbase = tcb;
	mp->id = 0; /* also in a fork's child, where it is not the first one ever: see mretire */
	mp->tid = (int32_t)rawsyscall(SYS_gettid);
	mp->able = true;
	tlspoke(&tls_m, tcb, mp);
	tlspoke(&tls_g, tcb, NULL);
	return mp;
}

int
rtinit(const struct hostops *ops)
{
	struct m *mp;
	struct g *gp;
	int n;

	host = ops;
	if(ops->clockgettime != NULL)
		rtclock = ops->clockgettime;
	cputimestart();
	havefsgsbase = (getauxval(AT_HWCAP2) & FSGSBASE) != 0;
	n = osinit();
	sched.maxmcount = 10000;
	sched.maxblocked = sched.maxmcount - n - 32;
	sched.mable = 1; /* M0 */
	sched.lastpoll = nanotime();
	if(rawsyscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) < 0)
		nomembarrier = true;
	stressinit();
	lightslow = nomembarrier || stressing & STRESS_DELAY;
	procinit(n);
	mstackstart();
	gfreeinit(n);
	semainit();
	if((mp = firstm = initm0()) == NULL || (gp = galloc()) == NULL)
		return ENOMEM;
	gp->flags = GF_MAIN;
	gstress(gp);
	gp->fsbase = getfsbase();
	gp->status = Grunning;
	gp->goid = newgoid();
	gp->tid = (uint32_t)mp->tid;
	gp->m = mp;
	mp->curg = gp;
	maing = gp;
	sched.ngs = 1;
	textrangesinit();
	forkinit();
	siginit();
	preemptinit();
	lock(&sched.lock);
	acquirep(mp, pidleget());
	unlock(&sched.lock);
	tls_g = tls_owner = gp;
	minitsignals(mp);
	store_release(&rtready, true);
	newmstart();
	sysmonstart();
	sigstart(maing);
	if(ops->started != NULL)
		ops->started();
	rtexit(gp);
	return 0;
}

/* In the child of a fork: of what was allocated nothing is used again. */
void
procfork(void)
{
	persistent = (__typeof__(persistent)){0};
	allgs = maing = tls_foreign = NULL;
	nomembarrier = false;
	lightslow = 0;
}
