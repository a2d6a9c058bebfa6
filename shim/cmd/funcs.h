/* SPDX-License-Identifier: MIT */
/* funcs.h: which function of an object is an address in? */
#ifndef FUNCS_H
#define FUNCS_H

#include "object.h"

struct function {
	uint64_t start, end;
	const char *name;	/* in the report's memory; NULL without */
};

struct funcs;

/* Gathers the functions of o, from its symbols and its unwind information. */
struct funcs *findfuncs(struct object *o, struct keep *k);

/*
 * Fills in *f with the innermost function around addr and returns 1; 0 when
 * there is none. The name is that of a symbol around addr, be it another's start.
 */
int funcat(struct funcs *fs, uint64_t addr, struct function *f);

/* How many bytes are in functions. */
uint64_t covered(const struct funcs *fs);

/* The highest end of a function at or below addr, or lo if that is higher. */
uint64_t funcbefore(struct funcs *fs, uint64_t addr, uint64_t lo);

#endif
