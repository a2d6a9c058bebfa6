/* SPDX-License-Identifier: MIT */
/*
 * Calls that are known to block for long when they block: tried without waiting first, and only
 * if that fails with the P handed off at once (entersyscallblock).
 */
#include <sys/msg.h>

#include "fd.h"
#include "sig.h"

static struct g *
enter(struct g *gp)
{
	cancelpoint(gp);
	rtenter(gp);
	return gp;
}

EXPORT int
flock(int fd, int op)
{
	struct g *gp = getg();
	long r;

	if(gp == NULL)
		return libc.flock(fd, op);
	enter(gp);
	r = iononblock(gp, rawsyscall(SYS_flock, fd, op | LOCK_NB)); /* a server may have to be asked */
	if(r == -EAGAIN && !(op & LOCK_NB))
		r = rawresult(iosyscallblock(gp, libc.flock(fd, op)));
	rtexit(gp);
	return (int)ioreturn(r);
}

EXPORT void
sync(void)
{
	struct g *gp = getg();

	if(gp == NULL){
		libc.sync();
		return;
	}
	rtenter(gp);
	entersyscall(gp);
	libc.sync();
	exitsyscall(gp);
	rtexit(gp);
}

/* ---- children ---- */

EXPORT pid_t
wait4(pid_t pid, int *status, int flags, struct rusage *ru)
{
	struct g *gp = getg();
	long r;

	if(gp == NULL)
		return libc.wait4(pid, status, flags, ru);
	enter(gp);
	r = rawsyscall(SYS_wait4, pid, status, flags | WNOHANG, ru);
	if(r == 0 && !(flags & WNOHANG))
		r = rawresult(iosyscallblock(gp, libc.wait4(pid, status, flags, ru)));
	if(r > 0)
		sigsettlert(gp, ~0ULL); /* what the child has sent */
	rtexit(gp);
	return (pid_t)ioreturn(r);
}

EXPORT pid_t
wait(int *status)
{
	return wait4(-1, status, 0, NULL);
}
ALSO(__wait, wait)

EXPORT pid_t
waitpid(pid_t pid, int *status, int flags)
{
	return wait4(pid, status, flags, NULL);
}
ALSO(__waitpid, waitpid)

EXPORT pid_t
wait3(int *status, int flags, struct rusage *ru)
{
	return wait4(-1, status, flags, ru);
}

EXPORT int
waitid(idtype_t type, id_t id, siginfo_t *info, int flags)
{
	struct g *gp = getg();
	siginfo_t si;
	long r;

	if(gp == NULL || (flags & WNOHANG))
		return libc.waitid(type, id, info, flags);
	enter(gp);
	/* with WNOHANG success may mean that there is nothing yet: si_pid tells */
	si.si_pid = 0;
	r = rawsyscall(SYS_waitid, type, id, &si, flags | WNOHANG, NULL);
	if(r == 0 && si.si_pid == 0)
		r = rawresult(iosyscallblock(gp, libc.waitid(type, id, info, flags)));
	else if(r == 0 && info != NULL)
		*info = si;
	if(r == 0)
		sigsettlert(gp, ~0ULL);
	rtexit(gp);
	return (int)ioreturn(r);
}

/*
 * libc makes these children itself, without fork's handlers. They inherit descriptors, so
 * what is known of those in use can no longer be relied upon.
 */
EXPORT int
system(const char *cmd)
{
	struct g *gp = getg();
	int r;

	netpollshare();
	if(gp == NULL)
		return libc.system(cmd);
	enter(gp);
	r = iosyscallblock(gp, libc.system(cmd));
	rtexit(gp);
	return r;
}

EXPORT FILE *
popen(const char *cmd, const char *mode)
{
	struct g *gp = getg();
	FILE *f;

	netpollshare();
	if(gp == NULL)
		return libc.popen(cmd, mode);
	rtenter(gp);
	f = iosyscall(gp, libc.popen(cmd, mode));
	rtexit(gp);
	return f;
}

EXPORT int
pclose(FILE *f)
{
	struct g *gp = getg();
	int r;

	if(gp == NULL)
		return libc.pclose(f);
	enter(gp);
	r = iosyscallblock(gp, libc.pclose(f));
	rtexit(gp);
	return r;
}

#define SPAWN(name)                                                                                    \
	EXPORT int name(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,            \
	    const posix_spawnattr_t *attr, char *const argv[], char *const envp[])                     \
	{                                                                                              \
		struct g *gp = getg();                                                                 \
		int r;                                                                                 \
                                                                                                       \
		netpollshare();                                                                        \
		if(gp == NULL)                                                                         \
			return libc.name(pid, path, fa, attr, argv, envp);                             \
		rtenter(gp);                                                                           \
		r = iosyscall(gp, libc.name(pid, path, fa, attr, argv, envp));                         \
		rtexit(gp);                                                                            \
		return r;                                                                              \
	}
SPAWN(posix_spawn)
SPAWN(posix_spawnp)

/* ---- System V messages ---- */

EXPORT ssize_t
msgrcv(int id, void *buf, size_t n, long type, int flags)
{
	struct g *gp = getg();
	long r;

	if(gp == NULL)
		return libc.msgrcv(id, buf, n, type, flags);
	enter(gp);
	r = rawsyscall(SYS_msgrcv, id, buf, n, type, flags | IPC_NOWAIT);
	if(r == -ENOMSG && !(flags & IPC_NOWAIT))
		r = iokernel(gp, libc.msgrcv(id, buf, n, type, flags));
	rtexit(gp);
	return ioreturn(r);
}

EXPORT int
msgsnd(int id, const void *buf, size_t n, int flags)
{
	struct g *gp = getg();
	long r;

	if(gp == NULL)
		return libc.msgsnd(id, buf, n, flags);
	enter(gp);
	r = rawsyscall(SYS_msgsnd, id, buf, n, flags | IPC_NOWAIT);
	if(r == -EAGAIN && !(flags & IPC_NOWAIT))
		r = iokernel(gp, libc.msgsnd(id, buf, n, flags));
	rtexit(gp);
	return (int)ioreturn(r);
}
