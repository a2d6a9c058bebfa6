/* SPDX-License-Identifier: MIT */
/* target.h: can the dynamic linker preload a library into this program? */
#ifndef TARGET_H
#define TARGET_H

#include <limits.h>
#include <stddef.h>

enum verdict {
	PRELOADABLE,
	STATIC,		/* no dynamic linker runs in it */
	FOREIGN,	/* another machine, word size or byte order */
	NOTGLIBC,	/* another dynamic linker than ours */
	SETUID,		/* set-user-ID: the kernel makes LD_PRELOAD void */
	SETGID,
	FILECAPS,	/* the same by file capabilities */
	UNCLEAR,	/* cannot be read or is damaged: let exec judge */
};

enum {
	MAXSCRIPTS = 5,		/* the kernel's own limit of nested #! */
	HEADLEN = 256,		/* the kernel looks at no more of a #! line */
};

struct target {
	char path[PATH_MAX];	/* the file that decides: CMD or its #! interpreter */
	int binary;		/* CMD itself is an ELF file, no script */
	char detail[PATH_MAX];	/* what was found there, for the message */
};

/*
 * Finds the file that execvp(cmd) would run.  Returns 0 and its path in
 * path[PATH_MAX], or the errno value with which execvp would fail: ENOENT,
 * EACCES, ENOTDIR, ENAMETOOLONG, ELOOP; EISDIR when it is a directory.
 */
int findcommand(const char *cmd, char *path);

/*
 * Takes the interpreter's name from the first line, "#!...", of a script, n bytes of which are at head, with room
 * for one more, into path[PATH_MAX]. 0 when the line has none.
 */
int scriptinterp(char *head, size_t n, char *path);

/* Judges the program at path (from findcommand) and fills in t. */
enum verdict judge(const char *path, struct target *t);

/* Says why v means that preloading has no effect, and what to do; 0 when it has. */
int whynot(enum verdict v, const char **cause, const char **remedy);

/*
 * Judges a library: NULL when ld.so can load it into programs like this one,
 * else a phrase that says why not.
 */
const char *badlibrary(const char *path);

#endif
