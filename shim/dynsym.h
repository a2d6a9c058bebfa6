/* SPDX-License-Identifier: MIT */
/* A loaded library's dynamic symbols, with what dlsym does not tell: their sizes. */
#ifndef HEDDLE_DYNSYM_H
#define HEDDLE_DYNSYM_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dynsyms {
	uintptr_t base;      /* added to the symbols' values */
	uintptr_t lo, hi;    /* its executable code */
	uintptr_t datalo, datahi; /* its writable data */
	const ElfW(Sym) *tab;
	const char *names;
	const ElfW(Half) *versions; /* NULL: none */
	const uint32_t *hash;       /* of GNU's kind */
};

/* eachobject is libc's own dl_iterate_phdr, whoever interposes that. */
typedef int objectfn(struct dl_phdr_info *, size_t, void *);
int eachobject(objectfn *, void *arg);
/* dynsyms finds the loaded library whose file name begins with `name`. False if there is none, or it has no such tables. */
bool dynsyms(struct dynsyms *, const char *name);
/* dynsymsof fills in those of the object that eachobject tells of. False: it has no such tables. */
bool dynsymsof(struct dynsyms *, const struct dl_phdr_info *);
/* dynfunc returns the function's symbol, in its default version; NULL if there is none, or it is not in the code. */
const ElfW(Sym) *dynfunc(const struct dynsyms *, const char *name);

#endif
