/* SPDX-License-Identifier: MIT */
/*
 * syscall(2) for calls about a kernel thread: those that name one by its id, and those that change the caller's.
 *
 * The id that a program has of a thread is the G's, from gettid() and from SYS_gettid alike; it becomes the kernel's
 * here. What is changed is the kernel thread of a G that is locked to it (kthread.c), as by libc's functions. Some of libc's
 * change the whole process where the call of the same name changes one thread (setuid, setgid, setgroups): by
 * number a program means the thread.
 *
 * set_tid_address(2) is the G's as well: the word is cleared, and waiters are woken, when the G ends, not an M.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sys/resource.h>

#include "sync.h"
#include "thread.h"

/* Where the end of this thread is to be told: set_tid_address(2). NULL: in its TCB, where libc clears it. */
static __thread int *cleartid __attribute__((tls_model("initial-exec")));

enum { IOPRIO_WHO_PROCESS = 1 };

/* Replaces the id *tid by the kernel's. False, with errno: another thread's state, which cannot be changed. */
static bool
translate(long *tid, bool change)
{
	pid_t id = (pid_t)*tid;
	int e = 0;

	if(change)
		e = kernelown(&id);
	else
		id = kernelid(id);
	*tid = id;
	if(e != 0)
		errno = e == EAGAIN ? ENOMEM : e;
	return e == 0;
}

void *
tidaddress(struct g *gp)
{
	return cleartid != NULL ? (void *)cleartid : &tcbword(gp, tcblayout.tid, uint32_t);
}

/* What the kernel does at the end of a thread. */
void
tidexit(void)
{
	static const int zero;

	if(likely(cleartid == NULL))
		return;
	if(trycopy(cleartid, &zero, sizeof zero) == 0)
		syscall(SYS_futex, cleartid, FUTEX_WAKE, 1, NULL, NULL, 0);
	cleartid = NULL;
}

/* Does that operation on keys change the thread's credentials? Keyrings of its own are made when they are first asked for. */
static bool
ofthread(int op, int ring, long make)
{
	switch(op){
	case KEYCTL_JOIN_SESSION_KEYRING:
	case KEYCTL_SET_REQKEY_KEYRING:
	case KEYCTL_ASSUME_AUTHORITY:
		return true;
	case KEYCTL_GET_KEYRING_ID:
		return ring < 0 && make != 0;
	}
	return false;
}

bool
tidsyscall(long n, long *a, long *b, long c, long *r)
{
	*r = -1;
	switch(n){
	case SYS_fcntl:
		if(*b != F_SETOWN_EX && *b != F_GETOWN_EX)
			return true;
		*r = fcntl((int)*a, (int)*b, c);
		return false;
	case SYS_sched_getaffinity:
	case SYS_sched_getscheduler:
	case SYS_sched_getparam:
	case SYS_sched_getattr:
	case SYS_sched_rr_get_interval:
		return translate(a, false);
	case SYS_sched_setaffinity:
		*r = sched_setaffinity((pid_t)*a, (size_t)*b, (const cpu_set_t *)c);
		return false;
	case SYS_sched_setscheduler:
	case SYS_sched_setparam:
	case SYS_sched_setattr:
		return translate(a, true);
	case SYS_getpriority:
		return *a != PRIO_PROCESS || translate(b, false);
	case SYS_setpriority:
		return *a != PRIO_PROCESS || translate(b, true);
	case SYS_ioprio_get:
		return *a != IOPRIO_WHO_PROCESS || translate(b, false);
	case SYS_ioprio_set:
		return *a != IOPRIO_WHO_PROCESS || translate(b, true);
	case SYS_set_tid_address:
		cleartid = (int *)*a;
		*r = gettid();
		return false;
	case SYS_setuid:
	case SYS_setgid:
	case SYS_setreuid:
	case SYS_setregid:
	case SYS_setresuid:
	case SYS_setresgid:
	case SYS_setgroups:
	case SYS_setfsuid:
	case SYS_setfsgid:
	case SYS_capset:
	case SYS_set_mempolicy:
	case SYS_seccomp:
	case SYS_set_robust_list:
	case SYS_ioperm:
	case SYS_iopl:
	case SYS_landlock_restrict_self:
	case SYS_pkey_alloc:
	case SYS_ptrace:
	case SYS_rseq: /* where libc has been told not to */
	case SYS_set_thread_area:
	case SYS_add_key: /* may make a keyring of the thread's */
	case SYS_request_key:
		own();
		return true;
	case SYS_personality:
		if((uint32_t)*a != 0xffffffff)
			own();
		return true;
	case SYS_io_uring_setup: /* a ring may be for the thread alone that makes it */
	case SYS_io_uring_enter:
	case SYS_io_uring_register: /* and so may be what is registered */
		uringlock();
		return true;
	case SYS_unshare:
		ownspaces((unsigned)*a);
		return true;
	case SYS_setns:
		ownspaces((unsigned)*b);
		return true;
	case SYS_arch_prctl:
		if(*a == ARCH_SET_GS || *a == ARCH_SET_CPUID)
			own();
		return true;
	case SYS_keyctl:
		if(ofthread((int)*a, (int)*b, c))
			own();
		return true;
	case SYS_perf_event_open:
		return translate(b, true); /* most often of the caller */
	case SYS_kcmp:
		*b = processid((pid_t)*b);
		*a = processid((pid_t)*a);
		return true;
	case SYS_prlimit64:
	case SYS_getpgid:
	case SYS_getsid:
	case SYS_process_vm_readv:
	case SYS_process_vm_writev:
	case SYS_move_pages:
	case SYS_migrate_pages:
		*a = processid((pid_t)*a);
		return true;
	case SYS_pidfd_open:
		*r = pidfd_open((pid_t)*a, (unsigned)*b);
		return false;
	case SYS_capget:
		*r = capget((void *)*a, (void *)*b);
		return false;
	}
	return true;
}
