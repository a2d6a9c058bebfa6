/* SPDX-License-Identifier: MIT */
/* Where no memory may be made executable, as SELinux may have it, libc stays as it is: all works, and the log says so. */
#include "io_util.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* mprotect with PROT_EXEC fails with EACCES. */
static void
noexec(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { nelem(f), f };

	if(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0) {
		fprintf(stderr, "skipped: no seccomp filters here\n");
		exit(77);
	}
}

static int fds[10][2];

static void *
reads(void *arg)
{
	FILE *f = fdopen(fds[(intptr_t)arg][0], "r");
	char line[20];

	CHECK(f && fgets(line, sizeof line, f) && strcmp(line, "hello\n") == 0);
	fclose(f);
	return NULL;
}

int
main(void)
{
	noexec();
	for(int i = 0; i < 10; i++)
		OK(pipe(fds[i]));
	pthread_t *t = spawnall(10, reads);
	nudge();
	for(int i = 0; i < 10; i++)
		EQ(write(fds[i][1], "hello\n", 6), 6);
	joinall(t, 10);
	pass("without executable memory");
	return 0;
}
