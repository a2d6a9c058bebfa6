/* SPDX-License-Identifier: MIT */
/*
 * Stacks.
 *
 * A stack is a slot of a region; a region is one large mapping, reserved without being
 * charged for (MAP_NORESERVE) and committed by touch, and all its slots have one size: what
 * the thread asked for plus its guard, in whole pages. So a million stacks are a few
 * mappings, where a mapping each would meet vm.max_map_count at 32,000. Each region of a
 * size is as large as all before it together, up to REGIONMAX. Under RLIMIT_AS, which counts what is reserved, a region is one stack, so that
 * a program gets as many threads as natively.
 *
 * Guards. MADV_GUARD_INSTALL (Linux 6.13) marks pages without splitting the mapping. Where the
 * kernel has not got it, mprotect is used for as many stacks as leave half of
 * vm.max_map_count to the program; further stacks are without a guard, which is logged once.
 * A guard stays with its slot when the stack is freed.
 *
 * Sizes of 2 MiB and more start 1 MiB into their region: else, with a size that is a
 * multiple of 2 MiB, the top of a stack, which is in use, and the guard above it would
 * never share a page of the page table (4 KiB a stack). Huge pages would commit 2 MiB
 * by the first touch and are forbidden here.
 *
 * Who holds a slot. A dead G keeps its stack, cut to the usual depth (stacktrim), and waits in
 * gfget's caches. The scavenger takes
 * Gs that have long not been used from the global one, gives their stacks
 * back (stackfree) and returns the Gs without. A region of which no slot is in use is unmapped,
 * page tables and all; else only the slot's pages are given back.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "runtime.h"
#include "text.h"

enum {
	GUARD_INSTALL = 102, /* madvise */
	GUARD_REMOVE = 103,
	FIRSTSLOTS = 4,
	NBUCKET = 64,
	TRIMDEPTH = 64 << 10,
	RETAIN = 64,       /* dead Gs on the global list that keep their stacks, at least */
	SCAVENGEMAX = 4096, /* Gs a turn */
	SCAVENGETURNS = 5, /* turns that a G must have been spare for */
};
#define PAGE       4096UL
#define REGIONMAX  (64UL << 30)
#define MAXSTACK   (1UL << 40)
#define pageup(n)  (((n) + PAGE - 1) & ~(PAGE - 1))

/* All fields: stacks.lock. */
struct region {
	struct region *prev, *next; /* on its class's list of regions with room */
	struct class *class;
	uintptr_t base;             /* of the first slot */
	uintptr_t map;
	size_t mapsize;
	size_t selfsize;
	uint32_t nslots;
	uint32_t carved; /* slots ever used: the first so many */
	uint32_t nused;
	uint32_t free;   /* first free slot below carved, plus 1 */
	struct slot {
		uint32_t next;  /* free slots, plus 1 */
		uint32_t guard; /* pages */
	} slot[];
};

struct class {
	struct class *next;
	size_t size; /* of a slot */
	size_t nslots; /* of all its regions */
	struct region *room;
};

static struct {
	struct mutex lock;
	struct class *bucket[NBUCKET];
} stacks;

/* ---- guards ---- */

static uint32_t nmprotect, maxmprotect; /* atomic; guards by mprotect. maxmprotect: 0 unknown */
static uint32_t noguardinstall;         /* atomic: the kernel has not got it */

/* Each guard splits a mapping into three at worst, which makes two more. */
static uint32_t
mprotectlimit(void)
{
	char buf[32];
	uint32_t n = 0;
	long fd = rawsyscall(SYS_open, "/proc/sys/vm/max_map_count", 0), r = 0;

	if(fd >= 0){
		r = rawsyscall(SYS_read, fd, buf, sizeof buf);
		rawsyscall(SYS_close, fd);
	}
	for(long i = 0; i < r && buf[i] >= '0' && buf[i] <= '9'; i++)
		n = n * 10 + (uint32_t)(buf[i] - '0');
	return (n != 0 ? n : 65530) / 4;
}

static bool
mprotectguard(uintptr_t lo, size_t size)
{
	static uint32_t said;

	if(load_relaxed(&maxmprotect) == 0)
		store_relaxed(&maxmprotect, mprotectlimit());
	if(fetch_add(&nmprotect, 1) < maxmprotect && rawsyscall(SYS_mprotect, lo, size, PROT_NONE) == 0)
		return true;
	add_fetch(&nmprotect, -1);
	if(xchg(&said, 1) == 0)
		rtlog("more than %u stacks: further ones have no guard pages (needs Linux 6.13, or a larger "
		      "vm.max_map_count)", load_relaxed(&nmprotect));
	return false;
}

/* As libc's threads have them: executable if an object said at the start of the runtime that it needs that. */
static int
stackprot(void)
{
	return PROT_READ | PROT_WRITE | (textonstack ? PROT_EXEC : 0);
}

/*
 * When dlopen loads a library that needs executable stacks libc makes those of its own threads so. A G's is made so when the
 * G meets with a fault. (It stood in the program when it jumped there, not within ld.so, which may thus be asked.)
 */
bool
stackexec(struct g *gp, uintptr_t pc)
{
	size_t size = gp->stack.hi - gp->stack.lo;

	return gp->stacksize != 0 && pc - gp->stack.lo < size && textonstackask() &&
	       rawsyscall(SYS_mprotect, gp->stack.lo, size, stackprot()) == 0;
}

/* Brings a slot's guard, of old pages, to n pages. It returns the number there are then. */
static uint32_t
setguard(uintptr_t lo, uint32_t old, uint32_t n)
{
	if(old > n){
		if(rawsyscall(SYS_madvise, lo + n * PAGE, (old - n) * PAGE, GUARD_REMOVE) != 0){
			rawsyscall(SYS_mprotect, lo + n * PAGE, (old - n) * PAGE, stackprot());
			if(n == 0)
				add_fetch(&nmprotect, -1);
		}
		return n;
	}
	if(old == n || !options.guard)
		return old;
	if(load_relaxed(&noguardinstall) == 0){
		if(rawsyscall(SYS_madvise, lo, n * PAGE, GUARD_INSTALL) == 0)
			return n;
		store_relaxed(&noguardinstall, 1);
	}
	if(old != 0)
		add_fetch(&nmprotect, -1); /* it was counted when it was smaller */
	return mprotectguard(lo, n * PAGE) ? n : old;
}

/* ---- regions ---- */

static long
rawmmap(size_t size, int prot, int flags)
{
	return rawsyscall(SYS_mmap, 0, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

bool
aslimited(void)
{
	struct rlimit rl;

	return rawsyscall(SYS_prlimit64, 0, RLIMIT_AS, NULL, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY;
}

static void
roomadd(struct region *r)
{
	struct class *c = r->class;

	r->prev = NULL;
	r->next = c->room;
	if(c->room != NULL)
		c->room->prev = r;
	c->room = r;
}

static void
roomdel(struct region *r)
{
	if(r->prev != NULL)
		r->prev->next = r->next;
	else
		r->class->room = r->next;
	if(r->next != NULL)
		r->next->prev = r->prev;
}

/* As many as there are, so that what is reserved is at most about twice what is used. */
static uint32_t
regionslots(struct class *c)
{
	size_t n = c->nslots, max = REGIONMAX / c->size;

	if(n > max)
		n = max;
	return n > FIRSTSLOTS ? (uint32_t)n : FIRSTSLOTS;
}

static struct region *
newregion(struct class *c)
{
	size_t offset = c->size >= 2UL << 20 ? 1UL << 20 : 0;
	uint32_t n = aslimited() ? 1 : regionslots(c);
	struct region *r;
	size_t self;
	long p, d;

	if(n == 1)
		offset = 0;
	while((p = rawmmap(offset + n * c->size, stackprot(), MAP_NORESERVE | MAP_STACK)) < 0 && p > -4096){
		if(n == 1)
			return NULL;
		n /= 2;
		offset = n == 1 ? 0 : offset;
	}
	self = pageup(sizeof *r + n * sizeof r->slot[0]);
	if((d = rawmmap(self, PROT_READ | PROT_WRITE, 0)) < 0 && d > -4096){
		rawsyscall(SYS_munmap, p, offset + n * c->size);
		return NULL;
	}
	rawsyscall(SYS_madvise, p, offset + n * c->size, MADV_NOHUGEPAGE);
	r = (struct region *)d;
	r->class = c;
	r->map = (uintptr_t)p;
	r->mapsize = offset + n * c->size;
	r->base = (uintptr_t)p + offset;
	r->selfsize = self;
	r->nslots = n;
	roomadd(r);
	c->nslots += n;
	return r;
}

static struct class *
findclass(size_t size)
{
	struct class **b = &stacks.bucket[size / PAGE % NBUCKET], *c;

	for(c = *b; c != NULL; c = c->next)
		if(c->size == size)
			return c;
	if((c = persistentalloc(sizeof *c, 0)) != NULL){
		c->size = size;
		c->next = *b;
		*b = c;
	}
	return c;
}

/* ---- interface ---- */

size_t
stackmapsize(size_t size, size_t guardsize)
{
	if(size > MAXSTACK || guardsize > MAXSTACK)
		return 0;
	return pageup(size) + pageup(guardsize);
}

int
stackalloc(struct g *gp, size_t size, size_t guardsize)
{
	size_t mapsize = stackmapsize(size, guardsize);
	struct class *c;
	struct region *r = NULL;
	uint32_t i;

	if(mapsize == 0)
		return EAGAIN;
	lock(&stacks.lock);
	if((c = findclass(mapsize)) == NULL || ((r = c->room) == NULL && (r = newregion(c)) == NULL)){
		unlock(&stacks.lock);
		store_relaxed(&sched.gfshare, 1); /* a stack that another P keeps would do */
		return EAGAIN;
	}
	if(r->free != 0){
		i = r->free - 1;
		r->free = r->slot[i].next;
	}else
		i = r->carved++;
	if(++r->nused == r->nslots)
		roomdel(r);
	unlock(&stacks.lock);
	gp->region = r;
	gp->stacksize = mapsize;
	gp->stack.hi = r->base + (i + 1) * mapsize;
	stackguard(gp, guardsize);
	return 0;
}

/* The slot is gp's own, so its guard is too. */
void
stackguard(struct g *gp, size_t guardsize)
{
	uintptr_t lo = gp->stack.hi - gp->stacksize;
	size_t n = pageup(guardsize);
	struct region *r = gp->region;
	struct slot *s;

	if(likely(gp->stack.lo == lo + n))
		return; /* the thread before had the same */
	s = &r->slot[(lo - r->base) / gp->stacksize];
	gp->stack.lo = lo + n;
	if(s->guard != n / PAGE)
		s->guard = setguard(lo, s->guard, (uint32_t)(n / PAGE));
}

/* Takes note that slot i is free. It returns the region if it has to be unmapped. */
static struct region *
putslot(struct region *r, uint32_t i)
{
	if(r->nused-- == r->nslots)
		roomadd(r);
	r->slot[i].next = r->free;
	r->free = i + 1;
	if(r->nused != 0)
		return NULL;
	roomdel(r);
	r->class->nslots -= r->nslots;
	for(i = 0; i < r->carved; i++)
		if(r->slot[i].guard != 0 && load_relaxed(&noguardinstall) != 0)
			add_fetch(&nmprotect, -1);
	return r;
}

void
stackfree(struct g *gp)
{
	uintptr_t lo = gp->stack.hi - gp->stacksize;
	struct region *r = gp->region, *gone;
	size_t guard;
	uint32_t i;

	if(gp->stacksize == 0)
		return;
	i = (uint32_t)((lo - r->base) / gp->stacksize);
	guard = r->slot[i].guard * PAGE;
	rawsyscall(SYS_madvise, lo + guard, gp->stacksize - guard, MADV_DONTNEED);
	gp->region = NULL;
	gp->stacksize = 0;
	gp->stack.lo = gp->stack.hi = 0;
	lock(&stacks.lock);
	gone = putslot(r, i);
	unlock(&stacks.lock);
	if(gone != NULL){
		rawsyscall(SYS_munmap, gone->map, gone->mapsize);
		rawsyscall(SYS_munmap, (long)gone, gone->selfsize);
	}
}

/* ---- giving pages back ---- */

typedef uint64_t vec __attribute__((vector_size(16), may_alias));

/*
 * A page that has never been written reads as zeroes, from one page that all such share and which is in the
 * cache. Half of it is looked at, which few frames can jump over.
 */
static bool
written(uintptr_t page)
{
	const vec *v = (const vec *)page, *end = v + PAGE / 2 / sizeof *v;
	vec a = {0}, b = {0};

	for(; v < end; v += 4){
		a |= v[0] | v[1];
		b |= v[2] | v[3];
	}
	a |= b;
	return (a[0] | a[1]) != 0;
}

/*
 * The thread that ends here may have been deep in its stack, whose pages would stay with the dead G. To ask
 * the kernel would cost more than all the rest of a thread's end; so one page is looked at that only deep stacks
 * reach. (One that jumped over it with a large array keeps its pages until the G is scavenged.)
 */
void
stacktrim(struct g *gp)
{
	uintptr_t top = tlsstacktop(gp), probe = (top - TRIMDEPTH) & ~(PAGE - 1);

	if(top - gp->stack.lo < 4 * TRIMDEPTH || !written(probe))
		return;
	rawsyscall(SYS_madvise, gp->stack.lo, probe + PAGE - gp->stack.lo, MADV_DONTNEED);
}

/*
 * Called by sysmon about once a second. A G is spare when the global list has not been
 * shorter for some turns; a bounded number of spare ones is dealt with each time. With its
 * stack a G loses its TLS, but not what libc's caches hold for it (tlsfree).
 */
bool
stackspare(void)
{
	return load_relaxed(&sched.gfree.l.n) > RETAIN;
}

void
stackscavenge(int64_t now)
{
	static uint32_t low, turns, spare;
	uint32_t n = load_relaxed(&sched.gfree.l.n);
	struct glist l = {0};
	struct g *gp;

	if(n < low)
		low = n;
	if(++turns >= SCAVENGETURNS){
		spare = low > RETAIN ? low - RETAIN : 0;
		low = n;
		turns = 0;
	}
	if(spare > n)
		spare = n;
	if(spare == 0)
		return;
	lock(&sched.gflock);
	for(n = 0; n < SCAVENGEMAX && spare > 0; n++, spare--){
		if((gp = gqget(&sched.gfree)) == NULL)
			break;
		glistpush(&l, gp);
	}
	unlock(&sched.gflock);
	while((gp = glistpop(&l)) != NULL){
		tlsfree(gp);
		stackfree(gp);
		gfput(gp);
	}
}

/* In the child of a fork the parent's stacks, of which the caller's is in use, are left alone. */
void
stackfork(void)
{
	stacks = (__typeof__(stacks)){0};
}
