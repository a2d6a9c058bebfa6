/* SPDX-License-Identifier: MIT */
/* Stacks of Gs: stack.c. User mode or no G at all. */
#ifndef HEDDLE_STACK_H
#define HEDDLE_STACK_H

/* stackmapsize is the stacksize of a G with that much usable stack and guard, in bytes; 0 if that is absurd. */
size_t stackmapsize(size_t size, size_t guardsize);
/* stackalloc gives a G without one a stack; 0 or EAGAIN. size includes the TCB and static TLS. */
int stackalloc(struct g *gp, size_t size, size_t guardsize);
void stackguard(struct g *gp, size_t guardsize); /* changes a dead G's guard */
void stackfree(struct g *gp);                    /* of a dead G after tlsfree */
/* stackexec is asked when gp, in user mode, has tried to execute code on its stack: true if a library that needs this has been
 * loaded since the stack was made. Then it can be. */
bool stackexec(struct g *gp, uintptr_t pc);
void stacktrim(struct g *gp);                    /* at the end of gp, on it */
bool aslimited(void);                            /* is there a limit on the process's address space? */
void stackscavenge(int64_t now);                 /* sysmon, about once a second */
void stackfork(void);
bool stackspare(void);                           /* would stackscavenge find something, now or soon? */

#endif
