/* SPDX-License-Identifier: MIT */
/* Forks: fork.c. The other files' ...fork() are called by it. */
#ifndef HEDDLE_FORK_H
#define HEDDLE_FORK_H

void forkinit(void); /* on the process's main thread, in rtinit */
/* rtfork: in the child of a fork, on its only thread, all signals blocked: back to the state before rtinit. */
void rtfork(void);

#endif
