/* SPDX-License-Identifier: MIT */
/*
 * report.c: the report for people. Names come from files that anybody may
 * have made: what a terminal would act upon is shown as \xNN.
 */
#include <ctype.h>
#include <string.h>

#include "check.h"
#include "rawcall.h"

enum { WIDTH = 100, SHOWN = 20 };

const char *
outcomename(enum outcome o)
{
	switch(o) {
	case WILLRUN:	return "will run";
	case REMARKS:	return "runs with remarks";
	case CANNOT:	return "cannot be preloaded";
	default:	return "error";
	}
}

/* Writes s, with what is no printable character of ASCII or UTF-8 escaped. */
static void
put(FILE *f, const char *s)
{
	for(const unsigned char *p = (const unsigned char *)s; *p != '\0'; p++)
		if((*p < 0x80 && !isprint(*p)) || (*p == 0xc2 && p[1] < 0xa0) || *p == 0xff)
			fprintf(f, "\\x%02x", *p);
		else
			fputc(*p, f);
}

static void
label(FILE *f, const char *name)
{
	fprintf(f, "  %-13s", name);
}

/* The names of one kind, in lines. */
static void
writenames(FILE *f, const struct report *r, enum kind kind, int verbose)
{
	size_t col = 0, shown = 0;
	int more = 0;

	for(size_t i = 0; i < r->nuses; i++) {
		const struct use *u = &r->uses[i];
		size_t n = strlen(u->name);

		if(u->kind != kind)
			continue;
		if(!verbose && shown >= SHOWN) {
			more++;
			continue;
		}
		if(shown > 0 && col + n + 1 > WIDTH - 19)
			col = 0;
		if(col == 0)
			fprintf(f, "%s%19s", shown > 0 ? "\n" : "", "");
		else
			fputc(' ', f);
		put(f, u->name);
		col += n + 1;
		shown++;
	}
	if(more > 0)
		fprintf(f, " and %d more", more);
	if(shown > 0)
		fputc('\n', f);
}

static void
writeuses(FILE *f, const struct report *r, int verbose)
{
	size_t count[NKINDS] = { 0 };
	const char *why = NULL;

	for(size_t i = 0; i < r->nuses; i++)
		count[r->uses[i].kind]++;
	label(f, "imports");
	fprintf(f, "%zu functions of libc's\n", r->nuses);
	for(int k = 0; k < NKINDS; k++) {
		if(count[k] == 0)
			continue;
		fprintf(f, "    %-13s%5zu  %s\n", kindname(k), count[k], kindtext(k));
		if(verbose || k <= HANDOFF || k == OUTSIDE || k == UNTREATED || k == UNKNOWN)
			writenames(f, r, k, verbose);
	}
	if(!verbose)
		return;
	/* What is left to libc, with the reason of each. */
	for(size_t i = 0; i < r->nuses; i++) {
		const char *w = whytreated(r->uses[i].name);

		if(w == NULL)
			continue;
		if(w != why)
			fprintf(f, "  why (%s): %s:\n", kindname(r->uses[i].kind), w);
		why = w;
		fputs("    ", f);
		put(f, r->uses[i].name);
		fputc('\n', f);
	}
}

/* "GLIBC_2.34, for libfoo.so" and so on. */
static void
writelibc(FILE *f, const struct report *r)
{
	label(f, "libc");
	if(r->libc == NULL) {
		fputs(r->nofollow ? "not looked for" : "none found", f);
	} else {
		fprintf(f, "glibc 2.%d, ", r->libc->glibcmax);
		put(f, r->libc->path);
	}
	if(r->needs != NULL) {
		fprintf(f, "; 2.%d is needed, for ", r->needs->glibcneed);
		put(f, r->needs->name);
	}
	fputc('\n', f);
}

static void
writelibs(FILE *f, const struct report *r, int verbose)
{
	unsigned missing = 0;

	for(struct missing *m = r->libs.missing; m != NULL; m = m->next)
		missing++;
	label(f, "libraries");
	if(r->nofollow)
		fprintf(f, "%zu needed, not looked at\n", r->libs.first->nneeded);
	else if(missing == 0)
		fprintf(f, "%u\n", r->libs.n - 1);
	else
		fprintf(f, "%u, %u missing\n", r->libs.n - 1, missing);
	for(const struct object *o = r->libs.first->next; verbose && o != NULL; o = o->next) {
		fputs("    ", f);
		put(f, o->name);
		fputs(" => ", f);
		put(f, o->path);
		fputs(o->glibc ? " (glibc's)\n" : "\n", f);
	}
}

static void
writecalls(FILE *f, const struct report *r, int verbose)
{
	unsigned shown = 0, all = r->certain + r->uncertain;

	label(f, "system calls");
	if(all == 0) {
		fputs("none but through libc\n", f);
		return;
	}
	fprintf(f, "%u not through libc", all);
	if(r->uncertain > 0)
		fprintf(f, ", %u of them uncertain (perhaps data)", r->uncertain);
	fputc('\n', f);
	for(const struct object *o = r->libs.first; o != NULL; o = o->next)
		for(const struct rawcall *c = o->calls; c != NULL; c = c->next) {
			const char *name = callname(c->nr);

			if(!verbose && shown >= SHOWN)
				continue;
			shown++;
			fprintf(f, "    %-12s", c->insn);
			if(name != NULL && c->insn[0] == 's')
				fprintf(f, "%-18s", name);
			else
				fprintf(f, "%-18s", "");
			put(f, o->name);
			fprintf(f, " 0x%llx", (unsigned long long)c->addr);
			if(c->function != NULL) {
				fputs(" in ", f);
				put(f, c->function);
				fprintf(f, "+0x%llx", (unsigned long long)c->offset);
			} else if(c->offset != 0 || c->certain) {
				fprintf(f, " in the function at 0x%llx", (unsigned long long)(c->addr - c->offset));
			}
			fputs(c->certain ? "\n" : " (uncertain)\n", f);
		}
	if(shown < all)
		fprintf(f, "    and %u more (-v shows them)\n", all - shown);
}

/* A line with the objects that import name, if any does. */
static int
writeimporters(FILE *f, const struct report *r, const char *name, const char *what)
{
	int any = 0;

	for(const struct object *o = r->libs.first; o != NULL; o = o->next) {
		if(!imports(o, name))
			continue;
		if(!any)
			label(f, what);
		fputs(any ? ", " : "", f);
		put(f, o->name);
		any = 1;
	}
	if(any)
		fputc('\n', f);
	return any;
}

/* Who makes threads, loads libraries, or looks functions up, at run time. */
static void
writeloads(FILE *f, const struct report *r)
{
	static const char *const names[] = { "dlopen", "dlmopen", "dlsym", "dlvsym" };
	int any = 0, threads;

	threads = writeimporters(f, r, "pthread_create", "threads");
	threads |= writeimporters(f, r, "thrd_create", "threads");
	if(!threads) {
		label(f, "threads");
		fputs("none are made: heddle does nothing\n", f);
	}
	for(size_t n = 0; n < sizeof names / sizeof names[0]; n++)
		any |= writeimporters(f, r, names[n], names[n]);
	if(any)
		fprintf(f, "  %-13swhat is loaded or looked up at run time is not in this report\n", "");
}

void
writetext(FILE *f, const struct report *r, int verbose)
{
	const struct object *o = r->libs.first;

	put(f, r->file);
	fprintf(f, ": %s", outcomename(r->outcome));
	if(r->cause != NULL) {
		fputs(r->outcome == ERROR ? ": " : ": it ", f);
		put(f, r->cause);
	}
	fputc('\n', f);
	if(r->remedy != NULL) {
		fputs("  ", f);
		put(f, r->remedy);
		fputc('\n', f);
	}
	for(const struct remark *m = r->remarks; m != NULL; m = m->next) {
		fputs("  - ", f);
		put(f, m->text);
		fputc('\n', f);
	}
	if(!r->detailed)
		return;
	label(f, "file");
	put(f, r->path);
	fprintf(f, "%s: %s, %s%s%s%s\n", r->script ? " (the script's interpreter)" : "",
	    r->library ? "a library" : "a program",
	    o->dynamic ? "dynamically linked" : "statically linked",
	    o->go ? ", made by Go" : "", r->secure != NULL ? ", " : "", r->secure != NULL ? r->secure : "");
	if(o->interp != NULL) {
		label(f, "linker");
		put(f, o->interp);
		fputc('\n', f);
	}
	writelibc(f, r);
	writelibs(f, r, verbose);
	writeuses(f, r, verbose);
	writecalls(f, r, verbose);
	writeloads(f, r);
}
