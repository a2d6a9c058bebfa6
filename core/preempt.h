/* SPDX-License-Identifier: MIT */
/* Making a running G look: kicks, preemption, cancellation. kick.c, preempt.c */
#ifndef HEDDLE_PREEMPT_H
#define HEDDLE_PREEMPT_H

void preemptinit(void);
void preemptm(struct m *); /* kicks it: its G looks at attn */
/* preemptask is the same for preemption: not while gp is in a system call. False if another one is on its way, or is about to be. */
bool preemptask(struct m *, struct g *);
void kickwait(struct m *);    /* until none is on its way to the caller's */
bool kicksowed(void);         /* has the kernel refused one? sysmon's, */
void kickagain(void);         /* which sends it again */
bool kickcomes(struct m *);   /* has one been sent that its handler has not seen yet? After attnset */
void kickhold(struct m *);    /* no kicks to the caller, until */
void kickrelease(struct m *);
uintptr_t kerneltcb(struct m *); /* libc's descriptor of mp's kernel thread */
void cancelg(struct g *);  /* tells a G that it is cancelled, wherever it is; any thread, its TCB says so already */
bool asynccancels(struct g *); /* is the caller to be cancelled here and now, wherever that is? */
void cancelhandler(void);  /* after libc may have set its handler of signal 32 */

#endif
