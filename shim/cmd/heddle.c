/* SPDX-License-Identifier: MIT */
/*
 * heddle: the command.  `heddle run -- CMD` sets LD_PRELOAD, HEDDLE and
 * HEDDLE_MAXPROCS and becomes CMD by exec, so that process ID, exit status,
 * signals and terminal are CMD's own; nothing stays between it and its parent.
 *
 * Exit status when CMD does not run: 2 bad usage, 125 heddle refuses or fails,
 * 126 CMD cannot be executed, 127 CMD not found (as env(1), nohup(1)).
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "libdir.h"
#include "target.h"

enum { MAXMAXPROCS = 1024 };
static const char runusage[] =
    "usage: heddle run [-o name[=value]]... [-p N] [-l LIB] [--force] [--] CMD [ARG...]\n";
static const char *usagetext = runusage;
static int usagestatus = EX_BADUSE;

void
say(const char *fmt, ...)
{
	va_list ap;

	fputs("heddle: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void
baduse(const char *fmt, ...)
{
	va_list ap;

	fputs("heddle: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n%sTry 'heddle help', 'heddle help run' or 'heddle help options'.\n", usagetext);
	exit(usagestatus);
}

void
usage(const char *text, int status)
{
	usagetext = text;
	usagestatus = status;
}

static void
setenvor(const char *name, const char *value)
{
	if(setenv(name, value, 1) < 0) {
		say("setting %s: %s", name, strerror(errno));
		exit(EX_REFUSED);
	}
}

/* Puts first before second in the environment variable name. */
static void
joinenv(const char *name, const char *first, char sep, const char *second)
{
	char *s;

	if(first == NULL || *first == '\0') {
		setenvor(name, second);
		return;
	}
	if(second == NULL || *second == '\0') {
		setenvor(name, first);
		return;
	}
	if(asprintf(&s, "%s%c%s", first, sep, second) < 0) {
		say("%s", strerror(ENOMEM));
		exit(EX_REFUSED);
	}
	setenvor(name, s);
	free(s);
}

/*
 * The library's path in lib[PATH_MAX]: beside this command (build tree), in
 * ../lib from it (an installed tree that was moved), or where `make install`
 * puts it.  Exits with the paths tried when there is none.
 */
static void
findlibrary(char *lib)
{
	char exe[PATH_MAX], tried[3][PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	char *slash;
	int k = 0;

	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	if(slash != NULL) {
		*slash = '\0';
		snprintf(tried[k++], sizeof tried[0], "%s/libheddle.so", exe);
		slash = strrchr(exe, '/');
		if(slash != NULL)
			snprintf(tried[k++], sizeof tried[0], "%.*s/lib/libheddle.so",
			    (int)(slash - exe), exe);
	}
	snprintf(tried[k++], sizeof tried[0], "%s/libheddle.so", HEDDLE_LIBDIR);
	for(int i = 0; i < k; i++)
		if(strlen(tried[i]) < PATH_MAX && access(tried[i], F_OK) == 0) {
			strcpy(lib, tried[i]);
			return;
		}
	say("cannot find libheddle.so; tried:");
	for(int i = 0; i < k; i++)
		fprintf(stderr, "\t%s\n", tried[i]);
	fprintf(stderr, "Name it with -l, or run 'make' or 'make install'.\n");
	exit(EX_REFUSED);
}

static void
preload(const char *named)
{
	char lib[PATH_MAX];
	const char *why;

	if(named == NULL)
		findlibrary(lib);
	else if(realpath(named, lib) == NULL) {
		say("%s: %s", named, strerror(errno));
		exit(EX_REFUSED);
	}
	why = badlibrary(lib);
	if(why != NULL) {
		say("%s: %s", lib, why);
		exit(EX_REFUSED);
	}
	joinenv("LD_PRELOAD", lib, ':', getenv("LD_PRELOAD"));
}

/*
 * Tells what stands in the way of preloading into the program at path;
 * exits unless forced.  A file that cannot be judged is left to exec.  Answers
 * whether it is a binary.
 */
static int
checktarget(const char *path, int force)
{
	struct target t;
	const char *cause, *remedy;

	if(!whynot(judge(path, &t), &cause, &remedy))
		return t.binary;
	say("%s%s %s%s%s%s", force ? "warning: " : "", t.path, cause,
	    t.detail[0] != '\0' ? " (" : "", t.detail, t.detail[0] != '\0' ? ")" : "");
	if(force)
		return t.binary;
	fprintf(stderr, "%s  --force runs it anyway, without heddle.\n", remedy);
	exit(EX_REFUSED);
}

static int
execfailed(const char *cmd, int e)
{
	say("%s: %s", *cmd != '\0' ? cmd : "''", e == ENOENT ? "not found" : strerror(e));
	return e == ENOENT || e == ENOTDIR ? EX_NOTFOUND : EX_NOEXEC;
}

static int
run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "procs", required_argument, NULL, 'p' },
		{ "option", required_argument, NULL, 'o' },
		{ "library", required_argument, NULL, 'l' },
		{ "force", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	const char *lib = NULL, *procs = NULL;
	char path[PATH_MAX];
	int c, e, binary, force = 0;

	while((c = getopt_long(argc, argv, "+:o:p:l:", longopts, NULL)) != -1)
		switch(c) {
		case 'o':
			checkentries(optarg);
			joinenv("HEDDLE", getenv("HEDDLE"), ',', optarg);
			break;
		case 'p':
			if(number(optarg, 1, MAXMAXPROCS) < 0)
				baduse("-p: '%s' is no number from 1 to %d", optarg, MAXMAXPROCS);
			procs = optarg;
			break;
		case 'l':
			lib = optarg;
			break;
		case 'f':
			force = 1;
			break;
		case ':':
			baduse("'%s' needs a value", argv[optind - 1]);
		default:
			baduse("'%s' is no option of run", argv[optind - 1]);
		}
	if(optind == argc)
		baduse("no command to run");
	argv += optind;
	e = findcommand(argv[0], path);
	if(e != 0)
		return execfailed(argv[0], e);
	binary = checktarget(path, force);
	preload(lib);
	if(procs != NULL)
		setenvor("HEDDLE_MAXPROCS", procs);
	/* A script without #! is for execvp's shell, a damaged binary is not. */
	if(binary)
		execv(path, argv);
	else
		execvp(argv[0], argv);
	return execfailed(argv[0], errno);
}

static int
help(const char *topic)
{
	if(topic == NULL) {
		printf("usage: heddle run [option]... -- CMD [ARG...]\n"
		    "       heddle check [option]... FILE...\n"
		    "       heddle version\n"
		    "       heddle help [run|check|options|version]\n\n"
		    "Runs CMD so that each thread it creates is a goroutine on a few kernel threads;\n"
		    "or says whether and how well FILE would run so.\n");
	} else if(strcmp(topic, "run") == 0) {
		printf("%s\n"
		    "  -o, --option name[=value][,...]  set an option of HEDDLE= ('heddle help options')\n"
		    "  -p, --procs N                    run the program's threads on N processors (HEDDLE_MAXPROCS)\n"
		    "  -l, --library LIB                preload LIB instead of libheddle.so\n"
		    "      --force                      run CMD even if heddle can have no effect on it\n\n"
		    "Exit status: CMD's own; 2 bad usage, 125 refused, 126 cannot execute, 127 not found.\n",
		    runusage);
	} else if(strcmp(topic, "check") == 0) {
		helpcheck();
	} else if(strcmp(topic, "options") == 0) {
		printoptions();
	} else if(strcmp(topic, "version") == 0) {
		printf("usage: heddle version\n\nPrints heddle's version.\n");
	} else {
		baduse("no help on '%s'", topic);
	}
	return fflush(stdout) == 0 ? 0 : EX_REFUSED;
}

int
main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "";

	if(strcmp(cmd, "run") == 0)
		return run(argc - 1, argv + 1);
	if(strcmp(cmd, "check") == 0)
		return check(argc - 1, argv + 1);
	if((strcmp(cmd, "version") == 0 || strcmp(cmd, "--version") == 0) && argc == 2) {
		printf("heddle %s\n", HEDDLE_VERSION);
		return fflush(stdout) == 0 ? 0 : EX_REFUSED;
	}
	if((strcmp(cmd, "help") == 0 || strcmp(cmd, "--help") == 0) && argc <= 3)
		return help(argc == 3 ? argv[2] : NULL);
	if(argc > 1)
		baduse("'%s' is no command of heddle's, or has too many arguments", cmd);
	baduse("no command");
}
