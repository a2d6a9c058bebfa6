/* SPDX-License-Identifier: MIT */
/*
 * A handler's way to a G's stack and back, and alternate stacks. See signal.c for the whole.
 *
 * The kernel's frame, on the thread's signal stack, is copied to where the kernel would have put it if threads
 * were Gs; the context that sigtramp returns to becomes the program's handler. It returns to sigreturnentry, which
 * corrects what depends on the thread, and lets the kernel restore the frame.
 */
#include <string.h>

#include "sema.h"
#include "sig.h"

enum {
	REDZONE = 128,
	FXSIZE = 512,
	SWBYTES = 464,             /* in the FXSAVE area: what the kernel says about the rest */
	FPMAGIC = 0x46505853,
	MXCSRINIT = 0x1f80,
	PKRUSTATE = 1 << 9,        /* of the xstate header */
	AUTODISARM = 1U << 31,
	MINALTSTACK = 2048,
};

/* A handler's frame on a G's stack: as the kernel's, and what is ours behind it. */
struct sigframe {
	void (*pretcode)(void);
	struct ucontextk uc;
	siginfo_t info;
	uint64_t kmask;  /* uc.sigmask as it was */
	uint64_t gmask;  /* gp->sigmask as it was */
	uint16_t locks;  /* of the G, to go back to */
	uint16_t insyscall;
	int32_t pid;
	uintptr_t sp; /* uc's as it was */
};
_Static_assert(sizeof(struct ucontextk) == 304, "the kernel's ucontext");
_Static_assert(sizeof(siginfo_t) == 128, "the kernel's siginfo");
_Static_assert(sizeof(struct sigframe) % 16 == 8, "handlers expect an aligned stack");

stack_t
sigaltstackof(struct g *gp)
{
	return gp->sigdata ? gp->sigdata->altstack : (stack_t){.ss_flags = SS_DISABLE};
}

void
sigsetaltstack(struct g *gp, const stack_t *ss)
{
	if(gp->sigdata != NULL)
		gp->sigdata->altstack = *ss;
}

static bool
onstack(const stack_t *ss, uintptr_t sp)
{
	uintptr_t lo = (uintptr_t)ss->ss_sp;

	return !((unsigned)ss->ss_flags & AUTODISARM) && sp > lo && sp - lo <= ss->ss_size;
}

int
sigalt(struct g *gp, const stack_t *ss, stack_t *old)
{
	stack_t was = sigaltstackof(gp), new;
	bool on = onstack(&was, (uintptr_t)__builtin_frame_address(0));
	int mode;

	if(ss != NULL){
		new = *ss;
		mode = (int)((unsigned)new.ss_flags & ~AUTODISARM);
		if(on)
			return EPERM;
		if(mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
			return EINVAL;
		if(mode == SS_DISABLE){
			new.ss_sp = NULL;
			new.ss_size = 0;
		}else if(new.ss_size < MINALTSTACK || sigdataof(gp) == NULL)
			return ENOMEM;
		sigsetaltstack(gp, &new);
	}
	if(old != NULL){
		*old = was;
		old->ss_flags = (int)((unsigned)was.ss_flags & AUTODISARM);
		if(was.ss_size == 0)
			old->ss_flags |= SS_DISABLE;
		else if(on)
			old->ss_flags |= SS_ONSTACK;
	}
	return 0;
}

static size_t
fpsize(const uint8_t *fp)
{
	const uint32_t *sw = (const uint32_t *)(fp + SWBYTES);

	return fp == NULL ? 0 : sw[0] == FPMAGIC ? sw[1] : FXSIZE;
}

/* Handlers start with the floating-point state of a new thread; the protection keys stay. */
static void
fpinit(uint8_t *fp)
{
	if(fp == NULL || *(uint32_t *)(fp + SWBYTES) != FPMAGIC)
		return;
	*(uint32_t *)(fp + 24) = MXCSRINIT;
	*(uint64_t *)(fp + FXSIZE) &= PKRUSTATE;
}

/*
 * Calls that the kernel repeats after a handler with SA_RESTART, and only these: if the context stands before one
 * (the kernel has put its number back), the call has been interrupted, or not begun, which the program cannot tell.
 */
static bool
restartable(uint64_t nr)
{
	static const uint16_t calls[] = {
		SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev,
		SYS_preadv2, SYS_pwritev2, SYS_ioctl, SYS_accept, SYS_accept4, SYS_connect, SYS_sendto, SYS_recvfrom,
		SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg, SYS_wait4, SYS_waitid, SYS_open, SYS_openat,
		SYS_creat, SYS_fcntl, SYS_flock, SYS_futex, SYS_getrandom, SYS_mq_timedsend, SYS_mq_timedreceive,
		SYS_splice, SYS_tee, SYS_vmsplice, SYS_sendfile, SYS_copy_file_range, 437 /* openat2 */, 449 /* futex_waitv */,
	};

	for(size_t i = 0; i < nelem(calls); i++)
		if(calls[i] == nr)
			return true;
	return false;
}

void
signorestart(struct ucontextk *uc)
{
	const uint8_t *pc = (const uint8_t *)uc->gregs[REG_RIP];

	if(!restartable(uc->gregs[REG_RAX]) || pc[0] != 0x0f || pc[1] != 0x05)
		return;
	uc->gregs[REG_RAX] = (uint64_t)-EINTR;
	uc->gregs[REG_RIP] += 2;
}

/* Where the kernel would put the frame; 0 if it does not fit on the alternate stack. */
static struct sigframe *
frameplace(const stack_t *ss, const struct ksigaction *ka, uintptr_t sp, size_t fp)
{
	bool nested = onstack(ss, sp);
	uintptr_t at = sp - REDZONE;

	if((ka->flags & SA_ONSTACK) && ss->ss_size != 0 && !nested)
		at = (uintptr_t)ss->ss_sp + ss->ss_size;
	at = ((at - fp) & ~63UL) - sizeof(struct sigframe);
	at = (at & ~15UL) - 8;
	return nested && !onstack(ss, at) ? NULL : (struct sigframe *)at;
}

/*
 * The handler has interrupted a system call of a wrapper's. It may leave by longjmp: then what the wrapper has acquired for the
 * call must be given back. What is needed for that is not kept in the frame, which a thread that ends in a handler overwrites.
 */
static void
pushcall(struct g *gp, uintptr_t sp)
{
	struct sigdata *d = gp->sigdata;

	if(d == NULL){
		siglockh();
		d = sigdataofh(gp);
		sigunlockh();
	}
	if(d != NULL && d->ncalls < MAXCALLS)
		d->calls[d->ncalls++] = (struct sigcall){.sp = sp, .insyscall = gp->insyscall};
	gp->insyscall = 0;
}

/* The handler returns to the call. */
static void
popcall(struct g *gp, uintptr_t sp)
{
	struct sigdata *d = gp->sigdata;

	if(d != NULL && d->ncalls > 0 && d->calls[d->ncalls - 1].sp == sp)
		d->ncalls--;
}

/* The wait in whose place it is will not go on. */
static void
dropstandin(struct g *gp, struct sigdata *d)
{
	struct semaroot *root;

	rtenter(gp);
	d->standinsp = 0;
	if((root = semacancel(d->standin)) != NULL)
		semaunlock(root);
	rtexit(gp);
}

/* The wrappers' calls whose stack frames lie below sp will not return. */
void
sigunwound(struct g *gp, uintptr_t sp)
{
	struct sigdata *d = gp->sigdata;
	struct sigcall *c;

	gp->locks = 0; /* a fault may have interrupted the runtime */
	if(sp < gp->stack.lo || sp >= gp->stack.hi)
		sp = 0;
	if(d != NULL && d->standinsp != 0 && d->standinsp < sp)
		dropstandin(gp, d);
	if(d != NULL && d->waitsp != 0 && d->waitsp < sp)
		sigwaitover(d);
	while(d != NULL && d->ncalls > 0 && (c = &d->calls[d->ncalls - 1])->sp >= gp->stack.lo && c->sp < sp){
		d->ncalls--;
		gp->insyscall = (uint8_t)c->insyscall;
		abandonsyscall(gp);
	}
}

/*
 * The G waits in sigsuspend, ppoll or the like, with a mask for that time: the first handler that ends the wait runs with it, but
 * when it returns the G's own mask is in force again, as the kernel has it. What else the other mask would let through is pending then.
 */
static void
restorekept(struct sigframe *f, struct sigdata *d)
{
	d->kept = false;
	f->uc.sigmask = f->kmask = f->gmask = d->keptmask;
}

static void nextsignal(struct g *, uint64_t mask);

/*
 * Makes the context that uc returns to the program's handler, on gp's stack. What else waits for gp and is not blocked by that
 * handler comes right behind, as from the kernel: before the handler has done anything it is interrupted by the next one's.
 */
void
sigframe(int sig, const siginfo_t *info, struct ucontextk *uc, const struct ksigaction *ka, struct g *gp)
{
	size_t nfp = fpsize(uc->fp);
	stack_t ss = sigaltstackof(gp);
	struct sigframe *f;
	struct sigdata *d = gp->sigdata;
	bool kept = d != NULL && d->kept;
	uint64_t mask = (kept ? gp->sigmask : uc->sigmask) | ka->mask;

	sigkeepraised(gp);
	preemptedcontext(gp, uc);
	f = frameplace(&ss, ka, uc->gregs[REG_RSP], nfp);
	if(f == NULL)
		f = (struct sigframe *)8; /* the kernel kills by SIGSEGV: so does the fault here */
	if(!(ka->flags & SA_NODEFER))
		mask |= SIGBIT(sig);
	if(!(ka->flags & SA_RESTART)){
		signorestart(uc);
		gp->nsigintr++;
	}
	gp->nsig++;
	f->pretcode = sigreturnentry;
	f->uc = *uc;
	f->uc.stack = ss;
	f->info = *info;
	sigunmark(&f->info);
	f->kmask = uc->sigmask;
	f->gmask = gp->sigmask;
	f->sp = uc->gregs[REG_RSP];
	f->locks = (uint16_t)gp->locks;
	f->insyscall = gp->insyscall;
	f->pid = sigpid;
	if(kept)
		restorekept(f, d);
	if(nfp != 0){
		f->uc.fp = (uint8_t *)(((uintptr_t)f + sizeof *f + 63) & ~63UL);
		memcpy(f->uc.fp, uc->fp, nfp);
	}
	if(gp->m->sigreraise == sig){
		gp->m->sigreraise = 0;
		f->locks = 0; /* to user mode: see sigdeliver */
		gp->locks = 0;
	}
	gp->redo = 0; /* netpoll_keep.c */
	if(gp->insyscall)
		pushcall(gp, uc->gregs[REG_RSP]);
	if((unsigned)ss.ss_flags & AUTODISARM)
		sigsetaltstack(gp, &(stack_t){.ss_flags = SS_DISABLE});
	gp->sigmask = gp->m->sigmask = uc->sigmask = mask & ~SIGNEVER;
	uc->gregs[REG_RIP] = (uint64_t)ka->handler;
	uc->gregs[REG_RSP] = (uint64_t)f;
	uc->gregs[REG_RDI] = (uint64_t)sig;
	uc->gregs[REG_RSI] = (uint64_t)&f->info;
	uc->gregs[REG_RDX] = (uint64_t)&f->uc;
	uc->gregs[REG_RAX] = 0;
	uc->gregs[REG_EFL] &= ~0x10500UL; /* direction, resume, trap */
	fpinit(uc->fp);
	if(gp->locks == 0 && sigqueued(gp) & ~mask)
		nextsignal(gp, mask);
}

/*
 * Sends the next of gp's queued signals that mask lets through, if there is one, to its own thread, where all signals are blocked:
 * the kernel delivers it as soon as it has restored the frame below, or has begun with the handler. One at a time: what a handler
 * blocks has to stay on gp's queue, as gp may go on elsewhere.
 */
static void
nextsignal(struct g *gp, uint64_t mask)
{
	siginfo_t info;

	fetch_and(&gp->attn, ~(uint32_t)ATTN_SIGNAL); /* before the look at the queues */
	if(!sigtakeh(gp, ~mask & ~sigwaitset(gp), &info))
		return;
	fetch_or(&gp->attn, ATTN_SIGNAL); /* there may be more */
	if(sigignored(info.si_signo))
		return;
	if(sighandled(info.si_signo))
		gp->m->sigreraise = info.si_signo;
	sigtoself(gp->m, &info);
}

/*
 * The program's handler has returned. What follows is the kernel's rt_sigreturn, which restores mask,
 * alternate stack and registers at once; all signals are blocked until then, so that the G does
 * not move to another thread. A sender that set ATTN_SIGNAL after the last look at it has sent a kick, too,
 * which is delivered by then.
 */
void
sigreturnprep(struct ucontextk *uc)
{
	struct sigframe *f = (struct sigframe *)((char *)uc - offsetof(struct sigframe, uc));
	struct g *gp = getg();
	uint64_t mask;
	bool nop;

	if(gp == NULL) /* the child of a fork: all is native */
		return;
	mask = uc->sigmask == f->kmask ? f->gmask : uc->sigmask & ~SIGNEVER;
	gp->locks++; /* as rtenter(), but without a need for a P */
	compiler_barrier();
	sigblockall();
	gp->sigmask = gp->m->sigmask = mask;
	nop = load_relaxed(&gp->retake) != RETAKE_NO; /* as in rtenter: if it has its P it keeps it */
	if(nop)
		semaothersin();
	sigcount(gp, mask);
	if(nop)
		semaothersout();
	if(f->locks == 0 && (load_relaxed(&gp->attn) & ATTN_SIGNAL || sigqueued(gp) & ~mask))
		nextsignal(gp, mask | uc->sigmask);
	sigsetaltstack(gp, &uc->stack);
	uc->stack = (stack_t){.ss_sp = (void *)gp->m->gsignal, .ss_size = gp->m->gsignalsize,
	    .ss_flags = gp->m->gsignalsize ? 0 : SS_DISABLE};
	/* the child of a fork has not begun the call, if it has a runtime again: exitsyscallblock */
	if((gp->insyscall = f->pid == sigpid ? (uint8_t)f->insyscall : INNONE) != INNONE)
		popcall(gp, f->sp);
	compiler_barrier();
	gp->locks = f->locks;
}

bool
sigonalt(struct g *gp)
{
	stack_t ss = sigaltstackof(gp);

	return onstack(&ss, (uintptr_t)__builtin_frame_address(0));
}
