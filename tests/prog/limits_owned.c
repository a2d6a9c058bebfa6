/* SPDX-License-Identifier: MIT */
/*
 * Threads that have a kernel thread of their own sleep; the user may have no more kernel threads; others block in the kernel, among
 * them one with its own. The process goes on all the same, and what it does then ends their calls.
 */
#include "prog.h"
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { OWNED = 6, BLOCKED = 16, TURNS = 50 };

static cpu_set_t all;
static sem_t go, end, ping, pong;
static _Atomic int started, blocking, got;
static char path[] = "/tmp/limits_owned.XXXXXX";

static void
await(sem_t *s)
{
	while(sem_wait(s) != 0)
		;
}

static void *
owned(void *arg)
{
	OK(pthread_setaffinity_np(pthread_self(), sizeof all, &all));
	started++;
	await(&end);
	return arg;
}

/* Each has an open file of its own, else they would share the lock. */
static void *
blocks(void *arg)
{
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0);
	if(arg == NULL)
		OK(pthread_setaffinity_np(pthread_self(), sizeof all, &all));
	started++;
	await(&go);
	blocking++;
	EQ(flock(fd, LOCK_SH), 0);
	got++;
	close(fd);
	return arg;
}

static void *
partner(void *arg)
{
	started++;
	for(int i = 0; i < TURNS; i++) {
		await(&ping);
		usleep(100);
		sem_post(&pong);
	}
	return arg;
}

/* Some have been in a call at once before there is a limit: where threads share kernel threads, there are a few then. */
static void *
shares(void *arg)
{
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0);
	started++;
	EQ(flock(fd, LOCK_SH), 0);
	close(fd);
	return arg;
}

static void
before(void)
{
	int fd = open(path, O_RDONLY);
	pthread_t t[4];

	CHECK(fd >= 0);
	EQ(flock(fd, LOCK_EX), 0);
	for(int i = 0; i < 4; i++)
		t[i] = spawn(shares, NULL);
	while(started < 4)
		msleep(1);
	msleep(20);
	close(fd);
	for(int i = 0; i < 4; i++)
		join(t[i]);
	started = 0;
}

/* Has the lock until it is told to go, and removes the file in the end. */
static int
holder(int ready, int over)
{
	int fd = open(path, O_RDONLY);
	char ch;

	EQ(read(over, &ch, 1), 1);
	EQ(flock(fd, LOCK_EX), 0);
	EQ(write(ready, "x", 1), 1);
	EQ(read(over, &ch, 1), 1);
	close(fd);
	EQ(read(over, &ch, 1), 0);
	return unlink(path) == 0 ? 0 : 1;
}

int
main(void)
{
	struct rlimit lim = { 1, 1 };
	pthread_t o[OWNED], b[BLOCKED], p;
	int ready[2], over[2], st, fd = mkstemp(path);
	pid_t pid;
	char ch;

	CHECK(fd >= 0);
	EQ(fchmod(fd, 0644), 0);
	EQ(pipe(ready), 0);
	EQ(pipe(over), 0);
	CHECK((pid = fork()) >= 0);
	if(pid == 0) {
		close(over[1]);
		_exit(holder(ready[1], over[0]));
	}
	if(getuid() == 0 && setuid(65534) != 0)
		SKIP("cannot leave root, who has no limit");
	EQ(sched_getaffinity(0, sizeof all, &all), 0);
	OK(sem_init(&go, 0, 0));
	OK(sem_init(&end, 0, 0));
	OK(sem_init(&ping, 0, 0));
	OK(sem_init(&pong, 0, 0));
	for(int i = 0; i < OWNED; i++)
		o[i] = spawn(owned, NULL);
	for(intptr_t i = 0; i < BLOCKED; i++)
		b[i] = spawn(blocks, (void *)i);
	p = spawn(partner, NULL);
	while(started < OWNED + BLOCKED + 1)
		msleep(1);
	before();
	EQ(write(over[1], "x", 1), 1);
	EQ(read(ready[0], &ch, 1), 1);
	EQ(setrlimit(RLIMIT_NPROC, &lim), 0);
	for(int i = 0; i < BLOCKED; i++)
		sem_post(&go);
	for(int i = 0; i < TURNS; i++) {
		msleep(1);
		sem_post(&ping);
		await(&pong);
	}
	CHECK(blocking > 0);
	EQ(got, 0);
	EQ(write(over[1], "x", 1), 1);
	for(intptr_t i = 0; i < BLOCKED; i++)
		CHECK(join(b[i]) == (void *)i);
	for(int i = 0; i < OWNED; i++)
		sem_post(&end);
	for(int i = 0; i < OWNED; i++)
		join(o[i]);
	join(p);
	close(over[1]);
	EQ(waitpid(pid, &st, 0), pid);
	EQ(st, 0);
	puts("ok");
	return 0;
}
