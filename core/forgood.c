/* SPDX-License-Identifier: MIT */
/*
 * Locks for good: of a G whose name says that it is to have an M of its own, and of one that changes something which the kernel keeps of its
 * thread. own.c tells what a lock is.
 */
#include "runtime.h"

void
lockbyname(struct g *gp)
{
	if(gp->flags & GF_NAMED)
		return;
	gp->flags |= GF_NAMED;
	lockosthread(gp);
}

void
lockforgood(struct g *gp)
{
	if(gp->flags & GF_KERNEL)
		return;
	lockosthread(gp);
	if(gp->flags & GF_KERNEL){
		unlockosthread(gp); /* has taken a reserved one */
		return;
	}
	gp->flags |= GF_KERNEL;
	gp->m->dirty = true;
}
