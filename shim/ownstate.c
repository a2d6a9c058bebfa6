/* SPDX-License-Identifier: MIT */
/*
 * What a thread changes of its own kernel thread only: privileges, namespaces, and whatever else clone(2) copies. The G gets
 * the kernel thread for its own first (own in kthread.c); by number the same calls are in bynumber.c.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <linux/sched.h>
#include <stdarg.h>
#include <string.h>

#include "thread.h"

/* OWN: name is libc's, called on a kernel thread of the G's own if it changes something of that. */
#define OWN(name, params, args, changes) \
	EXPORT int                       \
	name params                      \
	{                                \
		if(changes)              \
			own();           \
		return libc.name args;   \
	}

OWN(nice, (int inc), (inc), true)
OWN(personality, (unsigned long persona), (persona), persona != 0xffffffff) /* that only asks */
OWN(setfsuid, (uid_t uid), (uid), uid != (uid_t)-1)
OWN(setfsgid, (gid_t gid), (gid), gid != (gid_t)-1)
OWN(capset, (void *header, const void *data), (header, data), true)
OWN(ioperm, (unsigned long from, unsigned long num, int on), (from, num, on), true)
OWN(iopl, (int level), (level), true)
/* rights by protection keys are in a register that a switch of Gs leaves alone */
OWN(pkey_alloc, (unsigned flags, unsigned rights), (flags, rights), true)
OWN(pkey_set, (int key, unsigned rights), (key, rights), true)
OWN(arch_prctl, (int code, unsigned long addr), (code, addr), code == ARCH_SET_GS || code == ARCH_SET_CPUID)

/*
 * Some namespaces are only for a process with one thread, which natively it is again when the others have ended. The last three change
 * nothing: unshare only says then whether it is.
 */
void
ownspaces(unsigned flags)
{
	const unsigned asks = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;

	if(flags == 0 || flags & (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWTIME | asks))
		rtalone();
	if(flags == 0 || flags & ~asks)
		own();
}

EXPORT int
unshare(int flags)
{
	ownspaces((unsigned)flags);
	return libc.unshare(flags);
}

EXPORT int
setns(int fd, int type)
{
	ownspaces((unsigned)type);
	return libc.setns(fd, type);
}

/* A tracer is a kernel thread: no other of the process may command what it traces. */
EXPORT long
ptrace(enum __ptrace_request req, ...)
{
	pid_t pid;
	void *addr, *data;
	va_list ap;

	va_start(ap, req);
	pid = va_arg(ap, pid_t);
	addr = va_arg(ap, void *);
	data = va_arg(ap, void *);
	va_end(ap);
	own();
	return libc.ptrace(req, pid, addr, data);
}

/* Operations of prctl that change the kernel thread, not the process. */
static bool
ofkernelthread(int op)
{
	switch(op){
	case PR_SET_PDEATHSIG:
	case PR_SET_KEEPCAPS:
	case PR_SET_SECCOMP:
	case PR_CAPBSET_DROP:
	case PR_SET_SECUREBITS:
	case PR_SET_TIMERSLACK:
	case PR_SET_NO_NEW_PRIVS:
	case PR_SET_TSC:
	case PR_CAP_AMBIENT:
	case PR_SET_SPECULATION_CTRL:
	case PR_MCE_KILL:
	case PR_SET_IO_FLUSHER:
	case PR_SET_SYSCALL_USER_DISPATCH:
		return true;
	}
	return false;
}

/* Cookies for sharing a core: *pid becomes the kernel's. False, with errno: another thread's, which cannot have one. */
static bool
corethread(unsigned long op, unsigned long *pid, unsigned long scope)
{
	pid_t id = (pid_t)*pid;
	int e = 0;

	if(op == PR_SCHED_CORE_SHARE_FROM)
		own();
	if((op == PR_SCHED_CORE_CREATE || op == PR_SCHED_CORE_SHARE_TO) && scope == PR_SCHED_CORE_SCOPE_THREAD)
		e = kernelown(&id);
	else
		id = kernelid(id);
	*pid = (unsigned long)id;
	if(e != 0)
		errno = e == EAGAIN ? ENOMEM : e;
	return e == 0;
}

EXPORT int
prctl(int op, ...)
{
	struct g *gp = getg();
	unsigned long a, b, c, d;
	va_list ap;

	va_start(ap, op);
	a = va_arg(ap, unsigned long);
	b = va_arg(ap, unsigned long);
	c = va_arg(ap, unsigned long);
	d = va_arg(ap, unsigned long);
	va_end(ap);
	if(gp == NULL)
		return libc.prctl(op, a, b, c, d);
	if(op == PR_SET_NAME && a != 0){
		setname(gp, (const char *)a);
		return 0;
	}
	if(op == PR_GET_NAME && a != 0){
		memcpy((void *)a, gp->name, sizeof gp->name);
		return 0;
	}
	if(op == PR_GET_TID_ADDRESS){
		void *at = tidaddress(gp);

		if(trycopy((void *)a, &at, sizeof at) == 0)
			return 0;
		errno = EFAULT;
		return -1;
	}
	if(op == PR_SET_TSC && a == PR_TSC_SIGSEGV)
		clockbykernel();
	if(op == PR_SCHED_CORE && !corethread(a, &b, c))
		return -1;
	if(ofkernelthread(op))
		own();
	return libc.prctl(op, a, b, c, d);
}
