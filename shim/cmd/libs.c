/* SPDX-License-Identifier: MIT */
/*
 * libs.c: finding libraries as ld.so(8) does, breadth first, each once.
 *
 * Differences that do not matter for a report: directories of glibc-hwcaps
 * (the same library built for a better processor), LD_PRELOAD, LD_AUDIT.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "ldcache.h"
#include "libs.h"

enum { MAXOBJECTS = 2000, MAXCACHED = 16, MAXDIRS = 256 };

static const char *const usual[] = {
#ifdef __x86_64__
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
#else
	"/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
#endif
	"/lib64", "/usr/lib64", "/lib", "/usr/lib",
};

int
isglibc(const char *name)
{
	static const char *const parts[] = {
		"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libpthread.so.0", "libm.so.6", "libdl.so.2",
		"librt.so.1", "libresolv.so.2", "libutil.so.1", "libanl.so.1", "libmvec.so.1", "libnsl.so.1",
		"libBrokenLocale.so.1", "libthread_db.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libnss_compat.so.2",
		"libnss_hesiod.so.2", "libmemusage.so", "libpcprofile.so", "libc_malloc_debug.so.0",
	};

	for(size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if(strcmp(name, parts[i]) == 0)
			return 1;
	return 0;
}

/* An attempt to load one library for an object. */
struct search {
	struct libs *l;
	struct keep *k;
	struct object *loader;
	const char *name;
	struct object *found;
	const char *why;	/* what was wrong with the first file of that name */
};

static struct object *
loaded(struct libs *l, const char *name)
{
	for(struct object *o = l->first; o != NULL; o = o->next)
		if((o->soname != NULL && strcmp(o->soname, name) == 0) ||
		    (o->name != NULL && strcmp(o->name, name) == 0))
			return o;
	return NULL;
}

static struct object *
samefile(struct libs *l, const struct stat *st)
{
	for(struct object *o = l->first; o != NULL; o = o->next)
		if(o->dev == st->st_dev && o->ino == st->st_ino)
			return o;
	return NULL;
}

/* The directory that the file at path is in. */
static const char *
directory(struct keep *k, const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? keepstr(k, path, (size_t)(slash - path)) : ".";
}

/* Tries one file; 1 when the search is over. Like ld.so it passes over libraries for other machines. */
static int
try(struct search *s, const char *path)
{
	struct object *o, **tail = &s->l->first;
	const char *bad;
	struct stat st;

	if(stat(path, &st) < 0 || S_ISDIR(st.st_mode))
		return 0;
	o = samefile(s->l, &st);
	if(o != NULL) {
		s->found = o;
		return 1;
	}
	o = keep(s->k, sizeof *o);
	bad = openobject(o, s->k, path);
	if(bad == NULL && !likeus(o)) {
		closeobject(o);
		return 0;
	}
	if(bad == NULL)
		bad = readdynamic(o, s->k);
	if(bad != NULL) {
		char *why = keep(s->k, strlen(path) + strlen(bad) + 2);

		sprintf(why, "%s %s", path, bad);
		if(s->why == NULL)
			s->why = why;
		closeobject(o);
		return 0;
	}
	o->name = s->name;
	o->origin = directory(s->k, path);
	o->loader = s->loader;
	o->glibc = isglibc(o->soname != NULL ? o->soname : s->name);
	while(*tail != NULL)
		tail = &(*tail)->next;
	*tail = o;
	s->l->n++;
	s->found = o;
	return 1;
}

/* Appends n bytes of from to path[PATH_MAX], of which *len are used; 0 if they do not fit. */
static int
append(char *path, size_t *len, const char *from, size_t n)
{
	if(n >= PATH_MAX - *len)
		return 0;
	memcpy(path + *len, from, n);
	*len += n;
	path[*len] = '\0';
	return 1;
}

/* Expands a name with $ORIGIN, $LIB, $PLATFORM, or ${...}, of n bytes, into path[PATH_MAX]; 0 if it is too long. */
static int
expand(char *path, const struct object *o, const char *s, size_t n)
{
	const char *platform = (const char *)getauxval(AT_PLATFORM);
	const struct {
		const char *name, *value;
		size_t len;
	} tokens[] = {
		{ "ORIGIN", o->origin, strlen(o->origin) },
		{ "LIB", usual[0] + 1, strlen(usual[0] + 1) },
		{ "PLATFORM", platform != NULL ? platform : "", platform != NULL ? strlen(platform) : 0 },
	};
	size_t len = 0;

	*path = '\0';
	while(n > 0) {
		size_t used = 1, i;

		for(i = 0; *s == '$' && i < sizeof tokens / sizeof tokens[0]; i++) {
			size_t t = strlen(tokens[i].name);

			if(n > t && memcmp(s + 1, tokens[i].name, t) == 0)
				used = t + 1;
			else if(n > t + 2 && s[1] == '{' && memcmp(s + 2, tokens[i].name, t) == 0 && s[t + 2] == '}')
				used = t + 3;
			else
				continue;
			if(!append(path, &len, tokens[i].value, tokens[i].len))
				return 0;
			break;
		}
		if(used == 1 && !append(path, &len, s, 1))
			return 0;
		s += used;
		n -= used;
	}
	return 1;
}

/* Tries a list of directories, separated by characters of seps; of is the object that the list is of. */
static int
dirs(struct search *s, const struct object *of, const char *list, const char *seps)
{
	char path[PATH_MAX];

	if(list == NULL)
		return 0;
	for(unsigned i = 0; i < MAXDIRS; i++, list++) {
		size_t n = strcspn(list, seps), len;

		if(expand(path, of, list, n)) {
			len = strlen(path);
			/* An empty element is the current directory. */
			if(append(path, &len, len > 0 ? "/" : "./", len > 0 ? 1 : 2) &&
			    append(path, &len, s->name, strlen(s->name)) && try(s, path))
				return 1;
		}
		list += n;
		if(*list == '\0')
			break;
	}
	return 0;
}

static int
search(struct search *s)
{
	const char *path;
	char name[PATH_MAX];

	if(strchr(s->name, '/') != NULL)
		return expand(name, s->loader, s->name, strlen(s->name)) && try(s, name);
	if(s->loader->runpath == NULL)
		for(const struct object *o = s->loader; o != NULL; o = o->loader)
			if(o->runpath == NULL && dirs(s, o, o->rpath, ":"))
				return 1;
	path = getenv("LD_LIBRARY_PATH");
	if(path != NULL && *path != '\0' && dirs(s, s->l->first, path, ":;"))
		return 1;
	if(dirs(s, s->loader, s->loader->runpath, ":"))
		return 1;
	for(unsigned i = 0; i < MAXCACHED && (path = cached(s->k, s->name, i)) != NULL; i++)
		if(try(s, path))
			return 1;
	for(size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
		if(dirs(s, s->loader, usual[i], ":"))
			return 1;
	return 0;
}

static void
load(struct libs *l, struct keep *k, struct object *loader, const char *name)
{
	struct search s = { .l = l, .k = k, .loader = loader, .name = name };
	struct missing *m, **tail = &l->missing;

	if(loaded(l, name) != NULL)
		return;
	if(l->n >= MAXOBJECTS) {
		l->toomany = 1;
		return;
	}
	if(search(&s))
		return;
	for(; *tail != NULL; tail = &(*tail)->next)
		if(strcmp((*tail)->name, name) == 0)
			return;
	m = keep(k, sizeof *m);
	m->name = name;
	m->why = s.why;
	m->loader = loader;
	*tail = m;
}

void
loadlibs(struct libs *l, struct keep *k)
{
	char *real = realpath(l->first->path, NULL);

	/* The program's is that of the file itself, a library's that of the name it is found by. */
	l->first->origin = directory(k, real != NULL ? real : l->first->path);
	free(real);
	for(struct object *o = l->first; o != NULL; o = o->next)
		for(size_t i = 0; i < o->nneeded; i++)
			load(l, k, o, o->needed[i]);
	closecache();
}

void
closelibs(struct libs *l)
{
	for(struct object *o = l->first; o != NULL; o = o->next)
		closeobject(o);
}
