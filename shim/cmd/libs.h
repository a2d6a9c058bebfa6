/* SPDX-License-Identifier: MIT */
/* libs.h: the libraries that a program is started with. */
#ifndef LIBS_H
#define LIBS_H

#include "object.h"

struct missing {
	struct missing *next;
	const char *name, *why;		/* why: where it was found and what is wrong with it; NULL: it was not found */
	const struct object *loader;
};

struct libs {
	struct object *first;		/* the program, then its libraries as ld.so loads them */
	struct missing *missing;
	unsigned n;			/* objects */
	int toomany;			/* there are more, which were left out */
};

/*
 * Finds and opens all libraries that l->first needs, and those that they need,
 * as ld.so would: DT_RPATH, LD_LIBRARY_PATH, DT_RUNPATH, its cache, the usual directories.
 */
void loadlibs(struct libs *l, struct keep *k);

/* Is the library of that name a part of glibc? Those may block and make system calls as they like: heddle knows them. */
int isglibc(const char *name);

/* Closes all objects. */
void closelibs(struct libs *l);

#endif
