/* SPDX-License-Identifier: MIT */
/* The life of a G, and of the runtime: proc.c. All in runtime mode unless it says otherwise. */
#ifndef HEDDLE_PROC_H
#define HEDDLE_PROC_H

/* newproc makes a new G (locks == 1, laid out by ginitstack) runnable. Any thread in runtime mode or foreign. */
void newproc(struct g *gp);
void gstress(struct g *gp); /* marks a new G, whose attn is set, under stress */
/* glive adds d to the count of Gs and returns it. newproc counts a G in; who calls goexit counts it out before. */
int32_t glive(int32_t d);
/* goexit leaves gp for good; fn(gp) runs on g0, when gp's stack is no longer in use, then schedule(). */
noreturn void goexit(struct g *gp, void (*fn)(struct g *));

/* gfget returns a dead G: best one with a stack whose mapping is stacksize bytes, else one without (stacksize == 0),
 * else one with a stack of another size; NULL without memory. gfput gives it back. Any thread. */
struct g *gfget(size_t stacksize);
void gfput(struct g *gp);

/* Foreign threads: a pseudo-G that parks on a futex (Go's needm), made on first use. Its locks and
 * rtenter()/rtexit() are harmless. NULL only without memory. */
struct g *getgforeign(void);
/* ginitstack lays out gp->sp so that the first gogo(gp) calls fn(gp), with the frame just below top (16-aligned). */
void ginitstack(struct g *gp, uintptr_t top, void (*fn)(struct g *));

/* persistentalloc: zeroed memory for good, or NULL; for runtime structures (type-stable). size <= 64 KiB. */
void *persistentalloc(size_t size, size_t align);

/* ---- the start; what core needs from libc, given by shim ---- */

struct hostops {
	/* a detached kernel thread with all signals blocked, on that stack, for good, or on one of libc's own (NULL); 0 or a positive
	 * errno, EINVAL: libc's TCB and TLS do not fit. Never called on a G's TCB. */
	int (*newthread)(void *(*fn)(void *), void *arg, void *stack, size_t stacksize);
	/* a TCB and TLS for M0, whose native one stays with the main G; returns its FS base or 0 */
	uintptr_t (*m0tcb)(void);
	/* libc's own, which makes no system call as a rule; NULL: the system call is made */
	int (*clockgettime)(clockid_t, struct timespec *);
	/* a cancellation point on a G, in user mode: unwinds for good if the G is cancelled */
	void (*testcancel)(void);
	/* on main, in runtime mode, before it can leave its kernel thread */
	void (*started)(void);
};
extern const struct hostops *host;

/* rtinit: bootstrap, on the process's main thread in its own TLS, once. 0 or a positive errno, after which heddle
 * stays out of the way. On return the caller is the main G, in user mode. */
int rtinit(const struct hostops *);
/* When main has been alone for a while, it is so in the kernel, too (alone.c). rtcompany brings the helpers back, before there is another G:
 * 0, or an errno if there can be no thread. Runtime mode or foreign threads. */
int rtcompany(void);
/* rtalone, on main in user mode, waits until it has the process for itself; false: it is not the only thread, or there was
 * something that takes long. */
bool rtalone(void);
void procfork(void);

#endif
