/* SPDX-License-Identifier: MIT */
/*
 * fork.
 *
 * libc's own fork is called by the program, directly; what heddle has to do is done in handlers
 * of pthread_atfork's kind. They are registered before any other: so prepare runs last, right before the process
 * is copied, and child runs first: the program's handlers find the child in order, with one thread and
 * nothing of heddle in the way (core/fork.c). All signals are blocked in between.
 *
 * system, popen and posix_spawn make no such child: they call exec within libc, which neither runs
 * handlers nor comes by any wrapper. vfork is in asm/vfork_amd64.S.
 */
#include "fd.h"
#include "sig.h"
#include "sync.h"
#include "thread.h"

static __thread uint64_t mask __attribute__((tls_model("initial-exec")));
__thread bool forking;
static uint32_t registered; /* atomic */

/* libc now takes the locks of malloc and stdio, which may take long: the P can go. */
void
forkprepare(void)
{
	struct g *gp = getg();

	netpollshare();
	if(!rtready)
		return;
	if(gp != NULL){
		rtenter(gp);
		entersyscall(gp);
	}
	mask = sigblockall();
	forking = true;
}

void
forkparent(void)
{
	struct g *gp = getg();

	if(!rtready)
		return;
	forking = false;
	sigsetkernelmask(mask);
	if(gp != NULL){
		exitsyscall(gp);
		rtexit(gp);
	}
}

void
forkchild(void)
{
	fdstart();
	if(!rtready)
		return;
	rtfork();
	forking = false;
	initfork();
	robustfork();
	setxidfork();
	pollshimfork();
	sigsetkernelmask(mask);
}

void
forkregister(void)
{
	if(load_relaxed(&registered) == 0 && xchg(&registered, 1) == 0)
		libc.__register_atfork(forkprepare, forkparent, forkchild, NULL);
}

/* What pthread_atfork, which is part of the program, calls. */
EXPORT int
__register_atfork(void (*prep)(void), void (*par)(void), void (*chi)(void), void *dso)
{
	forkregister();
	return libc.__register_atfork(prep, par, chi, dso);
}

/*
 * libc's own, for old programs, calls its own of the above. One that is linked with a static library which refers to this by a weak
 * symbol finds it, too, and not the one that is part of the program: tcmalloc is such a library.
 */
EXPORT int
pthread_atfork(void (*prep)(void), void (*par)(void), void (*chi)(void))
{
	return __register_atfork(prep, par, chi, NULL);
}

EXPORT pid_t
_Fork(void)
{
	pid_t pid;

	if(!rtready)
		return libc._Fork();
	forkprepare();
	pid = libc._Fork();
	if(pid == 0)
		forkchild();
	else
		forkparent();
	return pid;
}
