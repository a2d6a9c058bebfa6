/* SPDX-License-Identifier: MIT */
/*
 * The end of threads.
 *
 * A thread ends by returning from its first function or by forced unwinding (pthread_exit,
 * cancellation) to the buffer that gentry has registered, and comes to threadexit either
 * way. There it does what libc does, in libc's order: C++ destructors,
 * thread-specific data; the last one ends the process. Robust mutexes that it has are freed. Then what malloc and others keep for
 * the thread stays for the next G in the same place, but what a new thread could
 * tell is cleared. Joiners are dealt with on g0, when the stack is no longer in use.
 */
#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <resolv.h>
#include <string.h>

#include "netpoll.h"
#include "sync.h"
#include "thread.h"

int (*realmain)(int, char **, char **);

/* Undoes what the thread has changed in libc's own thread-local state. */
static void
cleanlibc(struct g *gp)
{
	struct __res_state *res = &tcbword(gp, tcblayout.res, struct __res_state);

	if(res->nscount != 0 || res->options != 0){
		privatelibc.resnclose(res);
		memset(res, 0, sizeof *res);
	}
	if(tcblayout.dlerror != 0 && tcbword(gp, tcblayout.dlerror, void *) != NULL){
		dlerror();
		dlerror(); /* once it has been told, it is freed */
	}
	if(uselocale((locale_t)0) != LC_GLOBAL_LOCALE)
		uselocale(LC_GLOBAL_LOCALE);
}

void
threadfree(struct g *gp)
{
	if(gp->flags & (GF_MAIN | GF_LEFT))
		return;
	if(gp->flags & GF_USERSTACK){
		gp->fsbase = 0;
		gp->stack.lo = gp->stack.hi = 0;
	}
	gfput(gp);
}

/* exit0 runs on g0: the thread's stack and TLS are no longer in use. */
static void
exit0(struct g *gp)
{
	gp->status = Gdead;
	piended(gp);
	joinended(gp);
}

/* Counts gp out: is it the last thread? */
static bool
last(struct g *gp)
{
	int32_t n;

	rtenter(gp);
	n = glive(-1);
	rtexit(gp);
	return n == 0;
}

noreturn void
threadexit(struct g *gp)
{
	/* libc's main does without: exit() would run these */
	if(!(gp->flags & GF_MAIN))
		privatelibc.calltlsdtors();
	tsdexit(gp);
	/* whoever cancels it now may be lost */
	tcbword(gp, tcblayout.cancelhandling, uint32_t) |= TCB_EXITING;
	if(!rtready || last(gp))
		exit(0); /* the last thread, also that of a fork's child */
	tidexit();
	siggexit(gp); /* a signal for the process goes to another thread */
	robustexit(gp);
	uringexit(gp);
	if(!(gp->flags & GF_MAIN)){
		cleanlibc(gp);
		if(gp->stacksize != 0)
			stacktrim(gp);
		tlsexit(gp);
	}
	rtenter(gp);
	polldrop(gp); /* it was cancelled in a wait */
	goexit(gp, exit0);
}

/*
 * exit(2): the kernel ends the thread, and libc knows nothing of it. What would be left of its thread-local state cannot be
 * told from what a new thread may have, so its stack and TLS are not used again.
 */
noreturn void
threadvanish(struct g *gp, int status)
{
	if(last(gp))
		libc.syscall(SYS_exit_group, status, 0, 0, 0, 0, 0);
	tidexit();
	siggexit(gp);
	robustexit(gp);
	uringexit(gp);
	gp->result = NULL;
	gp->flags |= GF_LEFT;
	tcbword(gp, tcblayout.tid, uint32_t) = 0;
	rtenter(gp);
	goexit(gp, exit0);
}

/*
 * Main's first frame but one. pthread_exit from main unwinds to here. If there has never been a
 * thread or heddle is off, it goes on to libc's own frame below, as if this one were not there.
 */
int
mainwrap(int argc, char **argv, char **envp)
{
	__pthread_unwind_buf_t buf;
	struct g *gp;
	int r;

	if(__sigsetjmp_cancel(buf.__cancel_jmp_buf, 0) == 0){
		__pthread_register_cancel(&buf);
		r = realmain(argc, argv, envp);
		__pthread_unregister_cancel(&buf);
		return r;
	}
	if((gp = getg()) == NULL)
		__pthread_unwind_next(&buf);
	gp->result = tcbword(gp, tcblayout.result, void *);
	threadexit(gp);
}
