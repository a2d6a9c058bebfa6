/* SPDX-License-Identifier: MIT */
/* rawcall.h: system calls that a program makes by itself. */
#ifndef RAWCALL_H
#define RAWCALL_H

#include "object.h"

/* Searches the code of o and sets o->calls and o->unsearched. */
void findrawcalls(struct object *o, struct keep *k);

/*
 * Is c, of o, worth telling of? What is uncertain and has no number of a call before it is data in all likelihood, as
 * tables of constants beside code decode like anything else; unless most code of the object is without bounds, and there
 * were no such tables before.
 */
int likely(const struct object *o, const struct rawcall *c);

/* A system call's name ("futex"); NULL when nr is none's. */
const char *callname(long nr);

#endif
