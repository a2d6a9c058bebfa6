/* SPDX-License-Identifier: MIT */
/* Between sysmon.c and slice.c, which run on sysmon's thread only. */
#ifndef HEDDLE_SYSMON_H
#define HEDDLE_SYSMON_H

#include "runtime.h"

static const int64_t SLICE = 10 * MSEC;
enum { OFFCPULOOKS = 2 }; /* so often a thread that runs may be found off the CPU, before that is taken to be because we are on it */

int64_t mcputime(struct m *);
bool oncpu(struct m *);
bool workwaits(struct p *, int64_t now); /* is there anything that would run if that P were free? */
/* overdue: gp, in user mode on mp with pp, may have run beyond its slice: asks it to yield then. True if the P has to be taken. */
bool overdue(struct p *pp, struct m *mp, struct g *gp, int64_t now);
/* overdueinside is the same for a G found in runtime mode. */
void overdueinside(struct p *pp, struct m *mp, struct g *gp, int64_t now);

/* ---- lookout.c ---- */
enum look { LOOK_ASKED = 1, LOOK_SLEEPS, LOOK_RUNS, LOOK_NONE, LOOK_STATE = 7 };

/*
 * lookat: mp's thread, which has pp, has not run for a round: cpu is its clock. LOOK_SLEEPS: in the kernel; LOOK_RUNS: it would if it got a
 * CPU, or did so a moment ago; LOOK_ASKED: that is not known yet, sysmonwake() if it sleeps; LOOK_NONE: nobody can tell.
 */
enum look lookat(struct p *pp, struct m *mp, int64_t cpu, int64_t now);
void lookforget(struct p *); /* another G runs there: the next question is asked at once */
bool lookanswered(void);     /* since looksseen, has there been an answer that a thread sleeps? */
void looksseen(void);

#endif
