/* SPDX-License-Identifier: MIT */
/* tls.c's own part of what tlscal.c finds out; the rest is in struct tcblayout. */
#ifndef HEDDLE_TLSCAL_H
#define HEDDLE_TLSCAL_H

#include "tls.h"

enum {
	RELOCMAX = 32,
	TLSBLOCKMAX = 1024, /* of libc's own TLS block */
};

struct tlscal {
	uint8_t *image; /* a fresh thread's descriptor */
	struct {
		uint32_t at, to;
	} reloc[RELOCMAX];
	uint32_t nreloc;
	uint32_t robusthead, dtvp;
	ptrdiff_t libctls; /* libc's own TLS block, from the TCB */
	size_t libctlssize;
	ptrdiff_t rseqoff;
	uint32_t rseqsize; /* 0: libc does not use it */
	void *stackuser;   /* ld.so's list of threads with stacks of their own */
	uint32_t *stacklock;

	void *(*allocatetls)(void *);
	void *(*allocatetlsinit)(void *, bool);
	void (*deallocatetls)(void *, bool);
	void (*free)(void *);
	void (*ctypeinit)(void);
};

/* tlscalibrate fills both in; NULL, or in a few words what is not as expected. */
const char *tlscalibrate(const struct tlsops *, struct tcblayout *, struct tlscal *);

#endif
