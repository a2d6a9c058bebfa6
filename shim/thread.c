/* SPDX-License-Identifier: MIT */
/*
 * pthread_create: a new G.
 *
 * What a thread gets from its creator: the signal mask, the name, the floating-point
 * environment. What it gets from its attributes is parsed by libc's own
 * pthread_attr_get functions, as pthread_attr_t is libc's secret.
 */
#include <errno.h>
#include <string.h>

#include "thread.h"

enum { MINREST = 2048 }; /* of a stack, below TCB and TLS, as in glibc */

/* The attributes of those who give none; pthread_setattr_default_np changes them. */
static struct {
	struct mutex lock;
	size_t size, guard;
	uint32_t other; /* they hold more than these two */
} defaults;

static void
getdefaults(void)
{
	pthread_attr_t attr;
	size_t size = 0, guard = 0;
	int detach = PTHREAD_CREATE_JOINABLE;
	sigset_t mask;
	bool hasmask;
	struct kstart k;

	if(pthread_getattr_default_np(&attr) != 0)
		return;
	kstartparse(&k, &attr);
	pthread_attr_getdetachstate(&attr, &detach);
	pthread_attr_getstacksize(&attr, &size);
	pthread_attr_getguardsize(&attr, &guard);
	hasmask = pthread_attr_getsigmask_np(&attr, &mask) == 0;
	pthread_attr_destroy(&attr);
	store_relaxed(&defaults.size, size);
	store_relaxed(&defaults.guard, guard);
	store_relaxed(&defaults.other, k.what != 0 || k.notinherit || detach != PTHREAD_CREATE_JOINABLE || hasmask);
}

EXPORT int
pthread_setattr_default_np(const pthread_attr_t *attr)
{
	int e = libc.pthread_setattr_default_np(attr);

	if(e == 0 && rtready)
		getdefaults();
	return e;
}

void
threadinit(void)
{
	maing->exitstate = Jrun;
	getdefaults();
	attrmemoinit();
	nameinit(maing);
	lockinit(maing);
	uringstart(maing);
}

/* ---- attributes ---- */

static void
parseattr(struct startattr *a, const pthread_attr_t *attr)
{
	int detach = PTHREAD_CREATE_JOINABLE;
	pthread_attr_t def;
	void *addr = NULL;
	size_t size = 0;

	if(attr == NULL && unlikely(load_relaxed(&defaults.other)) && pthread_getattr_default_np(&def) == 0){
		parseattr(a, &def);
		pthread_attr_destroy(&def);
		return;
	}
	a->stack = 0;
	a->hasmask = false;
	kstartparse(&a->k, attr);
	if(attr == NULL){
		a->detached = false;
		a->size = load_relaxed(&defaults.size);
		a->guard = load_relaxed(&defaults.guard);
		return;
	}
	pthread_attr_getdetachstate(attr, &detach);
	pthread_attr_getstack(attr, &addr, &size);
	a->detached = detach == PTHREAD_CREATE_DETACHED;
	a->hasmask = pthread_attr_getsigmask_np(attr, &a->mask) == 0;
	if((uintptr_t)addr + size != 0){
		a->stack = (uintptr_t)addr;
		a->size = size;
		a->guard = 0;
		return;
	}
	pthread_attr_getstacksize(attr, &a->size);
	pthread_attr_getguardsize(attr, &a->guard);
}

/* ---- stack and TCB ---- */

static struct g *
newuserstack(struct g *gp, const struct startattr *a)
{
	gp->flags = GF_USERSTACK;
	gp->stack.lo = a->stack;
	gp->stack.hi = a->stack + a->size;
	return tlsnew(gp) == 0 ? gp : NULL;
}

static struct g *
newstack(struct g *gp, const struct startattr *a)
{
	if(gp->stacksize != 0){
		stackguard(gp, a->guard);
		tlsreset(gp);
		return gp;
	}
	if(stackalloc(gp, a->size, a->guard) != 0)
		return NULL;
	if(tlsnew(gp) != 0){
		stackfree(gp);
		return NULL;
	}
	return gp;
}

/* A dead G, with a stack and all that a thread starts with; NULL without memory. */
static struct g *
newg(struct g *self, const struct startattr *a)
{
	struct g *gp, *r;

	rtenter(self);
	gp = gfget(a->stack ? 0 : stackmapsize(a->size, a->guard));
	rtexit(self);
	if(gp == NULL)
		return NULL;
	gp->flags = 0;
	if(gp->stacksize != 0 && (a->stack || gp->stacksize != stackmapsize(a->size, a->guard) || gp->attn & ATTN_NOTED ||
	   stresschance(SC_newstack))){
		tlsfree(gp);
		stackfree(gp);
	}
	r = a->stack ? newuserstack(gp, a) : newstack(gp, a);
	if(r == NULL){
		gp->flags = 0;
		gp->stack.lo = gp->stack.hi = 0;
		rtenter(self);
		gfput(gp);
		rtexit(self);
	}
	return r;
}

/* ---- start ---- */

/* Tells the creator whether the thread got the kernel thread that it is to have. If not it ends at once. */
static void
kstart(struct g *gp)
{
	struct kstart *k = gp->arg;
	int err = kstartapply(k);

	gp->arg = k->arg;
	k->err = err;
	if(err != 0)
		store_relaxed(&gp->exitstate, (gp->exitstate | JSTATE) + 1 + Jdetached);
	wake(k->creator, k->seq, WAKE_READY); /* k is no longer ours */
	if(err != 0){
		gp->preempted = 0;
		rtexit(gp);
		threadexit(gp);
	}
}

static void *
callfn(struct g *gp)
{
	void *arg = gp->arg;

	gp->preempted = 0; /* the same word */
	rtexit(gp);
	if(gp->flags & GF_C11)
		return (void *)(intptr_t)((thrd_start_t)(void (*)(void))gp->fn)(arg);
	return gp->fn(arg);
}

/* The first function of a G, in runtime mode. pthread_exit and cancellation unwind to the buffer. */
static void
gentry(struct g *gp)
{
	__pthread_unwind_buf_t buf;
	struct g *self;

	privatelibc.ctypeinit();
	errno = 0;
	if(gp->flags & GF_KSTART)
		kstart(gp);
	if(__sigsetjmp_cancel(buf.__cancel_jmp_buf, 0) == 0){
		__pthread_register_cancel(&buf);
		gp->result = callfn(gp);
	}else
		gp->result = tcbword(gp, tcblayout.result, void *);
	/* in the child of a fork it may be another G, or none */
	self = getg();
	threadexit(self != NULL ? self : gp);
}

static void
setmask(struct g *gp, struct g *self, const struct startattr *a)
{
	uint64_t mask;

	if(a->hasmask)
		memcpy(&mask, &a->mask, sizeof mask);
	else if(self->flags & GF_FOREIGN)
		rawsyscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask);
	else
		mask = self->sigmask;
	sigginit(gp, mask);
}

static int
kcreate(struct g *self, struct g *gp, struct kstart *k)
{
	k->creator = self;
	k->seq = parkprep(self);
	k->arg = gp->arg;
	gp->arg = k;
	gp->flags |= GF_KSTART;
	newproc(gp);
	parknointr(self, Wnone, NULL, NOTIME);
	return k->err;
}

/* gp starts on a kernel thread that inherits from self's. If there can be none, gp is given back. */
static bool
inherit(struct g *self, struct g *gp)
{
	int e;

	rtenter(self);
	if((e = owninherit(gp)) != 0)
		threadfree(gp);
	rtexit(self);
	return e == 0;
}

/* The first thread after a while without any. */
static noinline int
company(struct g *self)
{
	int e;

	rtenter(self);
	e = rtcompany();
	rtexit(self);
	return e;
}

static int
create(pthread_t *thp, const pthread_attr_t *attr, void *(*fn)(void *), void *arg, uint8_t flags)
{
	struct g *self = getg(), *gp;
	struct startattr a;
	int e = 0;

	if(self == NULL && (self = getgforeign()) == NULL)
		return EAGAIN;
	if(unlikely(load_relaxed(&sched.alone) == ALONE_NOW) && company(self) != 0)
		return EAGAIN;
	if(attr == NULL || self->flags & GF_FOREIGN)
		parseattr(&a, attr);
	else if(!attrrecall(self, attr, &a)){
		parseattr(&a, attr);
		attrkeep(self, attr, &a);
	}
	if(a.size < tcblayout.tlssize + MINREST)
		return EINVAL;
	gp = newg(self, &a);
	if(gp == NULL && !(self->flags & GF_FOREIGN)){
		/* threads that have only to run to end may have the memory */
		rtenter(self);
		gosched();
		rtexit(self);
		gp = newg(self, &a);
	}
	if(gp == NULL || (unlikely(self->flags & GF_KERNEL) && !inherit(self, gp)))
		return EAGAIN;
	gp->flags |= flags;
	gp->fn = fn;
	gp->arg = arg;
	gp->joiner = NULL;
	gp->notinherit = a.k.notinherit;
	gp->locks = 1;
	memcpy(gp->name, self->name, sizeof gp->name);
	gp->attn = lockedname(gp->name) ? ATTN_LOCK : 0;
	gstress(gp);
	store_relaxed(&gp->exitstate, (gp->exitstate | JSTATE) + 1 + (a.detached ? Jdetached : Jrun));
	ginitstack(gp, tlsstacktop(gp), gentry);
	*thp = gp->fsbase;
	rtenter(self);
	setmask(gp, self, &a);
	if(a.k.what != 0)
		e = kcreate(self, gp, &a.k);
	else
		newproc(gp);
	rtexit(self);
	return e;
}

EXPORT int
pthread_create(pthread_t *thp, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	if(unlikely(!bootstrap()))
		return libc.pthread_create(thp, attr, fn, arg);
	return create(thp, attr, fn, arg, 0);
}

EXPORT int
thrd_create(thrd_t *thp, thrd_start_t fn, void *arg)
{
	int e;

	if(unlikely(!bootstrap()))
		return libc.thrd_create(thp, fn, arg);
	e = create(thp, NULL, (void *(*)(void *))(void (*)(void))fn, arg, GF_C11);
	return e == 0 ? thrd_success : e == EAGAIN ? thrd_nomem : thrd_error;
}
