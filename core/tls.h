/* SPDX-License-Identifier: MIT */
/*
 * What tls.c has found out about libc's thread descriptor (TCB, struct pthread).
 * All offsets are in bytes from the TCB's start, which is the thread's FS base
 * and its pthread_t. Fixed once tlsinit has returned.
 */
#ifndef HEDDLE_TLS_H
#define HEDDLE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct g;

struct tcblayout {
	size_t size;    /* of the descriptor */
	size_t tlssize; /* of the descriptor and the static TLS below it */
	size_t align;   /* of the TCB */

	uint32_t list; /* link on the list of threads with stacks of their own */
	uint32_t tid;
	uint32_t cancelhandling;
	uint32_t disabledat, asyncat; /* cancellation's state and type: bytes, and their bits */
	uint8_t disabledbit, asyncbit;
	uint32_t cleanupjmpbuf; /* where forced unwinding stops */
	uint32_t result;
	uint32_t stackblock, stackblocksize;
	uint32_t res; /* resolver state */
	uint32_t robusthead; /* head of the list of robust mutexes, as set_robust_list(2) has it; 0: not known */

	/* thread-specific data: a table of pointers to blocks of {sequence number, value} */
	uint32_t specific, specificused;
	uint32_t nlevel1, nlevel2;
	uint32_t keydatasize, keydataseq, keydatavalue;
	uintptr_t keys; /* the process's table of keys */
	uint32_t keysize, keyseq, keydestr;

	/* thread-local variables of libc's, from the TCB; negative */
	ptrdiff_t resp, dlerror;
};
extern struct tcblayout tcblayout;

/* Bits of cancelhandling. */
enum { TCB_CANCELING = 0x04, TCB_CANCELED = 0x08, TCB_EXITING = 0x10, TCB_TERMINATED = 0x20 };

/* tcbword is a word of gp's TCB: tcbword(gp, tcblayout.result, void *) */
#define tcbword(gp, off, type) (*(type *)((gp)->fsbase + (uintptr_t)(off)))

/* What tls.c needs of libc and cannot call by itself. */
struct tlsops {
	void *(*sym)(const char *name); /* address of a symbol of libc's or ld.so's, or NULL */
	/* of the malloc that ld.so uses, too: the first in the order of the global scope, whoever's it is */
	void (*free)(void *);
	/* runs fn(arg) on a thread of libc's, on the given stack, and waits for its end; 0 or an errno */
	int (*runthread)(void *stack, size_t size, void *(*fn)(void *), void *arg);
};

/* ---- tls.c; user mode or no G at all ---- */
/* tlsinit finds out how libc's threads look, on the main thread. ENOSYS after a line on the log if it cannot; EAGAIN if
 * it may be tried again. */
int tlsinit(const struct tlsops *);
int tlsnew(struct g *gp);    /* a TCB and TLS at the top of gp->stack; sets fsbase and tid; 0 or EAGAIN */
/* These ask the cache for the lines that a thread's start and end use, and for those that tlsreset and ginitstack do. */
void tlsprefetch(struct g *gp);
void tlsprefetchreset(struct g *gp);
bool tlsunstarted(struct g *gp); /* gp, which does not run, has yet to run its first function */
void tlsreset(struct g *gp); /* makes a dead G's as new, with another tid */
void tlsexit(struct g *gp);  /* the last thing gp does in user mode */
void tlsfree(struct g *gp);  /* of a dead G, before its stack goes */
uintptr_t tlsstacktop(struct g *gp);   /* where its first frame goes, 64-aligned */
struct g *gfrompthread(uintptr_t th);  /* NULL: a thread of libc's */
struct g *gfromtid(uint32_t tid);      /* NULL: no living G has it. Looks at all. */
/* tlsclone makes a TCB for a thread of clone(2): of thread-local variables it has the caller's values. *tid is the word that the
 * kernel is to clear at its end; tlsclonefailed says that there is no such thread. 0 without memory. User mode. */
uintptr_t tlsclone(uint32_t **tid);
void tlsclonefailed(uint32_t *tid);
/* tlspoke writes a thread-local variable of heddle's in another thread's TLS. */
void tlspoke(void *var, uintptr_t tcb, void *value);
uintptr_t tlsm0(void);                 /* hostops.m0tcb; takes main's TCB from its kernel thread */
void tlsfork(void); /* this and the other ...fork(): fork.c */

#endif
