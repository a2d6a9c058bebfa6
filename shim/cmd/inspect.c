/* SPDX-License-Identifier: MIT */
/*
 * inspect.c: from a file's name to the report on it.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"
#include "rawcall.h"

enum { OLDEST = 34 };	/* heddle needs glibc 2.34: threads within libc.so */

static const char *
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

static void
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

/* The worst outcome stays, and the first cause of it. */
static void
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

/* ---- the file itself ---- */

/* What makes the kernel start it in secure mode, for whoever is not that user already. */
static void
judgemode(struct report *r)
{
	struct object *o = r->libs.first;
	char caps[64];

	if(o->mode & S_ISUID)
		r->secure = "set-user-ID";
	else if((o->mode & S_ISGID) && (o->mode & S_IXGRP))
		r->secure = "set-group-ID";
	else if(getxattr(r->path, "security.capability", caps, sizeof caps) > 0)
		r->secure = "file capabilities";
	if(r->secure != NULL && !r->library && r->outcome < CANNOT)
		remark(r, "secure", format(&r->keep, "%s: preloading works only for who has the rights it gives already",
		    r->secure));
}

/* The command in line if that is "#!.../env COMMAND"; NULL if not, or if COMMAND is an option or an assignment. */
static char *
envcommand(char *line, const char *interp)
{
	const char *slash = strrchr(interp, '/');
	char *p = strstr(line, interp), *end;

	if(p == NULL || slash == NULL || strcmp(slash, "/env") != 0)
		return NULL;
	p += strlen(interp);
	p += strspn(p, " \t");
	if(strncmp(p, "-S", 2) == 0)
		p += 2 + strspn(p + 2, " \t");
	end = p + strcspn(p, " \t\r\n");
	*end = '\0';
	return *p == '\0' || *p == '-' || strchr(p, '=') != NULL ? NULL : p;
}

/* Follows scripts to their interpreter. NULL, or what is wrong. */
static const char *
followscripts(struct report *r)
{
	char head[HEADLEN + 1], line[HEADLEN + 1], interp[PATH_MAX], found[PATH_MAX], *command;
	struct stat st;

	for(int depth = 0; depth <= MAXSCRIPTS; depth++) {
		int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		ssize_t n = -1;

		if(fd < 0)
			return NULL;	/* openobject says why */
		if(fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			n = pread(fd, head, HEADLEN, 0);
		close(fd);
		if(n < 2 || memcmp(head, "#!", 2) != 0)
			return NULL;
		memcpy(line, head, (size_t)n);
		line[n] = '\0';
		if(!scriptinterp(head, (size_t)n, interp))
			return "is a script that names no interpreter";
		r->script = 1;
		/* When env finds nothing, env itself is what is judged. */
		if((command = envcommand(line, interp)) != NULL && findcommand(command, found) == 0)
			memcpy(interp, found, sizeof interp);
		r->path = keepstr(&r->keep, interp, strlen(interp));
	}
	return "is a script of a script of a script, deeper than the kernel follows";
}

/* Judges what the program itself says. 0: there is nothing more to look at. */
static int
judgeprogram(struct report *r)
{
	struct object *o = r->libs.first;
	struct target t;
	const char *cause, *remedy;
	enum verdict v;

	if(o->eh.e_type == ET_REL || o->eh.e_type == ET_CORE) {
		conclude(r, ERROR, o->eh.e_type == ET_CORE ? "is a core dump, not a program" :
		    "is an object file, not yet linked into a program", NULL);
		return 0;
	}
	v = judge(r->path, &t);
	r->library = o->eh.e_type == ET_DYN && o->interp == NULL && !o->pie && (o->soname != NULL || o->nneeded > 0);
	if(v == STATIC && r->library)
		v = PRELOADABLE;
	if(whynot(v, &cause, &remedy)) {
		if(t.detail[0] != '\0')
			cause = format(&r->keep, "%s (%s)", cause, t.detail);
		conclude(r, CANNOT, cause, remedy);
	}
	/* There is nothing to say of imports and system calls where libc itself is part of the program. */
	return likeus(o) && v != STATIC;
}

static void
look(struct report *r)
{
	struct object *o = keep(&r->keep, sizeof *o);
	const char *bad, *slash;

	r->path = r->file;
	r->libs.first = NULL;
	bad = followscripts(r);
	if(bad == NULL) {
		r->libs.first = o;
		r->libs.n = 1;
		bad = openobject(o, &r->keep, r->path);
		if(bad != NULL && r->script)
			bad = format(&r->keep, "has the interpreter %s, which %s%s", r->path,
			    strchr(bad, ' ') != NULL && bad[0] >= 'a' ? "" : "cannot be read: ", bad);
	}
	slash = strrchr(r->path, '/');
	o->name = slash != NULL ? slash + 1 : r->path;
	if(bad == NULL && likeus(o))
		bad = readdynamic(o, &r->keep);
	if(bad != NULL) {
		conclude(r, ERROR, bad, NULL);
		return;
	}
	if(!judgeprogram(r))
		return;
	r->detailed = 1;
	o->glibc = isglibc(o->soname != NULL ? o->soname : o->name);
	judgemode(r);
	if(!r->nofollow)
		loadlibs(&r->libs, &r->keep);
	judgelibc(r);
	remarklibs(r);
	collect(r);
	remarkuses(r);
	remarkdefines(r);
	remarkcalls(r);
}

/*
 * Files are mapped. If one shrinks while it is read its pages are gone, and the kernel sends SIGBUS, to
 * this thread, in the middle of look or a function that it calls: the report then ends there.
 */
static sigjmp_buf broken;

static void
bus(int sig)
{
	siglongjmp(broken, sig);
}

/* The report is the error alone. */
static void
giveup(struct report *r, const char *cause, const char *remedy)
{
	r->libs.missing = NULL;
	r->libc = r->needs = NULL;
	r->remarks = NULL;
	r->nuses = 0;
	r->detailed = 0;
	r->outcome = WILLRUN;
	conclude(r, ERROR, cause, remedy);
}

void
inspect(struct report *r)
{
	struct sigaction sa = { .sa_handler = bus }, old;

	r->keep.full = &broken;
	sigaction(SIGBUS, &sa, &old);
	switch(sigsetjmp(broken, 1)) {
	case 0:
		look(r);
		break;
	case OUTOFMEMORY:
		giveup(r, "needs more memory than a report may take: it is damaged, or made to do that", NULL);
		break;
	default:
		giveup(r, "changed while it was read", "Try again when nobody writes to it.");
	}
	sigaction(SIGBUS, &old, NULL);
}

void
endreport(struct report *r)
{
	closelibs(&r->libs);
	release(&r->keep);
}
