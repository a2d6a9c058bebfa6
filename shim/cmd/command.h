/* SPDX-License-Identifier: MIT */
/* command.h: what the files of the command share. */
#ifndef COMMAND_H
#define COMMAND_H

enum { EX_BADUSE = 2, EX_ERROR = 3, EX_REFUSED = 125, EX_NOEXEC = 126, EX_NOTFOUND = 127 };

/* A message on standard error: "heddle: ...". */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same, then the usage (by default that of heddle run), then exit with its status (EX_BADUSE). */
void baduse(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* From now on the usage is text, and bad usage exits with status. */
void usage(const char *text, int status);

/* A decimal number from lo to hi and nothing else; -1 if s is not one. */
long number(const char *s, long lo, long hi);

/*
 * Checks entries of HEDDLE=, separated by commas: calls baduse for a wrong
 * value, warns of unknown names.
 */
void checkentries(const char *list);

/* heddle check, with its arguments; the exit status. Its help on standard output. */
int check(int argc, char **argv);
void helpcheck(void);

/* Lists the options on standard output. */
void printoptions(void);

#endif
