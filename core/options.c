/* SPDX-License-Identifier: MIT */
/*
 * HEDDLE=name=value,... and HEDDLE_MAXPROCS=N. The list of options is options.def.
 * A wrong entry is named, with what would be right, and ignored: it never stops the program.
 */
#include <limits.h>

#include "runtime.h"

struct options options = {.deadlock = DEADLOCK_REPORT, .preempt = 1, .guard = 1, .patch = 1};

/* HEDDLE's value, cut in place at its commas: the strings in options point here. */
static char text[4096];

enum kind { FLAG, BOOL, INT, STRING, ENUM, SIGNAL, STRESS };

static const struct option {
	const char *name;
	enum kind kind;
	const char *help;
	void *value;
} list[] = {
#define OPTION(name, kind, help) {#name, kind, help, &options.name},
#include "options.def"
#undef OPTION
};

static const char *const signames[] = {
	[SIGHUP] = "HUP", [SIGINT] = "INT", [SIGQUIT] = "QUIT", [SIGILL] = "ILL", [SIGTRAP] = "TRAP",
	[SIGABRT] = "ABRT", [SIGBUS] = "BUS", [SIGFPE] = "FPE", [SIGUSR1] = "USR1", [SIGSEGV] = "SEGV",
	[SIGUSR2] = "USR2", [SIGPIPE] = "PIPE", [SIGALRM] = "ALRM", [SIGTERM] = "TERM", [SIGCHLD] = "CHLD",
	[SIGCONT] = "CONT", [SIGTSTP] = "TSTP", [SIGTTIN] = "TTIN", [SIGTTOU] = "TTOU", [SIGURG] = "URG",
	[SIGXCPU] = "XCPU", [SIGXFSZ] = "XFSZ", [SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF",
	[SIGWINCH] = "WINCH", [SIGIO] = "IO", [SIGPWR] = "PWR", [SIGSYS] = "SYS",
};

static bool
same(const char *a, const char *b)
{
	while(*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* A decimal number from lo to hi, nothing around it. */
static bool
number(const char *s, long lo, long hi, int *v)
{
	long n = 0;

	if(*s == 0)
		return false;
	for(; *s; s++){
		if(*s < '0' || *s > '9')
			return false;
		n = n * 10 + *s - '0';
		if(n > hi)
			return false;
	}
	if(n < lo)
		return false;
	*v = (int)n;
	return true;
}

static bool
signalno(const char *s, int *v)
{
	if(number(s, 1, 64, v))
		return true;
	if(s[0] == 'S' && s[1] == 'I' && s[2] == 'G')
		s += 3;
	for(int i = 1; i < (int)nelem(signames); i++)
		if(signames[i] != NULL && same(s, signames[i])){
			*v = i;
			return true;
		}
	return false;
}

/* Which of the '|'-separated words, that stand first in help, is it? */
static bool
word(const char *s, const char *help, int *v)
{
	static const int deadlock[] = {DEADLOCK_REPORT, DEADLOCK_ABORT, DEADLOCK_OFF};

	for(int i = 0; i < (int)nelem(deadlock); i++){
		const char *p = s;

		while(*p && *p == *help)
			p++, help++;
		if(*p == 0 && (*help == '|' || *help == ' ')){
			*v = deadlock[i];
			return true;
		}
		while(*help && *help != '|' && *help != ' ')
			help++;
		if(*help++ != '|')
			return false;
	}
	return false;
}

/* One word of stress=. */
static bool
stressword(const char *s, struct stressoption *o)
{
	static const struct {
		const char *word;
		uint32_t kind;
	} kinds[] = {{"preempt", STRESS_PREEMPT}, {"move", STRESS_MOVE}, {"delay", STRESS_DELAY}, {"slow", STRESS_SLOW}};
	int n;

	for(size_t i = 0; i < nelem(kinds); i++)
		if(same(s, kinds[i].word)){
			o->kinds |= kinds[i].kind;
			return true;
		}
	if(same(s, "count")){
		o->count = true;
		return true;
	}
	if(s[0] == 's' && s[1] == 'e' && s[2] == 'e' && s[3] == 'd' && s[4] == ':')
		s += 5;
	if(!number(s, 0, INT_MAX, &n))
		return false;
	o->seed = (uint32_t)n;
	return true;
}

/* The words are copied, as what is wrong is to be named whole. */
static bool
stresswords(const char *s, struct stressoption *out)
{
	struct stressoption o = {0};
	char w[16];
	size_t n;

	do{
		for(n = 0; *s && *s != '+'; s++){
			if(n == sizeof w - 1)
				return false;
			w[n++] = *s;
		}
		w[n] = 0;
		if(!stressword(w, &o))
			return false;
	}while(*s++ == '+');
	if(o.kinds == 0)
		o.kinds = STRESS_ALL;
	*out = o;
	return true;
}

static bool
set(const struct option *o, char *value)
{
	switch(o->kind){
	case FLAG:
		if(value != NULL)
			return false;
		*(int *)o->value = 1;
		return true;
	case BOOL:
		return value != NULL && number(value, 0, 1, o->value);
	case INT:
		return value != NULL && number(value, 0, INT_MAX, o->value);
	case SIGNAL:
		return value != NULL && signalno(value, o->value);
	case STRESS:
		return value != NULL && stresswords(value, o->value);
	case ENUM:
		return value != NULL && word(value, o->help, o->value);
	case STRING:
		if(value == NULL || *value == 0)
			return false;
		*(const char **)o->value = value;
		return true;
	}
	return false;
}

static const char *
want(enum kind kind)
{
	switch(kind){
	case FLAG: return "takes no value";
	case BOOL: return "takes 0 or 1";
	case INT: return "takes a number from 0";
	case ENUM: return "takes report, abort or off";
	case STRESS: return "takes a seed, or seed:N, preempt, move, delay, slow joined by +";
	case SIGNAL: return "takes a signal's name or number";
	default: return "needs a value";
	}
}

static void
entry(char *s)
{
	char *value = s;

	while(*value && *value != '=')
		value++;
	if(*value)
		*value++ = 0;
	else
		value = NULL;
	for(size_t i = 0; i < nelem(list); i++){
		if(!same(s, list[i].name))
			continue;
		if(!set(&list[i], value))
			rtlog("HEDDLE: ignored %s%s%s: %s %s", s, value ? "=" : "", value ? value : "", s, want(list[i].kind));
		return;
	}
	rtlog("HEDDLE: ignored %s%s%s: no such option (heddle help options lists them)", s, value ? "=" : "",
	    value ? value : "");
}

static const char *
env(char **envp, const char *name)
{
	for(; envp != NULL && *envp != NULL; envp++){
		const char *e = *envp, *n = name;

		while(*n && *e == *n)
			e++, n++;
		if(*n == 0 && *e == '=')
			return e + 1;
	}
	return NULL;
}

void
optionsinit(char **envp)
{
	const char *v = env(envp, "HEDDLE");
	size_t n = 0;
	char *s;

	for(; v != NULL && v[n] && n < sizeof text - 1; n++)
		text[n] = v[n];
	if(v != NULL && v[n])
		rtlog("HEDDLE: ignored what follows its first %d characters", (int)n);
	for(s = text; *s;){
		char *end = s;
		bool last;

		while(*end && *end != ',')
			end++;
		last = *end == 0;
		*end = 0;
		if(*s)
			entry(s);
		if(last)
			break;
		s = end + 1;
	}
	if((v = env(envp, "HEDDLE_MAXPROCS")) != NULL && *v && !number(v, 1, MAXPROCS, &options.maxprocs))
		rtlog("HEDDLE_MAXPROCS: ignored %s: takes a number from 1 to %d", v, MAXPROCS);
}
