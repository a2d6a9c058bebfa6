/* SPDX-License-Identifier: MIT */
/* Gs made by hand, without the libc face, for the unit tests of what runs on the scheduler. */
#ifndef HEDDLE_TESTS_GS_H
#define HEDDLE_TESTS_GS_H

#include <check.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

#include "runtime.h"
#include "tls.h"

/* Check writes each place that it passes to a file, under a mutex: on which kernel threads would wait for a G that waits for one of them. */
#undef _mark_point
#define _mark_point(file, line) ((void)0)

/* ---- what shim gives the runtime ---- */

static int
newthread(void *(*fn)(void *), void *arg, void *stack, size_t stacksize)
{
	pthread_attr_t a;
	pthread_t t;
	sigset_t all, old;
	int e;

	pthread_attr_init(&a);
	if(stack != NULL)
		pthread_attr_setstack(&a, stack, stacksize);
	else
		pthread_attr_setstacksize(&a, stacksize);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	e = pthread_create(&t, &a, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return e;
}

static int
runthread(void *stack, size_t size, void *(*fn)(void *), void *arg)
{
	pthread_attr_t a;
	pthread_t t;
	int e;

	pthread_attr_init(&a);
	if(stack != NULL)
		pthread_attr_setstack(&a, stack, size);
	if((e = pthread_create(&t, &a, fn, arg)) == 0)
		pthread_join(t, NULL);
	return e;
}

static void *
sym(const char *name)
{
	return dlsym(RTLD_DEFAULT, name);
}

static void
start(int procs)
{
	static const struct hostops ops = {.newthread = newthread, .m0tcb = tlsm0, .clockgettime = clock_gettime};
	static const struct tlsops tops = {.sym = sym, .free = free, .runthread = runthread};

	options.maxprocs = procs;
	ck_assert_int_eq(tlsinit(&tops), 0);
	ck_assert_int_eq(rtinit(&ops), 0);
}

/* ---- Gs ---- */

static uint32_t live; /* atomic */

static void
dead(struct g *gp)
{
	gfput(gp);
	add_fetch(&live, -1); /* last: who waits for that may want the dead G */
}

static void
entry(struct g *gp)
{
	void *arg = gp->arg;

	gp->preempted = 0; /* the same word */
	rtexit(gp);
	gp->fn(arg);
	tlsexit(gp);
	rtenter(gp);
	glive(-1);
	goexit(gp, dead);
}

static void
spawn(void *(*fn)(void *), void *arg)
{
	size_t size = stackmapsize(64 << 10, 4096);
	struct g *me = getg(), *gp;

	rtenter(me);
	gp = gfget(size);
	rtexit(me);
	ck_assert_ptr_nonnull(gp);
	if(gp->stacksize == 0){
		ck_assert_int_eq(stackalloc(gp, 64 << 10, 4096), 0);
		ck_assert_int_eq(tlsnew(gp), 0);
	}else
		tlsreset(gp);
	gp->fn = fn;
	gp->arg = arg;
	gp->sigmask = me->sigmask;
	ginitstack(gp, tlsstacktop(gp), entry);
	add_fetch(&live, 1);
	rtenter(me);
	newproc(gp);
	rtexit(me);
}

static void
yield(void)
{
	struct g *gp = getg();

	rtenter(gp);
	gosched();
	rtexit(gp);
}

static void
waitall(void)
{
	while(load_acquire(&live) != 0)
		yield();
}

#endif
