/* SPDX-License-Identifier: MIT */
/*
 * target.c: what kind of program is about to be run?
 *
 * LD_PRELOAD is silently without effect in static programs and in those that
 * the kernel starts in secure mode, and ld.so only mutters when the library is
 * of another architecture.  A user who measures heddle on such a program would
 * measure nothing, so it is told before.
 *
 * Only the ELF header and the program headers are read, never more than the
 * file says it has, and every offset is checked by pread's answer: the file
 * may be damaged or made to mislead.  "Like us" is judged by this command's
 * own ELF header and interpreter, so that no architecture is named here.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "target.h"

enum { MAXPHDRS = 512 };

static const char self[] = "/proc/self/exe";

/* Reads exactly n bytes at off; 0 when the file has not so many. */
static int
readat(int fd, void *buf, size_t n, uint64_t off)
{
	if(off > INT64_MAX)
		return 0;
	return pread(fd, buf, n, (off_t)off) == (ssize_t)n;
}

static int
samekind(const ElfW(Ehdr) *a, const ElfW(Ehdr) *b)
{
	return a->e_ident[EI_CLASS] == b->e_ident[EI_CLASS] &&
	    a->e_ident[EI_DATA] == b->e_ident[EI_DATA] && a->e_machine == b->e_machine;
}

/*
 * Finds the interpreter (dynamic linker) named by fd, whose header is eh.
 * 1: it is in interp[PATH_MAX]; 0: the file names none; -1: it is damaged.
 */
static int
interpreter(int fd, const ElfW(Ehdr) *eh, char *interp)
{
	ElfW(Phdr) ph;

	if(eh->e_phentsize != sizeof ph || eh->e_phnum == 0 || eh->e_phnum > MAXPHDRS)
		return -1;
	for(unsigned i = 0; i < eh->e_phnum; i++) {
		if(!readat(fd, &ph, sizeof ph, eh->e_phoff + i * sizeof ph))
			return -1;
		if(ph.p_type != PT_INTERP)
			continue;
		if(ph.p_filesz < 2 || ph.p_filesz > PATH_MAX ||
		    !readat(fd, interp, ph.p_filesz, ph.p_offset) ||
		    interp[ph.p_filesz - 1] != '\0')
			return -1;
		return 1;
	}
	return 0;
}

/* This command's own header and interpreter; 0 when they cannot be had. */
static int
ourselves(ElfW(Ehdr) *eh, char *interp)
{
	int fd = open(self, O_RDONLY | O_CLOEXEC);
	int ok;

	if(fd < 0)
		return 0;
	ok = readat(fd, eh, sizeof *eh, 0) && interpreter(fd, eh, interp) == 1;
	close(fd);
	return ok;
}

/*
 * Is file a the same as file b?  Running the dynamic linker by hand
 * (ld.so PROGRAM) is a program without interpreter in which preloading works.
 */
static int
samefile(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 &&
	    sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static const char *
basename_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static enum verdict
judgeelf(int fd, struct target *t)
{
	ElfW(Ehdr) eh, our;
	char interp[PATH_MAX], ourinterp[PATH_MAX];

	if(!ourselves(&our, ourinterp))
		return UNCLEAR;
	/* Short ELF files still show e_machine, which ends at byte 20. */
	memset(&eh, 0, sizeof eh);
	if(pread(fd, &eh, sizeof eh, 0) < 20)
		return UNCLEAR;
	if(!samekind(&eh, &our)) {
		snprintf(t->detail, sizeof t->detail, "machine %d, %s-bit", eh.e_machine,
		    eh.e_ident[EI_CLASS] == ELFCLASS64 ? "64" : "32");
		return FOREIGN;
	}
	switch(interpreter(fd, &eh, interp)) {
	case -1:
		return UNCLEAR;
	case 0:
		return samefile(t->path, ourinterp) ? PRELOADABLE : STATIC;
	}
	snprintf(t->detail, sizeof t->detail, "%s", interp);
	if(strcmp(basename_of(interp), basename_of(ourinterp)) != 0 &&
	    !samefile(interp, ourinterp))
		return NOTGLIBC;
	return PRELOADABLE;
}

/*
 * Will the kernel start the file in secure mode (AT_SECURE), in which ld.so
 * ignores LD_PRELOAD?  It does when the exec changes an ID or grants
 * capabilities; the real root gains none that count.
 */
static enum verdict
judgesecure(const char *path, const struct stat *st)
{
	struct statvfs fs;
	char caps[64];

	if(statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID))
		return PRELOADABLE;
	if(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return PRELOADABLE;
	if((st->st_mode & S_ISUID) && st->st_uid != getuid())
		return SETUID;
	/* Without group execution the bit means mandatory locking. */
	if((st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP) && st->st_gid != getgid())
		return SETGID;
	if(getuid() != 0 && getxattr(path, "security.capability", caps, sizeof caps) > 0)
		return FILECAPS;
	return PRELOADABLE;
}

int
scriptinterp(char *head, size_t n, char *path)
{
	char *p = head + 2, *end;

	head[n] = '\0';
	p += strspn(p, " \t");
	end = p + strcspn(p, " \t\r\n");
	if(end == p)
		return 0;
	*end = '\0';
	snprintf(path, PATH_MAX, "%s", p);
	return 1;
}

/*
 * Judges the one file t->path, which depth scripts led to.  Sets *next when it
 * is a script: t->path is then its interpreter and remains to be judged.
 */
static enum verdict
judgefile(struct target *t, int depth, int *next)
{
	char head[HEADLEN + 1];
	enum verdict v = UNCLEAR;
	struct stat st;
	ssize_t n;
	int fd;

	*next = 0;
	/* O_NONBLOCK: a FIFO must not hold us up. */
	fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if(fd < 0)
		return UNCLEAR;
	if(fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		goto out;
	n = pread(fd, head, HEADLEN, 0);
	if(n >= 2 && memcmp(head, "#!", 2) == 0) {
		*next = scriptinterp(head, (size_t)n, t->path);
	} else if(n >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0) {
		t->binary = depth == 0;
		v = judgesecure(t->path, &st);
		if(v == PRELOADABLE)
			v = judgeelf(fd, t);
	} else if(n >= 0) {
		/* What is no executable, execvp gives to the shell. */
		snprintf(t->path, sizeof t->path, "/bin/sh");
		*next = 1;
	}
out:
	close(fd);
	return v;
}

enum verdict
judge(const char *path, struct target *t)
{
	enum verdict v = UNCLEAR;
	int next = 1;

	snprintf(t->path, sizeof t->path, "%s", path);
	t->detail[0] = '\0';
	t->binary = 0;
	for(int i = 0; next && i <= MAXSCRIPTS; i++)
		v = judgefile(t, i, &next);
	return v;
}

int
whynot(enum verdict v, const char **cause, const char **remedy)
{
	switch(v) {
	case STATIC:
		*cause = "is statically linked, so no library can be preloaded";
		*remedy = "Use a dynamically linked build of it.";
		break;
	case FOREIGN:
		*cause = "is built for another architecture than heddle";
		*remedy = "Build heddle for that architecture and run its own command.";
		break;
	case NOTGLIBC:
		*cause = "uses a dynamic linker that is not glibc's";
		*remedy = "heddle needs a program linked with glibc, as Debian's are.";
		break;
	case SETUID:
		*cause = "is set-user-ID, so the dynamic linker ignores preloaded libraries";
		*remedy = "Run it as its owner, or a copy of it without the bit.";
		break;
	case SETGID:
		*cause = "is set-group-ID, so the dynamic linker ignores preloaded libraries";
		*remedy = "Run it as its group, or a copy of it without the bit.";
		break;
	case FILECAPS:
		*cause = "has file capabilities, so the dynamic linker ignores preloaded libraries";
		*remedy = "Run it as root, or a copy of it without them (cp drops them).";
		break;
	default:
		return 0;
	}
	return 1;
}

const char *
badlibrary(const char *path)
{
	ElfW(Ehdr) eh, our;
	char interp[PATH_MAX];
	const char *why = NULL;
	int fd;

	/* ld.so splits LD_PRELOAD at ':' and ' ' and expands '$'. */
	if(strpbrk(path, ": $") != NULL)
		return "LD_PRELOAD cannot hold a path with a space, ':' or '$'";
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if(fd < 0)
		return strerror(errno);
	if(!readat(fd, &eh, sizeof eh, 0) || memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh.e_type != ET_DYN)
		why = "not a shared library";
	else if(ourselves(&our, interp) && !samekind(&eh, &our))
		why = "built for another architecture";
	close(fd);
	return why;
}

/* The errno value with which exec of path would fail at once, else 0. */
static int
execerror(const char *path)
{
	struct stat st;

	if(stat(path, &st) < 0)
		return errno;
	if(S_ISDIR(st.st_mode))
		return EISDIR;
	if(!S_ISREG(st.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

int
findcommand(const char *cmd, char *path)
{
	const char *dirs = getenv("PATH"), *p;
	int e, found = ENOENT;

	if(*cmd == '\0')
		return ENOENT;
	if(strchr(cmd, '/') != NULL) {
		if(snprintf(path, PATH_MAX, "%s", cmd) >= PATH_MAX)
			return ENAMETOOLONG;
		return execerror(path);
	}
	if(dirs == NULL)
		dirs = "/bin:/usr/bin";		/* execvp's default */
	for(p = dirs;; p++) {
		int n = (int)strcspn(p, ":");

		/* An empty element is the current directory. */
		if(snprintf(path, PATH_MAX, "%.*s%s%s", n, p, n > 0 ? "/" : "./", cmd) < PATH_MAX) {
			e = execerror(path);
			if(e == 0)
				return 0;
			if(e == EACCES || e == EISDIR)
				found = EACCES;	/* go on: another may do */
		}
		p += n;
		if(*p == '\0')
			return found;
	}
}
