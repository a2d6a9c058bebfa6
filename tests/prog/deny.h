/* SPDX-License-Identifier: MIT */
/* A seccomp filter that makes some system calls fail, for programs that see how threads get on without them. */
#ifndef DENY_H
#define DENY_H

#include "prog.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/*
 * Writes to f, which has room for 5 * n + 1, a filter by which the n system calls fail with err. With a flags mask, only if the
 * low word of the first argument has one of the flags.
 */
UNUSED static struct sock_fprog
denyfilter(struct sock_filter *f, const int *nr, int n, int err, uint32_t flags)
{
	int k = 0;

	for(int i = 0; i < n; i++) {
		f[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
		f[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr[i], 0, flags != 0 ? 3 : 1);
		if(flags != 0) {
			f[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			    offsetof(struct seccomp_data, args[0]));
			f[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flags, 0, 1);
		}
		f[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err);
	}
	f[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return (struct sock_fprog){ k, f };
}

/* From now on that is so in this thread and those that it makes. */
UNUSED static void
deny(const int *nr, int n, int err, uint32_t flags)
{
	struct sock_filter f[64];
	struct sock_fprog prog = denyfilter(f, nr, n, err, flags);

	if(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
		SKIP("no seccomp filters here");
}

/* A filter of one thread's own, that does no harm: getpgid(NOPGID) fails with EXDEV. */
enum { NOPGID = 0x40000000 };

UNUSED static struct sock_fprog
pgidfilter(struct sock_filter f[6])
{
	return denyfilter(f, &(int){SYS_getpgid}, 1, EXDEV, NOPGID);
}

/* EXDEV in a thread that has it, else 0. */
UNUSED static int
pgidfiltered(void)
{
	return syscall(SYS_getpgid, NOPGID) == -1 && errno == EXDEV ? EXDEV : 0;
}

#endif
