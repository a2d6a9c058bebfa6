/* SPDX-License-Identifier: MIT */
/*
 * The child of a fork.
 *
 * Only the calling G is left there, on a kernel thread that is the child's initial one, with
 * the G's TCB in force, which libc makes that of the child's main thread. What a fresh process
 * with one thread needs of heddle is nothing: so the child goes back to the state before rtinit, in which
 * every wrapper goes straight to libc and the kernel has the program's own handlers, mask and alternate
 * stack. The first pthread_create starts the runtime anew. A child that only calls exec pays for some system
 * calls; nothing of the parent's runtime has to be consistent at the moment of the fork, so no lock
 * is taken around it.
 *
 * The memory of the parent's Gs, Ms and Ps is left as it is, shared with the parent until written to, like that
 * of the parent's stacks. Whatever is kept in static variables begins anew.
 *
 * Rejected: keeping the runtime with one G and one M. The M's stack and TCB are libc's, which takes
 * all but the calling thread's for free in the child; every structure would have to be repaired, under
 * all locks, in every child, for the few that make threads.
 */
#include <string.h>
#include <sys/prctl.h>

#include "netpoll.h"
#include "sema.h"
#include "sig.h"

/*
 * A handler that forks may have interrupted wrappers at work, which go on in the child when it returns. For them the
 * G is on an M and has a P with nothing to run, nobody asks anything of it, and calls need no permission to block.
 */
static struct m orphanm;
static struct p orphanp;

static void
orphan(struct g *gp)
{
	orphanm = (struct m){.p = &orphanp, .curg = gp, .tid = (int32_t)rawsyscall(SYS_gettid)};
	orphanp = (struct p){.m = &orphanm};
	gp->m = &orphanm;
	gp->attn = 0;
	gp->retake = RETAKE_NO;
	sched.maxblocked = INT32_MAX;
}

static long timerslack; /* the program's own; Ms have another */

void
forkinit(void)
{
	timerslack = rawsyscall(SYS_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0);
}

void
rtfork(void)
{
	struct g *gp = getg();

	store_release(&rtready, false);
	tls_g = NULL;
	sigfork(gp);
	netpollfork();
	semafork();
	blockqfork();
	mfork();
	alonefork();
	stackfork();
	tlsfork();
	memset(allp, 0, sizeof *allp * (size_t)gomaxprocs);
	memset(&sched, 0, sizeof sched);
	gomaxprocs = 0;
	procfork();
	stressfork();
	if(gp != NULL)
		orphan(gp);
	if(timerslack > 0)
		rawsyscall(SYS_prctl, PR_SET_TIMERSLACK, timerslack, 0, 0, 0);
}
