/* SPDX-License-Identifier: MIT */
/*
 * table.c: shim/symbols.def as the library is built with it, so that the report
 * and the library cannot differ. A row of BLOCK is a hand-off like those written by hand.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define KIND_PARK	PARK
#define KIND_POLL	POLL
#define KIND_HANDOFF	HANDOFF
#define KIND_BLOCK	HANDOFF
#define KIND_PLAIN	PLAIN
#define KIND_OUTSIDE	OUTSIDE

struct row {
	const char *name;	/* NULL: from here on rows are of this kind, for this reason */
	enum kind kind;
	const char *why;
};

static struct row rows[] = {
#define API(name)
#define INTERPOSE(ret, name, params, args, kind)  { #name, KIND_##kind, NULL },
#define INTERPOSEV(ret, name, params, args, kind) { #name, KIND_##kind, NULL },
#define GROUP(kind, why) { NULL, kind, why },
#define IN(name)	 { #name, NKINDS, NULL },
#include "symbols.def"
};
static size_t nrows;	/* once they are sorted */

static const char *const harmless[] = {
#include "harmless.h"
};

static const struct {
	const char *name, *text;
} kinds[NKINDS] = {
	[PARK] = { "park", "wait in user space" },
	[POLL] = { "poll", "wait on heddle's netpoller" },
	[HANDOFF] = { "hand-off", "wait in the kernel, the processor goes to another thread" },
	[PLAIN] = { "account", "never wait, heddle does them for its threads" },
	[INSIDE] = { "inside-libc", "wait in calls that libc makes, which heddle patches" },
	[BRIEF] = { "brief", "end at once as a rule" },
	[PASSED] = { "passed", "never wait, libc's own are right" },
	[OUTSIDE] = { "outside", "make threads or processes that heddle leaves alone" },
	[UNTREATED] = { "untreated", "may wait long, only noticed by sysmon" },
	[HARMLESS] = { "harmless", "of no concern" },
	[UNKNOWN] = { "unknown", "newer than this heddle, which does not know them" },
};

static int
byname(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

/* Gives each row its group's kind and reason, drops the groups, sorts. */
static void
sortrows(void)
{
	struct row group = { NULL, NKINDS, NULL };

	for(size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct row r = rows[i];

		if(r.name == NULL) {
			group = r;
			continue;
		}
		if(r.kind == NKINDS) {
			r.kind = group.kind;
			r.why = group.why;
		}
		rows[nrows++] = r;
	}
	qsort(rows, nrows, sizeof rows[0], byname);
}

static const struct row *
find(const char *name)
{
	struct row key = { name, NKINDS, NULL };

	if(nrows == 0)
		sortrows();
	return bsearch(&key, rows, nrows, sizeof rows[0], byname);
}

enum kind
listed(const char *name)
{
	const struct row *r = find(name);

	return r != NULL ? r->kind : UNKNOWN;
}

enum kind
treatment(const char *name)
{
	enum kind kind = listed(name);

	if(kind != UNKNOWN)
		return kind;
	for(size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
		if(fnmatch(harmless[i], name, 0) == 0)
			return HARMLESS;
	return UNKNOWN;
}

const char *
whytreated(const char *name)
{
	const struct row *r = find(name);

	return r != NULL ? r->why : NULL;
}

int
iswrapped(enum kind kind)
{
	return kind == PARK || kind == POLL || kind == HANDOFF || kind == PLAIN || kind == OUTSIDE;
}

const char *
kindname(enum kind kind)
{
	return kinds[kind].name;
}

const char *
kindtext(enum kind kind)
{
	return kinds[kind].text;
}
