/* SPDX-License-Identifier: MIT */
/* The options in the environment: options.c, options.def. */
#ifndef HEDDLE_OPTIONS_H
#define HEDDLE_OPTIONS_H

enum { DEADLOCK_OFF, DEADLOCK_REPORT, DEADLOCK_ABORT };

struct stressoption {
	uint32_t kinds, seed; /* STRESS_*; 0: a seed by chance */
	bool count;           /* say at the end what has been done */
};

struct options {
	int schedtrace;  /* ms between lines; 0 off */
	int scheddetail;
	int deadlock;    /* DEADLOCK_* */
	int preempt, guard, patch, off;
	int dumpsig;     /* signal number, 0 none */
	struct stressoption stress;
	const char *lock; /* name of threads to lock to an M, "" none */
	const char *log; /* file, "" for standard error */
	int maxprocs;    /* HEDDLE_MAXPROCS, 0 unset */
};
extern struct options options;
/* optionsinit reads HEDDLE and HEDDLE_MAXPROCS from the environment; what is wrong is named on the log and ignored. */
void optionsinit(char **envp);

#endif
