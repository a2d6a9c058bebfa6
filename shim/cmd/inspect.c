/* SPDX-License-Identifier: MIT */
/*
 * inspect.c: from a file's name to the report on it.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"
#include "remarks.h"

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
	judgeall(r);
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
