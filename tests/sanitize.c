/* SPDX-License-Identifier: MIT */
/*
 * tls.c's stead in `make asan` and `make tsan`.
 *
 * A sanitizer keeps what it knows of a thread in its thread-local storage, and takes the thread for one with
 * one stack. So here Gs have no TLS of their own but use that of the kernel thread on which they run, and each
 * switch is told to asan as one of fibers. "FS base" then means the fiber: the switch in asm/ and the runtime go on
 * setting and asking it as ever. What only TLS can do is not tested so: check_tls is left out. tsan runs the tests that do
 * not switch, see the Makefile.
 *
 * A fiber is used by one kernel thread at a time, like the TLS in whose stead it is. Nothing here is instrumented:
 * it runs between two fibers.
 */
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <stdlib.h>

#include "runtime.h"
#include "tls.h"

#ifdef __has_feature /* clang */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define ASAN(x) x
#else
#define ASAN(x) (void)0
#endif
#define plain __attribute__((no_sanitize_address))

enum { TIDBASE = 0x20000000, M0STACK = 64 << 10 };

/* What the runtime allocates it keeps, and where it keeps it the sanitizer does not look. */
const char *__asan_default_options(void) __attribute__((visibility("default")));
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

struct fiber {
	struct fiber *self; /* as the word at an FS base is */
	struct g *gp;       /* NULL: an M's */
	void *fake;         /* asan's own */
	uintptr_t lo, hi;   /* its stack */
};

struct tcblayout tcblayout;
static __thread struct fiber *current;

static void
stackof(struct fiber *f)
{
	pthread_attr_t attr;
	void *lo;
	size_t size;

	if(pthread_getattr_np(pthread_self(), &attr) != 0 || pthread_attr_getstack(&attr, &lo, &size) != 0)
		throw("a thread without a stack");
	f->lo = (uintptr_t)lo;
	f->hi = (uintptr_t)lo + size;
	pthread_attr_destroy(&attr);
}

static struct fiber *
newfiber(struct g *gp)
{
	struct fiber *f = calloc(1, sizeof *f);

	if(f != NULL){
		f->self = f;
		f->gp = gp;
	}
	return f;
}

plain uintptr_t
getfsbase(void)
{
	if(current == NULL){
		if((current = newfiber(tls_g)) == NULL)
			throw("no memory for a fiber");
		stackof(current);
	}
	return (uintptr_t)current;
}

plain void
setfsbase(uintptr_t base)
{
	struct fiber *from = (struct fiber *)getfsbase(), *to = (struct fiber *)base;

	if(to == from)
		return;
	from->gp = tls_g;
	if(to->hi == 0){ /* M0's */
		to->hi = tls_m->g0sp;
		to->lo = to->hi - M0STACK;
	}
	ASAN(__sanitizer_start_switch_fiber(&from->fake, (void *)to->lo, to->hi - to->lo));
	current = to;
	tls_g = tls_owner = to->gp;
	ASAN(__sanitizer_finish_switch_fiber(to->fake, NULL, NULL));
}

/* The frames that the last G left there never returned. */
static void
cleanstack(struct g *gp)
{
	ASAN(__asan_unpoison_memory_region((void *)gp->stack.lo, gp->stack.hi - gp->stack.lo));
}

int
tlsnew(struct g *gp)
{
	static uint32_t tids;
	struct fiber *f = newfiber(gp);

	if(f == NULL)
		return EAGAIN;
	f->lo = gp->stack.lo;
	f->hi = gp->stack.hi;
	gp->fsbase = (uintptr_t)f;
	gp->tid = TIDBASE + add_fetch(&tids, 1);
	cleanstack(gp);
	return 0;
}

void
tlsreset(struct g *gp)
{
	cleanstack(gp);
}

void
tlsexit(struct g *gp)
{
}

void
tlsfree(struct g *gp)
{
	struct fiber *f = (struct fiber *)gp->fsbase;

	if(f == NULL)
		return;
	cleanstack(gp);
	free(f);
	gp->fsbase = 0;
}

uintptr_t
tlsstacktop(struct g *gp)
{
	return (gp->stack.hi - CACHELINE) & ~(CACHELINE - 1UL);
}

void
tlsprefetch(struct g *gp)
{
}

void
tlsprefetchreset(struct g *gp)
{
}

bool
tlsunstarted(struct g *gp)
{
	return tlsstacktop(gp) - gp->sp < 2 * CACHELINE;
}

/* Its stack is not known yet: setfsbase. */
uintptr_t
tlsm0(void)
{
	return (uintptr_t)newfiber(NULL);
}

/* A thread-local variable of heddle's: all fibers of the kernel thread have the same, but for its G. */
void
tlspoke(void *var, uintptr_t base, void *value)
{
	if(var == &tls_g)
		((struct fiber *)base)->gp = value;
	else
		*(void **)var = value;
}

/* Ids are given to TCBs. */
struct g *
gfromtid(uint32_t tid)
{
	return NULL;
}

int
tlsinit(const struct tlsops *ops)
{
	return 0;
}

void
tlsfork(void)
{
}
