/* SPDX-License-Identifier: MIT */
/* table.h: what heddle does about a function of libc's: shim/symbols.def, asked by name. */
#ifndef TABLE_H
#define TABLE_H

enum kind {
	PARK, POLL, HANDOFF, PLAIN,		/* wrapped */
	INSIDE, BRIEF, PASSED,			/* libc's own, and why that is well */
	OUTSIDE,				/* wrapped, and to be told */
	UNTREATED,				/* libc's own, and to be told */
	HARMLESS,				/* cannot block, touches nothing that heddle cares for */
	UNKNOWN,				/* in none of the lists: newer than they */
	NKINDS,
};

/* The kind of the function name. */
enum kind treatment(const char *name);

/* The same by symbols.def alone, which is quick: UNKNOWN when it has no row for name. */
enum kind listed(const char *name);

/* Does heddle take the place of functions of this kind? */
int iswrapped(enum kind kind);

/* A kind's name in reports ("park"), and what is to be said of it in a few words. */
const char *kindname(enum kind kind);
const char *kindtext(enum kind kind);

/* Why a function of the kinds INSIDE, BRIEF, PASSED and UNTREATED is treated so; NULL for others. */
const char *whytreated(const char *name);

#endif
