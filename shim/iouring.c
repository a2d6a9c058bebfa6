/* SPDX-License-Identifier: MIT */
/*
 * io_uring through liburing, whose functions make their system calls by themselves, not by libc: a wait there would hold the P until
 * sysmon takes it.
 *
 * Some rings are one thread's: those made with IORING_SETUP_SINGLE_ISSUER, of whose requests the kernel takes none from other
 * threads; with IORING_SETUP_DEFER_TASKRUN, and COOP_TASKRUN, whose completions are brought in when their thread
 * enters the kernel; and a ring's registered descriptor is a number in a table of the thread's. A G that makes one is locked to its M,
 * for good, and what the kernel keeps of it ends as natively when it ends, as that thread ends with it. Threads that the G makes
 * inherit nothing of that (cf. own in kthread.c). Other rings may be used by any thread, and many of a program's may: they are not
 * locked. By number (bynumber.c) each thread that uses a ring is.
 *
 * liburing is not needed: the real functions are looked for at the first call, among the libraries loaded by then, also those that
 * only a plugin needs.
 *
 * A ring may close a descriptor, which then is not what is known of its number.
 */
#include <linux/io_uring.h>
#include <string.h>

#include "dlsym.h"
#include "dynsym.h"
#include "fd.h"
#include "thread.h"

#ifndef IORING_SETUP_COOP_TASKRUN
#define IORING_SETUP_COOP_TASKRUN (1U << 8)
#endif
#ifndef IORING_SETUP_SQE128
#define IORING_SETUP_SQE128 (1U << 10)
#endif
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

enum { ONETHREADS = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };

/* ---- threads that have rings of their own ---- */

static bool early;      /* main has made one before the runtime's start; main alone, then read only */
static __thread bool locked; /* only the G. By the file's name it fills a hole in the thread-local storage */

static void
lockring(struct g *gp)
{
	if(locked || gp->flags & GF_KERNEL)
		return;
	rtenter(gp);
	locked = true;
	lockosthread(gp);
	rtexit(gp);
}

void
uringlock(void)
{
	struct g *gp = getg();

	if(gp == NULL)
		early |= !rtready; /* another thread is a kernel thread */
	else if(onfirst(gp))
		own(); /* that thread does not end with it */
	else
		lockring(gp);
}

unsigned
uringlocked(void)
{
	return locked;
}

void
uringstart(struct g *gp)
{
	if(early)
		lockring(gp);
}

void
uringexit(struct g *gp)
{
	if(likely(!locked))
		return;
	rtenter(gp);
	if(gp->m != firstm)
		gp->m->dirty = true; /* so that it ends */
	rtexit(gp);
}

/* The only thread of the child goes on by itself, with no lock. */
void
uringfork(void)
{
	early |= locked;
	locked = false;
}

/* ---- what liburing has of a ring, the same in all its versions ---- */

struct ringhead {
	unsigned *khead, *ktail, *mask, *entries, *kflags, *kdropped, *array;
	struct io_uring_sqe *sqes;
	unsigned head, tail; /* requests that are not the kernel's yet */
	size_t size;
	void *mem;
	unsigned pad[4];
	struct {
		unsigned *khead, *ktail, *mask, *entries, *kflags, *koverflow;
		struct io_uring_cqe *cqes;
		size_t size;
		void *mem;
		unsigned pad[4];
	} cq;
	unsigned flags;
};

/* Whatever closes the number now is not seen. */
static void
forget(int fd)
{
	struct polldesc *pd = pollfind(fd);

	fdshared(fd);
	if(pd != NULL && fdours(getg()))
		fdsetkind(pd, Kunknown);
}

static void
closings(const struct ringhead *r)
{
	unsigned shift = (r->flags & IORING_SETUP_SQE128) != 0;

	for(unsigned i = r->head; i != r->tail; i++){
		const struct io_uring_sqe *e = &r->sqes[(size_t)(i & *r->mask) << shift];

		if(unlikely(e->opcode == IORING_OP_CLOSE))
			forget(e->fd);
	}
}

/* ---- the real functions ---- */

static int
among(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct { const char *name; void *fn; } *want = arg;
	const ElfW(Sym) *s;
	struct dynsyms d;

	if(strstr(info->dlpi_name, "/liburing") == NULL || !dynsymsof(&d, info) || (s = dynfunc(&d, want->name)) == NULL)
		return 0;
	want->fn = (void *)(d.base + s->st_value);
	return 1;
}

void *
uringsym(const char *name)
{
	struct { const char *name; void *fn; } want = {name, libcsym(name)};

	if(want.fn == NULL)
		eachobject(among, &want);
	return want.fn;
}

/* Two threads that look at once find the same. */
static void *
real(void **fn, const char *name)
{
	void *p = load_relaxed(fn);

	if(unlikely(p == NULL) && (p = uringsym(name)) != NULL)
		store_relaxed(fn, p);
	return p;
}

/* ---- the wrappers ---- */

/* The runtime's own signals end no wait; handlers of the program's do. Requests are submitted again only if none has been. */
#define WAITING(gp, call)                                                            \
	({                                                                           \
		uint16_t w_n = (gp)->nsig;                                           \
		int w_r;                                                             \
		do{                                                                  \
			entersyscallblock(gp);                                       \
			w_r = (gp)->nsig == w_n ? (call) : -EINTR;                   \
			exitsyscallblock(gp);                                        \
			if(w_r == -EINTR)                                            \
				sigdeliver(gp);                                      \
		}while(w_r == -EINTR && (gp)->nsig == w_n);                          \
		w_r;                                                                 \
	})

#define MAKES(f)  ((f) & ONETHREADS ? uringlock() : (void)0)
#define BINDS     uringlock()
#define SUBMITS   closings(ring)
#define NOTHING   (void)0

#define URING(name, params, args, what, waits)                                       \
	EXPORT int name params;                                                      \
	int name params                                                              \
	{                                                                            \
		static void *ptr;                                                    \
		int (*fn) params = (__typeof__(fn))real(&ptr, #name);                \
		struct g *gp;                                                        \
		int r;                                                               \
                                                                                     \
		if(fn == NULL)                                                       \
			return -ENOSYS;                                              \
		what;                                                                \
		if((gp = getg()) == NULL)                                            \
			return fn args;                                              \
		unwindsyscall();                                                     \
		rtenter(gp);                                                         \
		r = waits ? WAITING(gp, fn args) : iosyscall(gp, fn args);           \
		rtexit(gp);                                                          \
		return r;                                                            \
	}
#include "symbols_uring.def"
