/* SPDX-License-Identifier: MIT */
/*
 * Threads that are to have a kernel thread of their own because somebody says so: the thread itself
 * (heddle.h), or the user, by name (HEDDLE=lock=NAME).
 *
 * A thread is locked by name when it starts with that name, having it from its creator, or
 * when it is given it. If another thread gives it the name it is asked (ATTN_LOCK) and locks itself on its way
 * out of the runtime. Losing the name does not unlock it.
 */
#include <errno.h>
#include <string.h>

#include "heddle.h"
#include "thread.h"

static uint32_t early; /* calls before the runtime's start, by main */

/* How many of gp's locks are for good. */
static unsigned
forgood(struct g *gp)
{
	return ((gp->flags & GF_KERNEL) != 0) + ((gp->flags & GF_NAMED) != 0) + uringlocked();
}

EXPORT int
heddle_lock_os_thread(void)
{
	struct g *gp = getg();

	if(gp == NULL){
		if(!rtready)
			add_fetch(&early, 1);
		return 0; /* it is a kernel thread */
	}
	rtenter(gp);
	lockosthread(gp);
	rtexit(gp);
	return 0;
}

EXPORT int
heddle_unlock_os_thread(void)
{
	struct g *gp = getg();
	uint32_t n = load_relaxed(&early);
	int e = 0;

	if(gp == NULL){
		if(rtready || n == 0)
			return EPERM;
		store_relaxed(&early, n - 1); /* there is one thread only */
		return 0;
	}
	rtenter(gp);
	if(gp->nlocked > forgood(gp))
		unlockosthread(gp);
	else
		e = EPERM;
	rtexit(gp);
	return e;
}

/* ---- by name ---- */

bool
lockedname(const char *name)
{
	return unlikely(options.lock != NULL) && strcmp(name, options.lock) == 0;
}

void
namechanged(struct g *gp)
{
	if(!lockedname(gp->name))
		return;
	if(gp != getg()){
		fetch_or(&gp->attn, ATTN_LOCK);
		return;
	}
	rtenter(gp);
	lockbyname(gp);
	rtexit(gp);
}

void
lockinit(struct g *gp)
{
	rtenter(gp);
	for(uint32_t i = 0; i < early; i++)
		lockosthread(gp);
	if(lockedname(gp->name))
		lockbyname(gp);
	rtexit(gp);
}
