/* SPDX-License-Identifier: MIT */
/*
 * Descriptors whose signals (SIGIO, or what F_SETSIG says, and SIGURG) are a thread's: fcntl(F_SETOWN_EX) with F_OWNER_TID. The kernel signals a
 * kernel thread, so the G gets one of its own, as for timers (cputime.c); what that receives is the G's (signal.c).
 */
#include <errno.h>
#include <fcntl.h>

#include "fd.h"
#include "sig.h"
#include "thread.h"

/* The id by which the program knows the kernel thread tid. */
static pid_t
programid(pid_t tid)
{
	for(struct g *gp = load_acquire(&allgs); gp != NULL; gp = gp->alllink)
		if(gp->status != Gdead && gp->status != Gidle && !(gp->flags & GF_FOREIGN) && owntid(gp) == tid)
			return (pid_t)gp->tid;
	return tid;
}

int
fdsetowner(int fd, const struct f_owner_ex *own)
{
	struct f_owner_ex copy;
	int e;

	if(!rtready || trycopy(&copy, own, sizeof copy) != 0 || copy.type != F_OWNER_TID || copy.pid <= 0)
		return libc.fcntl(fd, F_SETOWN_EX, (long)own);
	if((e = kernelown(&copy.pid)) != 0){
		errno = e;
		return -1;
	}
	store_release(&fdowners, 1);
	return libc.fcntl(fd, F_SETOWN_EX, (long)&copy);
}

int
fdgetowner(int fd, struct f_owner_ex *own)
{
	int r = libc.fcntl(fd, F_GETOWN_EX, (long)own);

	if(r == 0 && rtready && own->type == F_OWNER_TID)
		own->pid = programid(own->pid);
	return r;
}
