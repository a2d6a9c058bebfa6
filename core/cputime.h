/* SPDX-License-Identifier: MIT */
/* CPU time of Gs, as clocks have it: cputime.c. */
#ifndef HEDDLE_CPUTIME_H
#define HEDDLE_CPUTIME_H

extern uint32_t cputimeon; /* atomic: CPU time is counted */
void cputimestart(void);   /* in rtinit */
void cpuswitch(struct m *, struct g *); /* the M, on g0, is going to run the G, or none. If cputimeon */
int64_t cputime(struct g *); /* ns of CPU time that it has used; counts from the first call on. Runtime mode */

#endif
