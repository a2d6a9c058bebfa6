/* SPDX-License-Identifier: MIT */
/* tls.c's own part of what tlscal.c finds out; the rest is in struct tcblayout. */
#ifndef HEDDLE_TLSCAL_H
#define HEDDLE_TLSCAL_H

#include "tls.h"

enum {
	RELOCMAX = 32,
	TLSBLOCKMAX = 1024, /* of libc's own TLS block */
};

/* dtv[-1] holds its length, dtv[0] its generation; then one entry a module. */
struct dtv {
	union {
		void *val; /* the module's block, or -1 */
		size_t len;
	};
	void *tofree;
};

struct dl_phdr_info;

struct tlscal {
	uint8_t *image; /* a fresh thread's descriptor */
	struct {
		uint32_t at, to;
	} reloc[RELOCMAX];
	uint32_t nreloc;
	uint32_t robust0, robust1; /* those of them that are the empty list of robust mutexes */
	uint32_t robusthead, dtvp;
	ptrdiff_t libctls; /* libc's own TLS block, from the TCB */
	size_t libctlssize;
	ptrdiff_t rseqoff;
	uint32_t rseqsize; /* 0: libc does not use it */
	void *stackuser;   /* ld.so's list of threads with stacks of their own */
	uint32_t *stacklock;
	size_t *generation; /* how often modules with TLS have come and gone; NULL: not found */

	void *(*allocatetls)(void *);
	void *(*allocatetlsinit)(void *, bool);
	void (*deallocatetls)(void *, bool);
	void (*free)(void *);
	void (*ctypeinit)(void);
	int (*iteratephdr)(int (*)(struct dl_phdr_info *, size_t, void *), void *);
};

/* ---- tlsimage.c ---- */
void tlsnote(struct g *gp, const struct tlscal *, size_t gen);
/* tlsquickreset makes gp's TLS as new; false if it takes _dl_allocate_tls_init. */
bool tlsquickreset(struct g *gp, const struct tlscal *);
/* tlsnodynamic says for sure that gp has no dynamic TLS. */
bool tlsnodynamic(struct g *gp, const struct tlscal *);

void tlsimagefork(void); /* in the child of a fork */

/* ---- tlsprefetch.c ---- */
/* tlsfindlines finds out which lines those are; tlsgoff: tls_g's place, from the TCB. */
void tlsfindlines(const struct tlscal *, ptrdiff_t tlsgoff);

/* ---- tlscal.c ---- */
/* tlscalibrate fills both in; NULL, or in a few words what is not as expected. It returns tlscalagain if only memory or
 * a thread was lacking. */
extern const char tlscalagain[];
const char *tlscalibrate(const struct tlsops *, struct tcblayout *, struct tlscal *);

#endif
