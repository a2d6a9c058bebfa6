/* SPDX-License-Identifier: MIT */
/* What a thread may be doing when a signal's handler runs on it, for the programs that try each. */
#ifndef UNTILHIT_H
#define UNTILHIT_H

#include "prog.h"
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/file.h>

enum { SLEEPS, WAITS, POLLS, RUNS, NHIT };

/* A call ends with EINTR: the handler does not restart. */
static inline void
interrupted(int r)
{
	EQ(r, -1);
	EQ(errno, EINTR);
}

/* Does what state says until the handler has run, which counts in *hits. */
static inline void
untilhit(int state, atomic_int *hits)
{
	struct pollfd p = { .fd = -1 };
	sem_t sem;

	switch(state) {
	case SLEEPS:
		CHECK(sleep(100) > 0);
		break;
	case WAITS:
		OK(sem_init(&sem, 0, 0));
		interrupted(sem_wait(&sem));
		break;
	case POLLS:
		interrupted(poll(&p, 1, -1));
		break;
	case RUNS:
		while(*hits == 0)
			;
		break;
	}
}

#endif
