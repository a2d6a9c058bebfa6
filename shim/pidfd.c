/* SPDX-License-Identifier: MIT */
/*
 * pidfd_send_signal(2) to the process itself: as by kill(), so that the handler has run when the call returns to the main thread.
 * The kernel would pick the process's first thread, where another G may run by now.
 *
 * pidfd_getfd(2) of the process's own: a copy of a descriptor, as by dup.
 */
#include <string.h>
#include <sys/stat.h>

#include "fd.h"
#include "sig.h"
#include "thread.h"

/* The process id behind a pidfd as fdinfo says, 0 if it is none. */
static int32_t
pidof(int fd)
{
	static const char key[] = "\nPid:\t";
	char path[64], text[512], *p;
	int32_t pid = 0;
	long in, n;

	fmtbuf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	if((in = rawsyscall(SYS_open, path, O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	n = rawsyscall(SYS_read, in, text, sizeof text - 1);
	rawsyscall(SYS_close, in);
	text[n > 0 ? n : 0] = 0;
	if((p = strstr(text, key)) != NULL)
		for(p += sizeof key - 1; *p >= '0' && *p <= '9'; p++)
			pid = pid * 10 + (*p - '0');
	return pid;
}

/* A descriptor of the directory /proc/PID does as well: is it this process's, and will the kernel have it? */
static bool
owndirectory(int fd)
{
	struct stat a, b;

	return rawsyscall(SYS_fstat, fd, &a) == 0 && S_ISDIR(a.st_mode) && rawsyscall(SYS_stat, "/proc/self", &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino && rawsyscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) == 0;
}

bool
pidfdsignal(int fd, int sig, const siginfo_t *info)
{
	struct g *gp = getg();
	siginfo_t i;
	bool sent;

	if(gp == NULL || sig < 1 || sig > NSIGS || (pidof(fd) != sigpid && !owndirectory(fd)))
		return false;
	if(info == NULL)
		i = (siginfo_t){.si_signo = sig, .si_code = SI_USER, .si_pid = sigpid, .si_uid = getuid()};
	else if(trycopy(&i, info, sizeof i) != 0 || i.si_signo != sig)
		return false; /* the kernel says what is wrong */
	rtenter(gp);
	sent = sigsend(NULL, &i);
	rtexit(gp);
	return sent;
}

EXPORT int pidfd_send_signal(int fd, int sig, siginfo_t *info, unsigned flags); /* in libc's headers since 2.36 */

int
pidfd_send_signal(int fd, int sig, siginfo_t *info, unsigned flags)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, sig, info, flags);
}

/* Of which process it is does not matter: another's number is no harm to one of ours. */
int
pidfdget(int fd, int target, unsigned flags)
{
	fdshared(target);
	return fdnew((int)libc.syscall(SYS_pidfd_getfd, fd, target, (long)flags, 0, 0, 0), Kunknown, 0);
}

EXPORT int pidfd_getfd(int fd, int target, unsigned flags);

int
pidfd_getfd(int fd, int target, unsigned flags)
{
	return pidfdget(fd, target, flags);
}
