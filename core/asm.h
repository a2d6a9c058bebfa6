/* SPDX-License-Identifier: MIT */
/* What asm/ has. */
#ifndef HEDDLE_ASM_H
#define HEDDLE_ASM_H

void mcall(struct g *(*fn)(struct g *)); /* saves this G, runs fn(gp) on g0, then the G that fn returns; returns when gp is run again */
noreturn void gogo(struct g *gp);   /* from g0 to gp */
void gstart(void);                  /* a new G's first frame */
void asyncpreempt(void);             /* what a kick makes a running G call: preempt.c */
/* trycopy copies from or to the program's memory: 0, or -EFAULT if it is not there. Once the runtime runs. */
long trycopy(void *dst, const void *src, size_t n);
void trycopyfault(void);
extern bool havefsgsbase;
void setfsbase(uintptr_t);
uintptr_t getfsbase(void);

#endif
