/* SPDX-License-Identifier: MIT */
/*
 * setuid and its kin: of all threads.
 *
 * For the kernel user and group ids belong to a thread; libc sends a signal to all those it knows to make
 * each change its own, and waits for them. It knows our Ms, and the Gs by tids that the
 * kernel does not, which it takes for threads that are gone. The caller among them it knows by the
 * descriptor in force: that has to be the one of the kernel thread, here as in the signal's handler (core/preempt.c).
 *
 * Ms that are made later inherit from the one that makes them.
 */
#include <errno.h>

#include "sig.h"
#include "thread.h"

/* Of the descriptor in force; the compiler would take the address of the one before. */
static noinline int
errnohere(void)
{
	return errno;
}

static struct mutex callers;

void
setxidfork(void)
{
	callers = (struct mutex){0};
}

/*
 * In runtime mode the G stays on its M. No signal may come, as the descriptor may be main's, who is elsewhere; so one at a
 * time: the next waits here, where libc's signal finds its kernel thread, and not for a lock of libc's, where it would not.
 */
#define WITHKERNELTCB(gp, call)                        \
	({                                             \
		uint64_t x_mask;                       \
		int x_r, x_e;                          \
		rtenter(gp);                           \
		lock(&callers);                        \
		x_mask = sigblockall();                \
		(gp)->m->insetxid = true;              \
		setfsbase(kerneltcb((gp)->m));         \
		x_r = (call);                          \
		x_e = errnohere();                     \
		setfsbase((gp)->fsbase);               \
		(gp)->m->insetxid = false;             \
		sigsetkernelmask(x_mask);              \
		unlock(&callers);                      \
		rtexit(gp);                            \
		if(x_r != 0)                           \
			errno = x_e;                   \
		x_r;                                   \
	})

#define SETXID(name, params, args)                                       \
	EXPORT int name params                                           \
	{                                                                \
		struct g *gp = getg();                                   \
                                                                         \
		return gp != NULL ? WITHKERNELTCB(gp, libc.name args) : libc.name args; \
	}

SETXID(setuid, (uid_t uid), (uid))
SETXID(setgid, (gid_t gid), (gid))
SETXID(seteuid, (uid_t uid), (uid))
SETXID(setegid, (gid_t gid), (gid))
SETXID(setreuid, (uid_t ruid, uid_t euid), (ruid, euid))
SETXID(setregid, (gid_t rgid, gid_t egid), (rgid, egid))
SETXID(setresuid, (uid_t ruid, uid_t euid, uid_t suid), (ruid, euid, suid))
SETXID(setresgid, (gid_t rgid, gid_t egid, gid_t sgid), (rgid, egid, sgid))
SETXID(setgroups, (size_t n, const gid_t *groups), (n, groups))

/* libc's would look the groups up, at length, and then set them. */
EXPORT int
initgroups(const char *user, gid_t group)
{
	struct g *gp = getg();
	gid_t *groups;
	int n = 64, r;

	if(gp == NULL)
		return libc.initgroups(user, group);
	for(;;){
		int room = n;

		if((groups = malloc((size_t)room * sizeof *groups)) == NULL)
			return -1;
		if(getgrouplist(user, group, groups, &n) >= 0)
			break;
		free(groups);
		if(n <= room)
			n = 2 * room;
	}
	r = setgroups((size_t)n, groups);
	r = r == 0 ? 0 : -1;
	free(groups);
	return r;
}
