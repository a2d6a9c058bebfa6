/* SPDX-License-Identifier: MIT */
/* The priority of threads as libc notes it: prionote.c */
#ifndef HEDDLE_PRIONOTE_H
#define HEDDLE_PRIONOTE_H

#include <sched.h>
#include <stdint.h>

struct g;

/*
 * prioset sets the policy, unless that is NULL, and the priority of another G than the caller's, that had this goid, whose own kernel
 * thread is tid, in the kernel and in libc's note. 0, or the kernel's errno. User mode or a foreign thread.
 */
int prioset(struct g *, uint64_t goid, int32_t tid, const int *policy, const struct sched_param *);
/* prioget: a G's, which is not the caller if that is pinned; its kernel thread is tid: as set, not what a mutex lends it. 0 or an errno. User mode or a foreign thread. */
int prioget(struct g *, int32_t tid, int *policy, struct sched_param *);
/* priotake gets into its own note what others have set. The caller, which may be NULL, is pinned; user mode. */
void priotake(struct g *);
void prionotefork(void);

#endif
