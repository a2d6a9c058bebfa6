/* SPDX-License-Identifier: MIT */
/* check.h: what heddle check finds out about a file, and how it is written. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

#include "libs.h"
#include "table.h"
#include "target.h"

/* Also the exit status; of several files the highest counts. */
enum outcome { WILLRUN, REMARKS, CANNOT, ERROR };

/* A function of libc's, and the first object that imports it. */
struct use {
	const char *name;
	const struct object *by;
	enum kind kind;
};

struct remark {
	struct remark *next;
	const char *key;	/* for programs that read the report: "raw-syscall" */
	const char *text;
};

struct report {
	const char *file;		/* as the user named it */
	const char *path;		/* the file that decides: that one, or the interpreter of the script */
	enum outcome outcome;
	const char *cause, *remedy;	/* of CANNOT and ERROR; remedy may be NULL */
	struct remark *remarks;
	int script, library;		/* what the file is, if no program */
	int detailed;			/* what follows here has been filled in */
	int nofollow;			/* the libraries were not asked for */
	const char *secure;		/* "set-user-ID" and the like; NULL without */
	struct libs libs;
	const struct object *libc;	/* NULL: not among the libraries */
	const struct object *needs;	/* who needs the newest glibc; NULL: nobody any */
	struct use *uses;		/* by kind, then name */
	size_t nuses;
	unsigned certain, uncertain;	/* system calls of the objects' own */
	struct keep keep;
};

/* Fills in r about file, all zeros but for file and nofollow. Never fails: what goes wrong is in the report. */
void inspect(struct report *r);
/* Gives back what inspect took. */
void endreport(struct report *r);

/* Writes a report for people; verbose: with all names. */
void writetext(FILE *f, const struct report *r, int verbose);
/* Writes reports as JSON: n of them, one object. */
void beginjson(FILE *f);
void writejson(FILE *f, const struct report *r, int first);
void endjson(FILE *f);

/* Does o, if it is no part of glibc, import glibc's function name? */
int imports(const struct object *o, const char *name);

const char *outcomename(enum outcome o);

#endif
