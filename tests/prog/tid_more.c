/* SPDX-License-Identifier: MIT */
/* build: -Wno-nonnull */
/*
 * Calls that take a process's id, asked with a thread's, which the kernel knows as well: the caller's, another's, one that has ended, by number and by
 * name. And rseq(2) by threads themselves, where libc has been told to leave it to them.
 */
#include "prog.h"
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define TELL(what, call) do { \
	errno = 0; \
	long r_ = (long)(call); \
	printf("%s, %s: %ld, errno %d\n", who, what, r_ > 0 ? 1 : r_, r_ == -1 ? errno : 0); \
} while(0)

static int cell = 7;

static void
ask(const char *who, pid_t id)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, id };
	struct __user_cap_data_struct d[2];
	struct rlimit64 lim;
	int copy = 0;
	struct iovec to = { &copy, sizeof copy }, from = { &cell, sizeof cell };

	TELL("getpgid by number", syscall(SYS_getpgid, id));
	TELL("getpgid", getpgid(id));
	TELL("its group is ours", getpgid(id) == getpgrp());
	TELL("getsid by number", syscall(SYS_getsid, id));
	TELL("getsid", getsid(id));
	TELL("prlimit by number", syscall(SYS_prlimit64, id, RLIMIT_NOFILE, NULL, &lim));
	TELL("prlimit", prlimit64(id, RLIMIT_NOFILE, NULL, &lim));
	TELL("process_vm_readv by number", syscall(SYS_process_vm_readv, id, &to, 1, &from, 1, 0));
	TELL("process_vm_readv", process_vm_readv(id, &to, 1, &from, 1, 0));
	TELL("read", copy);
	TELL("process_vm_writev", process_vm_writev(id, &from, 1, &to, 1, 0));
	TELL("kcmp", syscall(SYS_kcmp, id, getpid(), KCMP_VM, 0, 0));
	TELL("capget", syscall(SYS_capget, &h, d));
	TELL("move_pages", syscall(SYS_move_pages, id, 0, NULL, NULL, NULL, 0));
	TELL("sched_getscheduler", sched_getscheduler(id));
	TELL("getpriority", getpriority(PRIO_PROCESS, (id_t)id));
	TELL("tgkill", syscall(SYS_tgkill, getpid(), id, 0));
	TELL("tkill", syscall(SYS_tkill, id, 0));
	TELL("waitpid", waitpid(id, NULL, WNOHANG));
	TELL("pidfd_open is refused", syscall(434, id, 0) == -1); /* how depends on the kernel */
}

static pid_t ids[2];
static pthread_barrier_t bar;

static void *
work(void *arg)
{
	long i = (long)(intptr_t)arg;

	ids[i] = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&bar);
	if(i == 0) {
		ask("a thread, itself", ids[0]);
		ask("a thread, another", ids[1]);
		ask("a thread, 0", 0);
	}
	pthread_barrier_wait(&bar);
	return NULL;
}

/* ---- rseq ---- */

struct area {
	uint32_t start, cpu;
	uint64_t cs;
	uint32_t flags, rest[11];
};
static __thread struct area area __attribute__((aligned(64)));
enum { SIG = 0x53053053, UNREGISTER = 1 };

static void *
registers(void *arg)
{
	unsigned cpu;

	area.cpu = -1U;
	EQ(syscall(SYS_rseq, &area, 32, 0, SIG), 0);
	for(int i = 0; i < 100; i++) {
		int ok = 0;

		for(int k = 0; k < 1000 && !ok; k++) {
			uint32_t before = *(volatile uint32_t *)&area.cpu;

			EQ(syscall(SYS_getcpu, &cpu, NULL, NULL), 0);
			ok = before == cpu || *(volatile uint32_t *)&area.cpu == cpu;
		}
		CHECK(ok);
		if(i % 10 == 0)
			usleep(100);
		else
			sched_yield();
	}
	EQ(syscall(SYS_rseq, &area, 32, UNREGISTER, SIG), 0);
	return arg;
}

static void
ownrseq(const char *me)
{
	pid_t pid = fork();
	int st;

	CHECK(pid >= 0);
	if(pid == 0) {
		setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
		execl("/proc/self/exe", me, "rseq", (char *)NULL);
		_exit(99);
	}
	EQ(waitpid(pid, &st, 0), pid);
	EQ(st, 0);
}

int
main(int argc, char **argv)
{
	pthread_t t[8];

	if(argc > 1) {
		for(int round = 0; round < 3; round++) {
			for(int i = 0; i < 8; i++)
				t[i] = spawn(registers, NULL);
			for(int i = 0; i < 8; i++)
				join(t[i]);
		}
		return 0;
	}
	OK(pthread_barrier_init(&bar, NULL, 2));
	for(int i = 0; i < 2; i++)
		t[i] = spawn(work, (void *)(intptr_t)i);
	for(int i = 0; i < 2; i++)
		join(t[i]);
	ask("main, itself", getpid());
	ask("main, none", 0x3ffffff);
	fflush(stdout);
	ownrseq(argv[0]);
	puts("rseq: ok");
	return 0;
}
