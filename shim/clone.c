/* SPDX-License-Identifier: MIT */
/*
 * clone(2), as programs call it that make sandboxes, containers, or processes in their own way.
 *
 * What the new thread or process finds depends on what it shares with the caller:
 *
 *   a copy of the memory      a fork: heddle goes back to the state before its start there (core/fork.c)
 *   the memory, with a TLS    a kernel thread of the program's own, with no G: getg() is NULL in a TLS that is
 *   of its own                as new
 *   the memory, while the     as a child of vfork: it has the caller's TLS, without its G (asm/vfork_amd64.S)
 *   caller waits
 *   the memory and the TLS,   two threads cannot be one G. So it gets a TLS of its own, in which the thread-local
 *   at the same time          variables have the values of that moment (natively it would share them, without any lock)
 *
 * By number, syscall(2), only what returns twice on the caller's stack is treated here: fork, and vfork.
 */
#include <errno.h>
#include <linux/sched.h>
#include <stdarg.h>

#include "fd.h"
#include "sig.h"
#include "tls.h"
#include "thread.h"

/* What the new one's first function needs. Where the stack is not the caller's, it lies on top of the new one. */
struct start {
	int (*fn)(void *);
	void *arg;
	void *tls;      /* CLONE_SETTLS in a copy of the memory */
	uint64_t mask;
	uintptr_t tcb;  /* to run with */
};

struct args {
	void *stack;
	int flags;
	pid_t *ptid, *ctid;
	void *tls;
};

static int
call(int (*first)(void *), struct start *s, const struct args *a)
{
	return libc.clone(first, a->stack, a->flags, s, a->ptid, a->tls, a->ctid);
}

/* ---- a copy of the memory ---- */

/* Unlike any fork's child it may share the descriptors, which is seldom, and costs: see netpoll.h. */
static void
sharefiles(uint64_t flags)
{
	struct g *gp = getg();

	if(!(flags & CLONE_FILES))
		return;
	if(gp != NULL)
		rtenter(gp);
	netpollsharefiles();
	if(gp != NULL)
		rtexit(gp);
}

static int
copied(void *p)
{
	struct start s = *(struct start *)p;
	struct g *gp;
	int status;

	forkchild();
	netpollshared();
	if(s.tls != NULL)
		setfsbase((uintptr_t)s.tls);
	status = s.fn(s.arg);
	if((gp = getg()) != NULL)
		threadvanish(gp, status); /* it has made threads */
	return status;
}

static int
clonecopy(struct start *s, struct args *a)
{
	int r;

	s->tls = NULL;
	if(a->flags & CLONE_SETTLS){
		s->tls = a->tls;
		a->flags &= ~CLONE_SETTLS;
	}
	sharefiles(a->flags);
	forkprepare();
	r = call(copied, s, a);
	forkparent();
	netpollshared();
	return r;
}

/* ---- the same memory, the caller waits ---- */

static int
inplace(void *p)
{
	struct start s = *(struct start *)p;

	sigsetkernelmask(s.mask);
	return s.fn(s.arg);
}

/* No signal may come while this thread's G is not to be found. */
static int
clonewait(struct g *gp, struct start *s, const struct args *a)
{
	int r;

	vforkused = true;
	netpollshare();
	s->mask = sigblockall();
	tls_g = NULL;
	r = call(inplace, s, a);
	tls_g = gp;
	sigsetkernelmask(s->mask);
	return r;
}

/* ---- the same memory, at the same time ---- */

static int
beside(void *p)
{
	struct start *s = p;

	setfsbase(s->tcb);
	*(uint32_t *)(s->tcb + tcblayout.tid) = (uint32_t)rawsyscall(SYS_gettid);
	sigsetkernelmask(s->mask);
	return s->fn(s->arg);
}

/* The word for the end is heddle's, if the program does not use it; else the TLS is never used again. */
static int
clonebeside(struct start *s, struct args *a)
{
	uintptr_t top = ((uintptr_t)a->stack - sizeof *s) & ~63UL;
	struct start *on = (struct start *)top;
	uint32_t *tid;
	int r, e;

	if((s->tcb = tlsclone(&tid)) == 0){
		errno = ENOMEM;
		return -1;
	}
	if(!(a->flags & CLONE_CHILD_CLEARTID)){
		a->flags |= CLONE_CHILD_CLEARTID;
		a->ctid = (pid_t *)tid;
	}
	a->stack = on;
	vforkused = true;
	netpollshare();
	s->mask = sigblockall(); /* until it has a TLS of its own */
	*on = *s;
	r = call(beside, on, a);
	e = errno;
	sigsetkernelmask(s->mask);
	if(r < 0)
		tlsclonefailed(tid);
	errno = e;
	return r;
}

/* ---- */

EXPORT int
clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	struct start s = {.fn = fn, .arg = arg};
	struct args a = {.stack = stack, .flags = flags};
	struct g *gp = getg();
	va_list ap;

	va_start(ap, arg);
	a.ptid = va_arg(ap, pid_t *);
	a.tls = va_arg(ap, void *);
	a.ctid = va_arg(ap, pid_t *);
	va_end(ap);
	if(flags & CLONE_CHILD_CLEARTID)
		futexbykernel(a.ctid);
	if(fn == NULL || stack == NULL || (!rtready && (flags & CLONE_VM)))
		return libc.clone(fn, stack, flags, arg, a.ptid, a.tls, a.ctid);
	if(!(flags & CLONE_VM))
		return clonecopy(&s, &a);
	if((flags & CLONE_SETTLS) || gp == NULL){
		netpollshare();
		return libc.clone(fn, stack, flags, arg, a.ptid, a.tls, a.ctid);
	}
	return flags & CLONE_VFORK ? clonewait(gp, &s, &a) : clonebeside(&s, &a);
}
ALSO(__clone, clone)

/* ---- by number ---- */

/* The flags and the stack that the system call n is given. False if it is none of these, or has bad arguments. */
static bool
cloneargs(long n, long a, long b, uint64_t *flags, uint64_t *stack)
{
	struct clone_args args = {0};

	if(n == SYS_clone){
		*flags = (uint64_t)a;
		*stack = (uint64_t)b;
		return true;
	}
	if(n != SYS_clone3 || (size_t)b < CLONE_ARGS_SIZE_VER0 || trycopy(&args, (const void *)a, CLONE_ARGS_SIZE_VER0) != 0)
		return false;
	*flags = args.flags | args.exit_signal;
	*stack = args.stack;
	return true;
}

enum forkkind
forkkind(long n, long a, long b)
{
	uint64_t flags, stack;

	if(n == SYS_fork)
		return FORK_COPY;
	if(n == SYS_vfork)
		return FORK_WAIT;
	if(!cloneargs(n, a, b, &flags, &stack) || stack != 0 || (flags & CLONE_SETTLS))
		return FORK_NOT;
	if(!(flags & CLONE_VM))
		return FORK_COPY;
	return flags == (CLONE_VM | CLONE_VFORK | SIGCHLD) ? FORK_WAIT : FORK_NOT;
}

long
forksyscall(long n, long a, long b, long c, long d, long e)
{
	uint64_t flags, stack;
	long r;

	if(cloneargs(n, a, b, &flags, &stack))
		sharefiles(flags);
	forkprepare();
	r = libc.syscall(n, a, b, c, d, e, 0);
	if(r == 0)
		forkchild();
	else
		forkparent();
	netpollshared();
	return r;
}
