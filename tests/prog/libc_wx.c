/* SPDX-License-Identifier: MIT */
/* No page is ever writable and executable at once, whatever is done at the first thread's start: asking for one would be the end. */
#include "io_util.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define WX (PROT_WRITE | PROT_EXEC)

static void
nowx(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pkey_mprotect, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, WX),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WX, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { nelem(f), f };

	if(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0) {
		fprintf(stderr, "skipped: no seccomp filters here\n");
		exit(77);
	}
}

/* Mappings that are, as /proc has it. */
static int
countwx(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[400], *p;
	int n = 0;

	CHECK(f);
	while(fgets(line, sizeof line, f))
		n += (p = strchr(line, ' ')) != NULL && p[2] == 'w' && p[3] == 'x';
	fclose(f);
	return n;
}

static int fds[2];

static void *
reads(void *arg)
{
	FILE *f = fdopen(fds[0], "r");
	char line[20];

	CHECK(f && fgets(line, sizeof line, f) && strcmp(line, "hello\n") == 0);
	EQ(countwx(), 0);
	fclose(f);
	return NULL;
}

int
main(void)
{
	nowx();
	OK(pipe(fds));
	pthread_t t = spawn(reads, NULL);
	nudge();
	EQ(write(fds[1], "hello\n", 6), 6);
	join(t);
	EQ(countwx(), 0);
	pass("writable or executable");
	return 0;
}
