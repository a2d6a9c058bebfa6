/* SPDX-License-Identifier: MIT */
/*
 * object.h: one ELF file, program or library, as far as heddle check has to
 * know it. All strings are copies in the report's memory and end with '\0'.
 */
#ifndef OBJECT_H
#define OBJECT_H

#include <gelf.h>
#include <libelf.h>
#include <stdint.h>
#include <sys/types.h>

#include "keep.h"

struct import {
	const char *name;
	const char *version;	/* "" if the file names none */
	const char *from;	/* the library that the version is of, "" likewise */
};

struct rawcall {
	struct rawcall *next;
	uint64_t addr, offset;	/* in the file's address space; from the function's start */
	const char *function;	/* NULL: not known */
	const char *insn;	/* "syscall", "int $0x80" */
	long nr;		/* the call's number, -1 if not known */
	int certain;		/* decoded from the start of a function */
	int clean;		/* on the way from where decoding began all was instructions */
};

struct object {
	struct object *next;		/* in the order in which ld.so loads them */
	struct object *loader;		/* the object that needs it; NULL for the program */
	const char *name, *path;	/* as it is needed, and where it was found */
	const char *origin;		/* what $ORIGIN stands for */
	dev_t dev;
	ino_t ino;
	mode_t mode;

	Elf *elf;
	const uint8_t *file;		/* all of it */
	size_t size;
	GElf_Ehdr eh;
	GElf_Phdr *ph;
	size_t nph;

	const char *interp, *soname, *rpath, *runpath;	/* NULL without */
	const char **needed;
	size_t nneeded;
	struct import *imports;		/* what it takes from glibc */
	size_t nimports;
	const char **defines;		/* the functions that it gives to others though heddle does, too */
	size_t ndefines;
	int dynamic;			/* has a dynamic section */
	int pie;			/* is marked as a position-independent executable */
	int go;				/* has Go's build information */
	int tsan;			/* contains thread sanitizer's runtime */
	int glibc;			/* is a part of glibc */
	int glibcmax, glibcneed;	/* N of the highest version GLIBC_2.N that it has, or needs; -1 without */

	struct rawcall *calls;		/* by address */
	int sparse;			/* of most of its code it is not known what function it is in */
	int unsearched;			/* its code is larger than what is searched */
};

/*
 * Reads the file at path into *o, which is all zeros. Returns NULL or what is
 * wrong with the file, in words; o must be closed in either case.
 */
const char *openobject(struct object *o, struct keep *k, const char *path);
void closeobject(struct object *o);

/* Is the file one for the machine that this command is built for? */
int likeus(const struct object *o);

/* The n bytes of o at offset off, or NULL when the file has not so many. */
const void *at(const struct object *o, uint64_t off, uint64_t n);

/*
 * The offset in the file of the address addr, and in *left how many bytes
 * of its segment the file has from there; -1 when it is in no segment.
 */
int64_t fileoffset(const struct object *o, uint64_t addr, uint64_t *left);

/* Reads the dynamic section: what o needs, imports and defines. NULL, or what is wrong. */
const char *readdynamic(struct object *o, struct keep *k);

#endif
