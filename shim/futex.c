/* SPDX-License-Identifier: MIT */
/*
 * syscall(2): futexes between Gs, which Rust's standard library, libuv, abseil and others build their locks on.
 *
 * Waiters for a word of this process's own memory queue in sema.c, under the word's address plus one (other
 * objects use the address itself). An operation without FUTEX_PRIVATE_FLAG may mean memory that is shared
 * with other processes: then the wait is the kernel's. A wake without the flag wakes both.
 *
 * A wake that finds nobody here goes on to the kernel, too: someone may wait there who has not
 * come through this function.
 *
 * No wake-up is lost: see semaidle() in sema.h, or else both sides have the bucket's lock.
 *
 * Those with priority inheritance: futexpi.c.
 */
#include "futex.h"
#include "mapshared.h"
#include "thread.h"

static inline uintptr_t
futexkey(const uint32_t *addr)
{
	return (uintptr_t)addr + 1;
}

/*
 * Words that the kernel clears at the end of a thread of clone(2), and wakes who waits there: that has to be in the kernel, as
 * is always right, if dear. By hash, for good.
 */
static uint8_t bykernel[256]; /* atomic */
static uint32_t anybykernel;  /* atomic */

static inline uint8_t *
kernelslot(const void *addr)
{
	return &bykernel[semahash((uintptr_t)addr) >> 56];
}

void
futexbykernel(const void *addr)
{
	store_relaxed(kernelslot(addr), 1);
	store_release(&anybykernel, 1);
}

static long
kernelfutex(const struct futexargs *f)
{
	return rawsyscall(SYS_futex, f->addr, f->op, f->val, f->timeout, f->addr2, f->val3);
}

/* ---- waiting ---- */

int
futexdeadline(const struct futexargs *f, struct deadline *d)
{
	const struct timespec *ts = f->timeout;

	if(ts->tv_sec < 0 || !validnsec(ts))
		return -EINVAL;
	d->ts = ts;
	d->clock = f->op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	deadlineset(d);
	if(futexcmd(f) == FUTEX_WAIT && __builtin_add_overflow(d->when, nanotime(), &d->when))
		d->when = INT64_MAX;
	return 0;
}

bool
futexqueue(const struct futexargs *f, struct semawait *w)
{
	struct semaroot *root = semalock(w->key);
	enum wakewhy why;
	bool queued;

	w->seq = parkprep(w->gp);
	semaenqueue(root, w, false);
	fence_seqcst(); /* pairs with the one in semaidle */
	queued = load_relaxed(f->addr) == f->val;
	if(!queued){
		semadequeue(root, w);
		parkabort(w->gp, &why); /* a signal only, which rtexit will see to */
	}
	semaunlock(root);
	return queued;
}

/* In runtime mode. 0, -EAGAIN, -ETIMEDOUT or -EINTR. */
static int
futexsleepg(struct g *gp, enum waitreason reason, const struct futexargs *f, struct deadline *d)
{
	struct semawait w;
	struct semaroot *root;
	enum wakewhy why;
	int ran;

	semawaitinit(&w, gp, futexkey(f->addr));
	w.bitset = futexcmd(f) == FUTEX_WAIT_BITSET ? f->val3 : FUTEX_BITSET_MATCH_ANY;
	for(;;){
		if(!futexqueue(f, &w))
			return -EAGAIN;
		why = semasleep(gp, reason, f->addr, d);
		if(why == WAKE_READY)
			return 0;
		if((root = semacancel(&w)) != NULL)
			semaunlock(root);
		if(why == WAKE_SIGNAL){
			ran = runhandlers(gp);
			if(ran == HANDLER_EINTR || (ran == HANDLER_RESTART && d))
				return -EINTR;
		}else if(deadlinepast(d)){
			return -ETIMEDOUT;
		}
		/* It may have been moved to another word; the call begins anew. */
		w.key = futexkey(f->addr);
	}
}

static long
futexwait(struct g *gp, const struct futexargs *f)
{
	struct deadline d;
	long r;

	if(((uintptr_t)f->addr & 3) != 0 || (futexcmd(f) == FUTEX_WAIT_BITSET && f->val3 == 0))
		return -EINVAL;
	if(f->timeout && (r = futexdeadline(f, &d)) != 0)
		return r;
	if(load_acquire(f->addr) != f->val)
		return -EAGAIN;
	rtenter(gp);
	r = futexsleepg(gp, Wfutex, f, f->timeout ? &d : NULL);
	rtexit(gp);
	return r;
}

void
futexpark(struct g *gp, enum waitreason reason, uint32_t *addr, uint32_t val)
{
	struct futexargs f = {.addr = addr, .op = FUTEX_WAIT, .val = val};

	futexsleepg(gp, reason, &f, NULL);
}

/* kernelwait waits in the kernel. The P is given away at once. */
static long
kernelwait(struct g *gp, const struct futexargs *f)
{
	long r;

	if(gp->flags & GF_FOREIGN)
		return kernelfutex(f);
	rtenter(gp);
	entersyscallblock(gp);
	r = kernelfutex(f);
	exitsyscallblock(gp);
	rtexit(gp);
	return r;
}

/* ---- waking ---- */

/* wakeword wakes up to n waiters of addr that have a bit of bitset, and returns how many. The bucket is locked. */
static int
wakeword(struct semaroot *root, const uint32_t *addr, int n, uint32_t bitset, struct glist *list)
{
	struct semawait *w, *next;
	int woken = 0;

	for(w = semafirst(root, futexkey(addr)); w && woken < n; w = next){
		next = w->next;
		if((w->bitset & bitset) && semawake(root, w, list))
			woken++;
	}
	return woken;
}

static int
unpark(uint32_t *addr, int n, uint32_t bitset)
{
	struct glist list = {0};
	struct semaroot *root = semalock(futexkey(addr));
	int woken = wakeword(root, addr, n, bitset, &list);

	semaunlock(root);
	semaready(&list);
	return woken;
}

int
futexunpark(uint32_t *addr, int n)
{
	return unpark(addr, n, FUTEX_BITSET_MATCH_ANY);
}

/* The kernel wakes one even if asked for none. */
static inline int
atleast1(uint32_t n)
{
	return (int)n < 1 ? 1 : (int)n;
}

static long
futexwake(struct g *gp, const struct futexargs *f)
{
	uint32_t bitset = futexcmd(f) == FUTEX_WAKE_BITSET ? f->val3 : FUTEX_BITSET_MATCH_ANY;
	struct futexargs rest = *f;
	long woken = 0, r;

	if(((uintptr_t)f->addr & 3) != 0 || bitset == 0)
		return -EINVAL;
	if(!semaidle(futexkey(f->addr))){
		rtenter(gp);
		woken = unpark(f->addr, atleast1(f->val), bitset);
		rtexit(gp);
	}
	if(woken == 0 || (!(f->op & FUTEX_PRIVATE_FLAG) && woken < (int)f->val)){
		rest.val = (uint32_t)((int)f->val - woken);
		r = kernelfutex(&rest);
		if(r < 0)
			return woken > 0 ? woken : r;
		woken += r;
	}
	return woken;
}

/* FUTEX_REQUEUE and FUTEX_CMP_REQUEUE: wakes val waiters of addr and moves up to val2 of the others to addr2. */
static long
futexrequeue(struct g *gp, const struct futexargs *f)
{
	struct glist list = {0};
	struct semaroot *from, *to;
	struct semawait *w, *next;
	long n = 0, moved = 0;

	if((((uintptr_t)f->addr | (uintptr_t)f->addr2) & 3) != 0 || (int)f->val < 0 || (int)val2(f) < 0)
		return -EINVAL;
	rtenter(gp);
	from = semarootof(futexkey(f->addr));
	to = semarootof(futexkey(f->addr2));
	semalock2(from, to);
	if(futexcmd(f) == FUTEX_CMP_REQUEUE && load_relaxed(f->addr) != f->val3){
		n = -EAGAIN;
	}else{
		n = wakeword(from, f->addr, (int)f->val, FUTEX_BITSET_MATCH_ANY, &list);
		/* to where they are already they are only counted */
		for(w = semafirst(from, futexkey(f->addr)); w && moved < (int)val2(f); w = next){
			next = w->next;
			if(f->addr2 != f->addr)
				semarequeue(from, to, w, futexkey(f->addr2));
			moved++;
		}
	}
	semaunlock2(from, to);
	semaready(&list);
	rtexit(gp);
	if(n + moved == 0)
		return kernelfutex(f);
	return n < 0 ? n : n + moved;
}

/* wakeop does val3's operation on the word and says whether what was there compares as it asks. -ENOSYS for a bad one. */
static int
wakeop(uint32_t *addr, uint32_t op)
{
	uint32_t arg = (op >> 12) & 0xfff, old, new;
	int32_t cmparg = (int32_t)(op << 20) >> 20;

	arg = (uint32_t)((int32_t)(arg << 20) >> 20);
	if(op >> 28 & FUTEX_OP_OPARG_SHIFT)
		arg = (uint32_t)1 << (arg & 31);
	do{
		old = load_relaxed(addr);
		switch(op >> 28 & 7){
		case FUTEX_OP_SET:
			new = arg;
			break;
		case FUTEX_OP_ADD:
			new = old + arg;
			break;
		case FUTEX_OP_OR:
			new = old | arg;
			break;
		case FUTEX_OP_ANDN:
			new = old & ~arg;
			break;
		case FUTEX_OP_XOR:
			new = old ^ arg;
			break;
		default:
			return -ENOSYS;
		}
	}while(!cas(addr, old, new));
	switch(op >> 24 & 0xf){
	case FUTEX_OP_CMP_EQ:
		return (int32_t)old == cmparg;
	case FUTEX_OP_CMP_NE:
		return (int32_t)old != cmparg;
	case FUTEX_OP_CMP_LT:
		return (int32_t)old < cmparg;
	case FUTEX_OP_CMP_LE:
		return (int32_t)old <= cmparg;
	case FUTEX_OP_CMP_GT:
		return (int32_t)old > cmparg;
	case FUTEX_OP_CMP_GE:
		return (int32_t)old >= cmparg;
	}
	return -ENOSYS;
}

static long
futexwakeop(struct g *gp, const struct futexargs *f)
{
	struct glist list = {0};
	struct semaroot *a, *b;
	int cond;
	long n;

	if((((uintptr_t)f->addr | (uintptr_t)f->addr2) & 3) != 0)
		return -EINVAL;
	rtenter(gp);
	a = semarootof(futexkey(f->addr));
	b = semarootof(futexkey(f->addr2));
	semalock2(a, b);
	n = cond = wakeop(f->addr2, f->val3);
	if(cond >= 0)
		n = wakeword(a, f->addr, atleast1(f->val), FUTEX_BITSET_MATCH_ANY, &list);
	if(cond > 0)
		n += wakeword(b, f->addr2, atleast1(val2(f)), FUTEX_BITSET_MATCH_ANY, &list);
	semaunlock2(a, b);
	semaready(&list);
	rtexit(gp);
	return n;
}

/* futex is the system call, for a G or a foreign thread: a result or a negative errno. */
static long
futex(struct g *gp, const struct futexargs *f)
{
	bool shared = !(f->op & FUTEX_PRIVATE_FLAG);

	if((uintptr_t)f->addr < 4096)
		return kernelfutex(f); /* EFAULT, or what else is wrong with it */
	switch(f->op & ~FUTEX_PRIVATE_FLAG){
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME:
		if(unlikely(load_acquire(&anybykernel)) && load_relaxed(kernelslot(f->addr)))
			return kernelwait(gp, f);
		return shared && mapshared(f->addr) ? kernelwait(gp, f) : futexwait(gp, f);
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		return futexwake(gp, f);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return shared && mapshared(f->addr) ? kernelfutex(f) : futexrequeue(gp, f);
	case FUTEX_WAKE_OP:
		return shared && mapshared(f->addr2) ? kernelfutex(f) : futexwakeop(gp, f);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME:
		return shared && mapshared(f->addr) ? kernelwait(gp, f) : futexlockpi(gp, f);
	case FUTEX_TRYLOCK_PI:
		return shared && mapshared(f->addr) ? kernelfutex(f) : futextrylockpi(gp, f);
	case FUTEX_UNLOCK_PI:
		return shared && mapshared(f->addr) ? kernelfutex(f) : futexunlockpi(gp, f);
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_WAIT_REQUEUE_PI | FUTEX_CLOCK_REALTIME:
		return shared && mapshared(f->addr2) ? kernelwait(gp, f) : futexwaitrequeuepi(gp, f);
	case FUTEX_CMP_REQUEUE_PI:
		return shared && mapshared(f->addr2) ? kernelfutex(f) : futexcmprequeuepi(gp, f);
	}
	return kernelfutex(f);
}

static noinline long
futexcall(struct g *gp, long a, long b, long c, long d, long e, long g)
{
	struct futexargs f = {(uint32_t *)a, (int)b, (uint32_t)c, (const struct timespec *)d, (uint32_t *)e, (uint32_t)g};
	long r;

	if(gp == NULL)
		gp = syncgslow();
	r = gp ? futex(gp, &f) : kernelfutex(&f);
	if(r < 0){
		errno = (int)-r;
		return -1;
	}
	return r;
}

static noinline long
othercall(struct g *gp, long n, long a, long b, long c, long d, long e, long f)
{
	long r;

	if(sigsyscall(n, a, b, c, d, &r) || !tidsyscall(n, &a, &b, c, &r))
		return r;
	if(n == SYS_pidfd_getfd)
		return pidfdget((int)a, (int)b, (unsigned)c);
	if(n == SYS_prctl)
		return prctl((int)a, b, c, d, e);
	return blockingcall(gp, libc.syscall(n, a, b, c, d, e, f));
}

/*
 * The type that is variadic for the caller has the same registers and stack slots as this one. Calls that return
 * twice, or in another thread, on this stack must find the caller's frame on top: they are jumps to libc's.
 */
EXPORT long syscall_(long n, long a, long b, long c, long d, long e, long f) __asm__("syscall");

long
syscall_(long n, long a, long b, long c, long d, long e, long f)
{
	struct g *gp = getg();

	switch(n){
	case SYS_futex:
		return futexcall(gp, a, b, c, d, e, f);
	case SYS_sched_yield:
		return sched_yield();
	case SYS_gettid:
		return gettid();
	case SYS_clock_gettime:
		return clock_gettime((clockid_t)a, (struct timespec *)b);
	case SYS_exit:
		if(gp == NULL)
			break;
		threadvanish(gp, (int)a);
	case SYS_fork:
	case SYS_vfork:
	case SYS_clone:
	case SYS_clone3:
		switch(forkkind(n, a, b)){
		case FORK_WAIT:
			return vforksyscall();
		case FORK_COPY:
			return forksyscall(n, a, b, c, d, e);
		case FORK_NOT:
			break;
		}
		return libc.syscall(n, a, b, c, d, e, f);
	case SYS_exit_group:
	case SYS_rt_sigreturn:
	case SYS_getpid:
	case SYS_getcpu:
	case SYS_membarrier:
		return libc.syscall(n, a, b, c, d, e, f);
	}
	return othercall(gp, n, a, b, c, d, e, f);
}
