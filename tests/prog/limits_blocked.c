/* SPDX-License-Identifier: MIT */
/* native: no */
/*
 * Three hundred threads in a call that blocks in the kernel, and the user may have forty kernel threads: the calls queue, which
 * schedtrace shows, others go on meanwhile, and in the end all have made their call.
 */
#include "prog.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { N = 300, LIMIT = 40 };

static _Atomic int started, got;
static char path[] = "/tmp/limits_blocked.XXXXXX";

/* Each has an open file of its own, else they would share the lock. */
static void *
blocks(void *arg)
{
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0);
	started++;
	EQ(flock(fd, LOCK_SH), 0);
	got++;
	close(fd);
	return arg;
}

static void *
nothing(void *arg)
{
	return arg;
}

/* Has the lock until it is told to go, and removes the file in the end. */
static int
holder(int ready, int go)
{
	int fd = open(path, O_RDONLY);
	char ch;

	EQ(flock(fd, LOCK_EX), 0);
	EQ(write(ready, "x", 1), 1);
	EQ(read(go, &ch, 1), 1);
	close(fd);
	EQ(read(go, &ch, 1), 0);
	return unlink(path) == 0 ? 0 : 1;
}

int
main(void)
{
	struct rlimit lim = { LIMIT, LIMIT };
	int ready[2], go[2], st, fd = mkstemp(path);
	pthread_t t[N];
	pid_t pid;
	char ch;

	CHECK(fd >= 0);
	EQ(fchmod(fd, 0644), 0);
	EQ(pipe(ready), 0);
	EQ(pipe(go), 0);
	pid = fork();
	CHECK(pid >= 0);
	if(pid == 0) {
		close(go[1]);
		_exit(holder(ready[1], go[0]));
	}
	EQ(read(ready[0], &ch, 1), 1);
	/* a user of our own */
	if(getuid() == 0 && setuid(200000 + getpid()) != 0)
		SKIP("cannot leave root, who has no limit");
	EQ(setrlimit(RLIMIT_NPROC, &lim), 0);
	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(blocks, (void *)i);
	while(started < N)
		msleep(1);
	for(intptr_t i = 0; i < 100; i++) {
		CHECK(join(spawn(nothing, (void *)i)) == (void *)i);
		msleep(5);
	}
	EQ(got, 0);
	EQ(write(go[1], "x", 1), 1);
	for(intptr_t i = 0; i < N; i++)
		CHECK(join(t[i]) == (void *)i);
	EQ(got, N);
	close(go[1]);
	EQ(waitpid(pid, &st, 0), pid);
	EQ(st, 0);
	puts("ok");
	return 0;
}
