/* SPDX-License-Identifier: MIT */
/*
 * Signals that wait for a G.
 *
 * There is a queue for the process and one for each G, filled by sigtramp when it cannot run the
 * handler at once, and by kill, pthread_kill and the like among Gs. As in the kernel a standard signal is queued once,
 * a real-time signal each time, first in first out; of several the lowest number goes first.
 *
 * An entry of the process's has an owner (entry.to) once sigdispatch (sigsend.c) has found a G that takes it.
 *
 * siglock is a spin lock, as handlers take it. Others block all signals while they hold it, so that
 * a handler never waits for the thread that it has interrupted.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "sig.h"

enum {
	FIRSTENTS = 64,
	CHUNK = 64 << 10,
	MAXENTS = 1 << 16,
	FIRSTRT = 32, /* from here on signals queue */
	SPINS = 100,
};

struct sigent {
	struct sigent *next;
	struct g *to; /* in the process's queue: whose it is to be, or NULL */
	siginfo_t info;
};

/* All: siglock. Bits are also read without. */
static uint32_t sigkey;
static struct {
	struct sigent *head, **tail;
} procq[NSIGS + 1];
static uint64_t procbits; /* atomic: signals in procq */
static uint32_t ngents;   /* atomic: entries on Gs' queues */
static struct sigent *freeents, firstents[FIRSTENTS];
static uint32_t nents;    /* ever made */
static uint32_t nused;    /* atomic: in use */

/* ---- the lock ---- */

void
siglockh(void)
{
	for(int i = 0; xchg(&sigkey, 1) != 0; i++)
		if(i < SPINS)
			cpurelax();
		else
			rawsyscall(SYS_sched_yield);
}

void
sigunlockh(void)
{
	store_release(&sigkey, 0);
}

uint64_t
siglock(void)
{
	uint64_t mask = sigblockall();

	siglockh();
	return mask;
}

void
sigunlock(uint64_t mask)
{
	sigunlockh();
	sigsetkernelmask(mask);
}

/* ---- the kernel's limit ---- */

/*
 * RLIMIT_SIGPENDING bounds what all processes of a user have queued. Beyond that the kernel refuses real-time signals, but for those of kill(2),
 * which it delivers without their siginfo; so it does with standard ones, unless they are its own.
 */
static void
queueanyhow(int32_t pid, int32_t tid, const siginfo_t *info)
{
	siginfo_t bare = {.si_signo = info->si_signo, .si_code = SI_USER};

	if(unlikely(rawsyscall(SYS_rt_tgsigqueueinfo, pid, tid, info->si_signo, info) == -EAGAIN))
		rawsyscall(SYS_rt_tgsigqueueinfo, pid, tid, info->si_signo, &bare); /* only to oneself may one say SI_USER */
}

void
sigqueueself(const siginfo_t *info)
{
	queueanyhow((int32_t)rawsyscall(SYS_getpid), (int32_t)rawsyscall(SYS_gettid), info);
}

void
sigtoself(struct m *mp, const siginfo_t *info)
{
	mp->reraised = *info;
	queueanyhow(sigpid, mp->tid, info);
}

void
siglost(struct m *mp, siginfo_t *info)
{
	if(unlikely(info->si_code == SI_USER && info->si_pid == 0) && mp->sigreraise == info->si_signo)
		*info = mp->reraised;
}

/* Is info refused by a user who has too many? What is queued for Gs counts as what the kernel has. */
bool
sigrefused(const siginfo_t *info)
{
	struct rlimit64 lim;

	return info->si_signo >= FIRSTRT && info->si_code != SI_USER && !sigignored(info->si_signo) &&
	       rawsyscall(SYS_prlimit64, 0, RLIMIT_SIGPENDING, NULL, &lim) == 0 && load_relaxed(&nused) >= lim.rlim_cur;
}

/* ---- memory ---- */

static void *
chunk(void)
{
	long p = rawsyscall(SYS_mmap, 0, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p < 0 && p > -4096 ? NULL : (void *)p;
}

struct sigdata *
sigdataofh(struct g *gp)
{
	static struct sigdata *at, *end;

	if(gp->sigdata == NULL){
		if(at == end){
			if((at = chunk()) == NULL)
				return end = NULL;
			end = at + CHUNK / sizeof *at;
		}
		at->altstack.ss_flags = SS_DISABLE;
		store_release(&gp->sigdata, at++);
	}
	return gp->sigdata;
}

struct sigdata *
sigdataof(struct g *gp)
{
	struct sigdata *d = gp->sigdata;
	uint64_t mask;

	if(d == NULL){
		mask = siglock();
		d = sigdataofh(gp);
		sigunlock(mask);
	}
	return d;
}

static struct sigent *
entalloc(void)
{
	struct sigent *e = freeents, *end;

	if(e != NULL){
		freeents = e->next;
		return e;
	}
	if(nents < FIRSTENTS)
		return &firstents[nents++];
	if(nents >= MAXENTS)
		return NULL;
	if((e = chunk()) == NULL)
		return NULL;
	for(end = e + CHUNK / sizeof *e; e < end; e++, nents++){
		e->next = freeents;
		freeents = e;
	}
	return entalloc();
}

static void
entfree(struct sigent *e)
{
	e->next = freeents;
	freeents = e;
	store_relaxed(&nused, nused - 1);
}

/*
 * A POSIX timer has one signal queued at most; what expires meanwhile is counted. The kernel queues the next one when it has
 * delivered the last, which here may only have been put on a queue: a fast timer would fill it up.
 */
static bool
countoverrun(struct sigent *e, const siginfo_t *info)
{
	for(; e != NULL; e = e->next)
		if(e->info.si_code == SI_TIMER && e->info.si_timerid == info->si_timerid &&
		    e->info.si_signo == info->si_signo){
			e->info.si_overrun += info->si_overrun + 1;
			return true;
		}
	return false;
}

static void
put(struct g *to, struct g *owner, const siginfo_t *info)
{
	int sig = info->si_signo;
	struct sigdata *d = to ? sigdataofh(to) : NULL;
	uint64_t *bits = d ? &d->pending : &procbits;
	struct sigent *e, **l;

	if(to != NULL && d == NULL)
		return;
	if((*bits & SIGBIT(sig)) && (sig < FIRSTRT ||
	    (info->si_code == SI_TIMER && countoverrun(to != NULL ? d->queue : procq[sig].head, info))))
		return;
	if((e = entalloc()) == NULL)
		return;
	store_relaxed(&nused, nused + 1);
	e->info = *info;
	sigunmark(&e->info);
	e->to = owner;
	if(to != NULL){
		for(l = &d->queue; *l != NULL && (*l)->info.si_signo <= sig; l = &(*l)->next)
			;
		e->next = *l;
		*l = e;
		add_fetch(&ngents, 1);
	}else{
		if(procq[sig].head == NULL)
			procq[sig].tail = &procq[sig].head;
		e->next = NULL;
		*procq[sig].tail = e;
		procq[sig].tail = &e->next;
	}
	store_release(bits, *bits | SIGBIT(sig));
}

void
sigenqueue(struct g *to, const siginfo_t *info)
{
	siglockh();
	put(to, NULL, info);
	sigunlockh();
}

/* Not in a handler. owner: in the process's queue, whose it is to be. */
void
sigput(struct g *to, struct g *owner, const siginfo_t *info)
{
	uint64_t mask = siglock();

	put(to, owner, info);
	sigunlock(mask);
}

static struct sigent *
takeown(struct g *gp, uint64_t which)
{
	struct sigdata *d = gp->sigdata;
	struct sigent *e, **l;
	int sig;

	for(l = &d->queue; *l != NULL && !(SIGBIT((*l)->info.si_signo) & which); l = &(*l)->next)
		;
	if((e = *l) == NULL)
		return NULL;
	*l = e->next;
	sig = e->info.si_signo;
	if(e->next == NULL || e->next->info.si_signo != sig)
		store_release(&d->pending, d->pending & ~SIGBIT(sig));
	add_fetch(&ngents, -1);
	return e;
}

/* Takes the first entry of sig that gp may have; NULL for gp takes any. */
static struct sigent *
takeproc(struct g *gp, int sig)
{
	struct sigent *e, **l;

	for(l = &procq[sig].head; (e = *l) != NULL; l = &e->next)
		if(gp == NULL || e->to == NULL || e->to == gp)
			break;
	if(e == NULL)
		return NULL;
	if((*l = e->next) == NULL)
		procq[sig].tail = l;
	if(procq[sig].head == NULL)
		store_release(&procbits, procbits & ~SIGBIT(sig));
	return e;
}

bool
sigtakeh(struct g *gp, uint64_t which, siginfo_t *info)
{
	struct sigent *e = NULL;

	siglockh();
	if(sigpendingfor(gp) & which)
		e = takeown(gp, which);
	for(uint64_t b = procbits & which; e == NULL && b != 0; b &= b - 1)
		e = takeproc(gp, __builtin_ctzl(b) + 1);
	if(e != NULL){
		*info = e->info;
		entfree(e);
	}
	sigunlockh();
	return e != NULL;
}

bool
sigtakeown(struct g *gp, uint64_t which, siginfo_t *info)
{
	uint64_t mask = siglock();
	struct sigent *e = sigpendingfor(gp) & which ? takeown(gp, which) : NULL;

	if(e != NULL){
		*info = e->info;
		entfree(e);
	}
	sigunlock(mask);
	return e != NULL;
}

/* Not what has been given to another G: who loops until nothing waits would keep that one from running. */
bool
sigwaits(struct g *gp, uint64_t which)
{
	bool any = false;
	uint64_t mask;

	if(sigpendingfor(gp) & which)
		return true;
	if(!(load_acquire(&procbits) & which))
		return false;
	mask = siglock();
	for(uint64_t b = procbits & which; !any && b != 0; b &= b - 1)
		for(struct sigent *e = procq[__builtin_ctzl(b) + 1].head; !any && e != NULL; e = e->next)
			any = e->to == NULL || e->to == gp;
	sigunlock(mask);
	return any;
}

uint64_t
sigqueued(struct g *gp)
{
	return sigpendingfor(gp) | load_acquire(&procbits);
}

bool
sigtake(struct g *gp, uint64_t which, siginfo_t *info)
{
	uint64_t mask;
	bool r;

	if(!(sigqueued(gp) & which))
		return false;
	mask = sigblockall();
	r = sigtakeh(gp, which, info);
	sigsetkernelmask(mask);
	return r;
}

/* ---- whose the process's signals are to be ---- */

/* Does gp let sig through? */
bool
sigtakes(struct g *gp, int sig)
{
	return !(load_acquire(&gp->sigmask) & ~sigwaitset(gp) & SIGBIT(sig)) && gp->status != Gidle &&
	       gp->status != Gdead && !(gp->flags & GF_FOREIGN);
}

/* Assigns what nobody has of sig to gp; false if gp no longer lets it through. */
bool
sigassign(struct g *gp, int sig)
{
	uint64_t mask = siglock();
	bool ok = sigtakes(gp, sig);

	for(struct sigent *e = procq[sig].head; ok && e != NULL; e = e->next)
		if(e->to == NULL)
			e->to = gp;
	sigunlock(mask);
	return ok;
}

/* The process's signals that nobody has been given. */
uint64_t
sigunassigned(void)
{
	uint64_t mask, bits = 0;

	if(load_acquire(&procbits) == 0)
		return 0;
	mask = siglock();
	for(uint64_t b = procbits; b != 0; b &= b - 1){
		int sig = __builtin_ctzl(b) + 1;

		for(struct sigent *e = procq[sig].head; e != NULL; e = e->next)
			if(e->to == NULL)
				bits |= SIGBIT(sig);
	}
	sigunlock(mask);
	return bits;
}

/* Takes away from gp what it has been given of `which`; true if there was any. */
bool
sigunassign(struct g *gp, uint64_t which)
{
	uint64_t mask;
	bool any = false;

	if(!(load_acquire(&procbits) & which))
		return false;
	mask = siglock();
	for(uint64_t b = procbits & which; b != 0; b &= b - 1)
		for(struct sigent *e = procq[__builtin_ctzl(b) + 1].head; e != NULL; e = e->next)
			if(e->to == gp){
				e->to = NULL;
				any = true;
			}
	sigunlock(mask);
	return any;
}

/* ---- what nobody is to have any more ---- */

void
sigforget(struct g *gp)
{
	struct sigent *e;
	uint64_t mask;

	if(sigpendingfor(gp) == 0)
		return;
	mask = siglock();
	while((e = takeown(gp, ~0ULL)) != NULL)
		entfree(e);
	sigunlock(mask);
}

/* The signal is ignored from now on. */
void
sigdiscard(int sig)
{
	struct sigent *e;

	while((e = takeproc(NULL, sig)) != NULL)
		entfree(e);
	if(load_relaxed(&ngents) == 0)
		return;
	for(struct g *gp = load_acquire(&allgs); gp != NULL; gp = gp->alllink)
		while((sigpendingfor(gp) & SIGBIT(sig)) && (e = takeown(gp, SIGBIT(sig))) != NULL)
			entfree(e);
}

/* In the child of a fork nothing is pending. */
void
sigqueuefork(void)
{
	sigkey = 0;
	memset(procq, 0, sizeof procq);
	procbits = 0;
	ngents = 0;
	freeents = NULL;
	nents = nused = 0;
}
