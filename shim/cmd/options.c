/* SPDX-License-Identifier: MIT */
/*
 * options.c: the options of HEDDLE= as the user gives them to heddle run -o.
 * They are checked here, before CMD runs, so that a wrong one is an error of
 * the command line; the library, inside CMD, can only warn.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

enum kind { FLAG, BOOL, INT, STRING, ENUM, SIGNAL, STRESS };

static const struct option_row {
	const char *name;
	enum kind kind;
	const char *help;	/* the value's form, a space, what it does */
} rows[] = {
#define OPTION(name, kind, help) { #name, kind, help },
#include "options.def"
#undef OPTION
};

long
number(const char *s, long lo, long hi)
{
	char *end;
	long n;

	if(!isdigit((unsigned char)*s))
		return -1;
	errno = 0;
	n = strtol(s, &end, 10);
	return errno != 0 || *end != '\0' || n < lo || n > hi ? -1 : n;
}

/* Is word one of those in list, which are separated by '|' and end at a space? */
static int
isoneof(const char *list, const char *word)
{
	size_t n = strlen(word);

	for(const char *p = list;; p++) {
		size_t len = strcspn(p, "| ");

		if(len == n && memcmp(p, word, n) == 0)
			return 1;
		p += len;
		if(*p != '|')
			return 0;
	}
}

static int
issignal(const char *s)
{
	if(number(s, 1, 64) > 0)
		return 1;
	if(strncmp(s, "SIG", 3) == 0)
		s += 3;
	for(int sig = 1; sig < 32; sig++) {
		const char *name = sigabbrev_np(sig);

		if(name != NULL && strcmp(name, s) == 0)
			return 1;
	}
	return 0;
}

static int
isstress(const char *v)
{
	static const char *const words[] = { "preempt", "move", "delay", "slow", "count" };

	for(;;) {
		size_t n = strcspn(v, "+"), i;
		char w[16];

		if(n >= sizeof w)
			return 0;
		memcpy(w, v, n);
		w[n] = '\0';
		for(i = 0; i < sizeof words / sizeof words[0] && strcmp(words[i], w) != 0; i++)
			;
		if(i == sizeof words / sizeof words[0] && number(strncmp(w, "seed:", 5) == 0 ? w + 5 : w, 0, INT_MAX) < 0)
			return 0;
		if(v[n] == '\0')
			return 1;
		v += n + 1;
	}
}

static int
goodvalue(const struct option_row *o, const char *v)
{
	if(o->kind == FLAG)
		return v == NULL;
	if(v == NULL || *v == '\0')
		return 0;
	switch(o->kind) {
	case BOOL:	return strcmp(v, "0") == 0 || strcmp(v, "1") == 0;
	case INT:	return number(v, 0, INT_MAX) >= 0;
	case ENUM:	return isoneof(o->help, v);
	case SIGNAL:	return issignal(v);
	case STRESS:	return isstress(v);
	default:	return 1;
	}
}

/* Checks one entry (name or name=value); exits on a wrong value. */
static void
checkentry(char *entry)
{
	char *v = strchr(entry, '=');
	size_t n = v != NULL ? (size_t)(v - entry) : strlen(entry);

	if(n == 0)
		baduse("-o: an option has no name");
	if(v != NULL)
		v++;
	for(size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct option_row *o = &rows[i];

		if(strlen(o->name) != n || memcmp(o->name, entry, n) != 0)
			continue;
		if(goodvalue(o, v))
			return;
		if(o->kind == FLAG)
			baduse("-o %s takes no value", o->name);
		baduse("-o %s: '%s' is no %.*s", o->name, v != NULL ? v : "",
		    (int)strcspn(o->help, " "), o->help);
	}
	say("warning: unknown option '%.*s' (passed on)", (int)n, entry);
}

void
checkentries(const char *list)
{
	char *copy = strdup(list), *p = copy, *entry;

	if(copy == NULL) {
		say("%s", strerror(errno));
		exit(EX_REFUSED);
	}
	while((entry = strsep(&p, ",")) != NULL)
		checkentry(entry);
	free(copy);
}

enum { COLUMN = 28 }; /* the width of an option with its value */

void
printoptions(void)
{
	printf("Options, for -o or, separated by commas, in the environment variable HEDDLE:\n");
	for(size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int n = (int)strcspn(rows[i].help, " ");
		char form[64];

		snprintf(form, sizeof form, "%s%s%.*s", rows[i].name,
		    rows[i].kind == FLAG ? "" : "=", rows[i].kind == FLAG ? 0 : n, rows[i].help);
		printf("  %-*s", COLUMN, form);
		if(strlen(form) >= COLUMN) /* the meaning has a line of its own */
			printf("\n  %-*s", COLUMN, "");
		puts(rows[i].help + n + 1);
	}
}
