/* SPDX-License-Identifier: MIT */
/* The user may have no more kernel threads while some threads block, some nap and some compute: all get on, new ones run or get EAGAIN. */
#include "prog.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define N 10

static _Atomic int naps, started;
static volatile int stop;
static char path[] = "/tmp/limits_nproc.XXXXXX";

static void *
nap(void *arg)
{
	started++;
	for(int i = 0; i < 10; i++)
		usleep(500);
	naps++;
	return arg;
}

/* Each has an open file of its own, else they would share the lock. */
static void *
blocks(void *arg)
{
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0);
	started++;
	EQ(flock(fd, LOCK_SH), 0);
	close(fd);
	return arg;
}

static void *
hog(void *arg)
{
	started++;
	while(!stop)
		;
	return arg;
}

int
main(void)
{
	struct rlimit lim = { 1, 1 };
	pthread_t n[N], b[N], h[2];
	int fd, made = 0, rc, st, gate[2], done[2];
	pid_t pid;
	char ch;

	fd = mkstemp(path);
	CHECK(fd >= 0);
	EQ(fchmod(fd, 0644), 0);
	EQ(pipe(gate), 0);
	EQ(pipe(done), 0);
	pid = fork();
	CHECK(pid >= 0);
	if(pid == 0) {
		/* has the lock until it is told to go */
		fd = open(path, O_RDONLY);
		EQ(flock(fd, LOCK_EX), 0);
		EQ(write(gate[1], "x", 1), 1);
		msleep(200);
		close(fd);
		/* and being root still, removes the file in the end */
		close(done[1]);
		EQ(read(done[0], &ch, 1), 0);
		_exit(unlink(path) == 0 ? 0 : 1);
	}
	EQ(read(gate[0], &ch, 1), 1);
	if(getuid() == 0 && setuid(65534) != 0)
		SKIP("cannot leave root, who has no limit");
	for(int i = 0; i < N; i++) {
		n[i] = spawn(nap, NULL);
		b[i] = spawn(blocks, NULL);
	}
	for(int i = 0; i < 2; i++)
		h[i] = spawn(hog, NULL);
	while(started < 2)
		sched_yield();
	EQ(setrlimit(RLIMIT_NPROC, &lim), 0);
	for(int i = 0; i < N; i++)
		join(n[i]);
	for(int i = 0; i < N; i++)
		join(b[i]);
	EQ(naps, N);
	for(int i = 0; i < N; i++) {
		rc = pthread_create(&n[made], NULL, i % 2 ? nap : blocks, NULL);
		CHECK(rc == 0 || rc == EAGAIN);
		made += rc == 0;
	}
	for(int i = 0; i < made; i++)
		join(n[i]);
	stop = 1;
	for(int i = 0; i < 2; i++)
		join(h[i]);
	close(done[1]);
	EQ(waitpid(pid, &st, 0), pid);
	EQ(st, 0);
	puts("ok");
	return 0;
}
