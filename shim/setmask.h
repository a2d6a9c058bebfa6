/* SPDX-License-Identifier: MIT */
/*
 * Sets of signals, between the program and the runtime.
 *
 * A set of the program's has 1024 bits; the kernel reads and writes the first 64, and so do we: a
 * program may have room for no more.
 */
#ifndef HEDDLE_SETMASK_H
#define HEDDLE_SETMASK_H

#include <string.h>

#include "sig.h"

static inline uint64_t
maskof(const void *set)
{
	uint64_t mask;

	memcpy(&mask, set, sizeof mask);
	return mask;
}

/* setmask sets the mask of the current G, in user mode, and delivers what it lets through. */
void setmask(struct g *gp, uint64_t mask);
/* sigwaitraw is sigtimedwait without what libc does to the result: a signal's number, or -1 with errno. gp, the caller, in user mode. */
int sigwaitraw(struct g *gp, const sigset_t *set, siginfo_t *info, const struct timespec *timeout);

#endif
