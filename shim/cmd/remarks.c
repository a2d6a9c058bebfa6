/* SPDX-License-Identifier: MIT */
/*
 * remarks.c: what is to be said of a program and its libraries once they are
 * known: their imports, their own definitions, their code, their libc.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "rawcall.h"
#include "remarks.h"

enum { OLDEST = 34 };	/* heddle needs glibc 2.34: threads within libc.so */

const char *
format(struct keep *k, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if(n < 0)
		return "";
	s = keep(k, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

void
remark(struct report *r, const char *key, const char *text)
{
	struct remark **tail = &r->remarks;

	while(*tail != NULL)
		tail = &(*tail)->next;
	*tail = keep(&r->keep, sizeof **tail);
	(*tail)->key = key;
	(*tail)->text = text;
	if(r->outcome < REMARKS)
		r->outcome = REMARKS;
}

void
conclude(struct report *r, enum outcome outcome, const char *cause, const char *remedy)
{
	if(outcome <= r->outcome)
		return;
	r->outcome = outcome;
	r->cause = cause;
	r->remedy = remedy;
}

/* ---- imports ---- */

/* Is it one of the libraries whose functions symbols.def lists? All have been libc.so.6 since 2.34. */
static int
islibc(const char *from)
{
	static const char *const names[] = {
		"libc.so.6", "libpthread.so.0", "librt.so.1", "libdl.so.2", "libutil.so.1", "libanl.so.1",
	};

	for(size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if(strcmp(from, names[i]) == 0)
			return 1;
	return 0;
}

static int
byname(const void *a, const void *b)
{
	return strcmp(((const struct use *)a)->name, ((const struct use *)b)->name);
}

static int
bykind(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->name, y->name);
}

/* Or may be: no version says whose it is. */
static int
fromglibc(const struct import *im)
{
	return im->version[0] == '\0' || strncmp(im->version, "GLIBC_", 6) == 0;
}

int
imports(const struct object *o, const char *name)
{
	for(size_t i = 0; !o->glibc && i < o->nimports; i++)
		if(strcmp(o->imports[i].name, name) == 0 && fromglibc(&o->imports[i]))
			return 1;
	return 0;
}

/* Collects the imports of all objects, each function once. */
static void
collect(struct report *r)
{
	size_t n = 0, m = 0;

	for(struct object *o = r->libs.first; o != NULL; o = o->next)
		n += o->glibc ? 0 : o->nimports;
	r->uses = keep(&r->keep, (n + 1) * sizeof *r->uses);
	n = 0;
	for(struct object *o = r->libs.first; o != NULL; o = o->next)
		for(size_t i = 0; !o->glibc && i < o->nimports; i++) {
			const struct import *im = &o->imports[i];

			if(islibc(im->from) || (listed(im->name) != UNKNOWN && fromglibc(im)))
				r->uses[n++] = (struct use){ im->name, o, UNKNOWN };
		}
	qsort(r->uses, n, sizeof *r->uses, byname);
	for(size_t i = 0; i < n; i++)
		if(m == 0 || strcmp(r->uses[m - 1].name, r->uses[i].name) != 0)
			r->uses[m++] = r->uses[i];
	for(size_t i = 0; i < m; i++)
		r->uses[i].kind = treatment(r->uses[i].name);
	qsort(r->uses, m, sizeof *r->uses, bykind);
	r->nuses = m;
}

/* The names of the uses of that kind, as one string: "a (libx.so), b (program)"; NULL if there are none. */
static const char *
namesof(struct report *r, enum kind kind)
{
	const char *list = NULL;
	unsigned n = 0, shown = 12;

	for(size_t i = 0; i < r->nuses; i++) {
		const struct use *u = &r->uses[i];

		if(u->kind != kind || n++ >= shown)
			continue;
		list = format(&r->keep, "%s%s%s (%s)", list != NULL ? list : "", list != NULL ? ", " : "", u->name,
		    u->by->name);
	}
	return n > shown ? format(&r->keep, "%s and %u more", list, n - shown) : list;
}

static void
remarkuses(struct report *r)
{
	const char *s;

	if((s = namesof(r, UNTREATED)) != NULL)
		remark(r, "untreated", format(&r->keep, "calls that may block and that heddle does not treat: %s; "
		    "each holds a kernel thread, and sysmon notices it after 10 to 20 ms", s));
	if((s = namesof(r, UNKNOWN)) != NULL)
		remark(r, "unknown", format(&r->keep, "functions of libc's that this heddle does not know: %s; "
		    "if one blocks, sysmon notices it after 10 to 20 ms", s));
	if((s = namesof(r, OUTSIDE)) != NULL)
		remark(r, "clone", format(&r->keep, "threads or processes made by %s are not heddle's: "
		    "they stay kernel threads", s));
}

/* Does some object import name as it stands in o, or perhaps so? */
static int
imported(const struct report *r, const struct object *o, const char *name)
{
	for(const struct object *by = r->libs.first; by != NULL; by = by->next)
		for(size_t i = 0; !by->glibc && i < by->nimports; i++) {
			const struct import *im = &by->imports[i];

			if(strcmp(im->name, name) == 0 && (im->from[0] == '\0' ||
			    strcmp(im->from, o->soname != NULL ? o->soname : o->name) == 0))
				return 1;
		}
	return 0;
}

/*
 * A function of a name that heddle takes the place of. One of the program's own is in force as it would be without
 * heddle; one of a library's is not, and those that would call it call heddle's.
 */
static void
remarkdefines(struct report *r)
{
	for(struct object *o = r->libs.first; o != NULL; o = o->next) {
		const char *list = NULL;
		size_t n = 0;

		for(size_t i = 0; !o->glibc && i < o->ndefines; i++)
			if((o->loader == NULL || imported(r, o, o->defines[i])) && n++ < 6)
				list = format(&r->keep, "%s%s%s", list != NULL ? list : "", list != NULL ? ", " : "",
				    o->defines[i]);
		if(n == 0)
			continue;
		if(n > 6)
			list = format(&r->keep, "%s and %zu more", list, n - 6);
		remark(r, "redefines", format(&r->keep, o->loader == NULL && !r->library ?
		    "%s defines %s itself: its own come before heddle's" :
		    "%s defines %s itself: heddle's come before its own", o->name, list));
	}
}

/* Sanitizers' runtimes take the place of the same functions, and know each kernel thread. */
static void
remarksanitizers(struct report *r)
{
	for(struct object *o = r->libs.first; o != NULL; o = o->next) {
		if(strncmp(o->name, "libasan.so", 10) == 0)
			conclude(r, CANNOT, format(&r->keep, "is built with address sanitizer, whose runtime (%s) "
			    "does not start behind a preloaded library", o->name),
			    "Use a build without it, or link it with -static-libasan.");
		if(strncmp(o->name, "libtsan.so", 10) == 0 || strncmp(o->name, "liblsan.so", 10) == 0 || o->tsan)
			remark(r, "sanitizer", format(&r->keep, "%s keeps account of kernel threads: heddle turns itself off",
			    o->name));
	}
}

/* Go's scheduler wants kernel threads, and has no use for another one. */
static void
remarkgo(struct report *r)
{
	for(struct object *o = r->libs.first; o != NULL; o = o->next)
		if(o->go)
			remark(r, "go", format(&r->keep, "%s is made by Go, which has goroutines of its own: heddle turns itself off", o->name));
}

/* ---- code ---- */

static void
remarkcalls(struct report *r)
{
	const char *where = NULL;

	for(struct object *o = r->libs.first; o != NULL; o = o->next) {
		unsigned certain = 0, uncertain = 0, told = 0;

		if(o->glibc)
			continue;
		findrawcalls(o, &r->keep);
		for(struct rawcall *c = o->calls; c != NULL; c = c->next) {
			certain += c->certain != 0;
			uncertain += c->certain == 0;
			told += likely(o, c) != 0;
		}
		r->certain += certain;
		r->uncertain += uncertain;
		if(told > 0)
			where = format(&r->keep, "%s%s%s (%u%s)", where != NULL ? where : "", where != NULL ? ", " : "", o->name,
			    told, certain == 0 ? ", uncertain" : "");
		if(o->unsearched)
			remark(r, "unsearched", format(&r->keep,
			    "%s has more code or calls than are searched for system calls", o->name));
	}
	if(where != NULL)
		remark(r, "raw-syscall", format(&r->keep, "system calls that do not go through libc: %s; "
		    "one that blocks holds a kernel thread, and sysmon notices it after 10 to 20 ms", where));
}

/* ---- libraries ---- */

static void
remarklibs(struct report *r)
{
	for(struct missing *m = r->libs.missing; m != NULL; m = m->next)
		if(m->why != NULL)
			remark(r, "damaged-library", format(&r->keep, "the library %s, which %s needs, cannot be used: %s",
			    m->name, m->loader->name, m->why));
		else
			remark(r, "missing-library", format(&r->keep, "the library %s, which %s needs, is not found: "
			    "set LD_LIBRARY_PATH as for the program", m->name, m->loader->name));
	if(r->libs.toomany)
		remark(r, "too-many-libraries", "it needs more libraries than are looked at");
}

/* Which libc it is, and how old. */
static void
judgelibc(struct report *r)
{
	for(struct object *o = r->libs.first; o != NULL; o = o->next) {
		if(strcmp(o->soname != NULL ? o->soname : "", "libc.so.6") == 0)
			r->libc = o;
		if(strncmp(o->name, "libc.musl", 9) == 0 || strcmp(o->name, "ld-musl-x86_64.so.1") == 0)
			conclude(r, CANNOT, format(&r->keep, "uses musl's libc (%s), not glibc", o->path),
			    "heddle needs a program linked with glibc, as Debian's are.");
		if(!o->glibc && o->glibcneed >= 0 && (r->needs == NULL || o->glibcneed > r->needs->glibcneed))
			r->needs = o;
	}
	for(struct missing *m = r->libs.missing; m != NULL; m = m->next)
		if(strncmp(m->name, "libc.musl", 9) == 0)
			conclude(r, CANNOT, format(&r->keep, "uses musl's libc (%s), not glibc", m->name),
			    "heddle needs a program linked with glibc, as Debian's are.");
	if(r->libc == NULL || r->libc->glibcmax < 0)
		return;
	if(r->needs != NULL && r->needs->glibcneed > r->libc->glibcmax)
		conclude(r, CANNOT, format(&r->keep, "needs glibc 2.%d (for %s), and %s is glibc 2.%d: "
		    "it does not start natively either", r->needs->glibcneed, r->needs->name, r->libc->path,
		    r->libc->glibcmax), "Run it on a newer system, or use a build for this one.");
	if(r->libc->glibcmax < OLDEST)
		conclude(r, CANNOT, format(&r->keep, "runs with glibc 2.%d (%s), and heddle needs 2.%d",
		    r->libc->glibcmax, r->libc->path, OLDEST), "Run it on a newer system.");
}

void
judgeall(struct report *r)
{
	judgelibc(r);
	remarklibs(r);
	collect(r);
	remarkuses(r);
	remarkdefines(r);
	remarksanitizers(r);
	remarkgo(r);
	remarkcalls(r);
}
