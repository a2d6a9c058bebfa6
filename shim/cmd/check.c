/* SPDX-License-Identifier: MIT */
/*
 * check.c: heddle check FILE... tells what heddle would make of programs, without running them.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "command.h"

static const char checkusage[] = "usage: heddle check [-jnv] [--json] [--no-libraries] [--verbose] [--] FILE...\n";

void
helpcheck(void)
{
	printf("%s\n"
	    "  -j, --json          write the reports as JSON\n"
	    "  -n, --no-libraries  look at FILE only, not at the libraries it needs\n"
	    "  -v, --verbose       name all functions, libraries and system calls\n\n"
	    "FILE without a slash that is not in the current directory is looked up in PATH.\n\n"
	    "Exit status: 0 will run, 1 runs with remarks, 2 cannot be preloaded,\n"
	    "3 no program, damaged, cannot be read, or bad usage; of several FILEs the highest.\n",
	    checkusage);
}

/* The file that the user means: a command, if there is no file of that name here. */
static const char *
filenamed(const char *arg, char *path)
{
	if(strchr(arg, '/') == NULL && access(arg, F_OK) < 0 && findcommand(arg, path) == 0)
		return path;
	return arg;
}

int
check(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "no-libraries", no_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int c, json = 0, nofollow = 0, verbose = 0, status = 0;
	char path[PATH_MAX];

	usage(checkusage, EX_ERROR);
	while((c = getopt_long(argc, argv, ":jnv", longopts, NULL)) != -1)
		switch(c) {
		case 'j': json = 1; break;
		case 'n': nofollow = 1; break;
		case 'v': verbose = 1; break;
		default: baduse("'%s' is no option of check", argv[optind - 1]);
		}
	if(optind == argc)
		baduse("no file to check");
	if(json)
		beginjson(stdout);
	for(int i = optind; i < argc; i++) {
		struct report r = { .file = filenamed(argv[i], path), .nofollow = nofollow };

		inspect(&r);
		fflush(stdout);		/* so that errors come where they belong */
		if(json)
			writejson(stdout, &r, i == optind);
		else
			writetext(r.outcome == ERROR ? stderr : stdout, &r, verbose);
		if((int)r.outcome > status)
			status = r.outcome;
		endreport(&r);
	}
	if(json)
		endjson(stdout);
	return fflush(stdout) == 0 && !ferror(stdout) ? status : EX_ERROR;
}
