/* SPDX-License-Identifier: MIT */
/*
 * Many threads have had a kernel thread of their own, given by another or by themselves, and have ended, or given it back. Then a
 * few block in calls: they need a kernel thread each, and no more.
 */
#include "prog.h"
#include <dirent.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/file.h>
#include <sys/wait.h>

enum { CHANGED = 90, BLOCKED = 8, MORE = 24 };

static sem_t go;
static cpu_set_t all;
static char path[] = "/tmp/own_blocked.XXXXXX";
static _Atomic int started, got;

static int
tasks(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	CHECK(d != NULL);
	while(readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

static void *
waits(void *arg)
{
	while(sem_wait(&go) != 0)
		;
	return arg;
}

static void *
changes(void *arg)
{
	OK(pthread_setaffinity_np(pthread_self(), sizeof all, &all));
	return arg;
}

/* A lock that other processes know the owner of: the kernel thread is the owner's until it is given back. */
static pthread_mutex_t shared;

static void *
locks(void *arg)
{
	OK(pthread_mutex_lock(&shared));
	sched_yield();
	OK(pthread_mutex_unlock(&shared));
	return arg;
}

static void
change(int i)
{
	pthread_t t = spawn(i % 3 == 0 ? waits : i % 3 == 1 ? changes : locks, NULL);

	if(i % 3 == 0) {
		if(i % 2)
			EQ(pthread_setschedparam(t, 77, &(struct sched_param){ 0 }), EINVAL);
		OK(pthread_setaffinity_np(t, sizeof all, &all));
		sem_post(&go);
	}
	join(t);
}

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

/* Has the lock until it is told to go. */
static void
holder(int ready, int end)
{
	int fd = open(path, O_RDONLY);
	char ch;

	EQ(flock(fd, LOCK_EX), 0);
	EQ(write(ready, "x", 1), 1);
	EQ(read(end, &ch, 1), 1);
	_exit(0);
}

int
main(void)
{
	pthread_mutexattr_t a;
	pthread_t t[BLOCKED];
	int ready[2], end[2], st, fd = mkstemp(path), most = 0;
	pid_t pid;
	char ch;

	CHECK(fd >= 0);
	EQ(pipe(ready), 0);
	EQ(pipe(end), 0);
	CHECK((pid = fork()) >= 0);
	if(pid == 0)
		holder(ready[1], end[0]);
	EQ(read(ready[0], &ch, 1), 1);
	EQ(sched_getaffinity(0, sizeof all, &all), 0);
	OK(sem_init(&go, 0, 0));
	OK(pthread_mutexattr_init(&a));
	OK(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	OK(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
	OK(pthread_mutex_init(&shared, &a));
	for(int i = 0; i < CHANGED; i++)
		change(i);
	for(int i = 0; i < 2000 && tasks() > MORE; i++)
		msleep(10); /* those that end take their time */
	for(intptr_t i = 0; i < BLOCKED; i++)
		t[i] = spawn(blocks, (void *)i);
	while(started < BLOCKED)
		msleep(1);
	for(int i = 0; i < 100; i++) {
		msleep(2);
		if(tasks() > most)
			most = tasks();
	}
	EQ(got, 0);
	if(most > BLOCKED + MORE)
		fprintf(stderr, "%d kernel threads\n", most);
	CHECK(most <= BLOCKED + MORE);
	EQ(write(end[1], "x", 1), 1);
	for(intptr_t i = 0; i < BLOCKED; i++)
		CHECK(join(t[i]) == (void *)i);
	EQ(waitpid(pid, &st, 0), pid);
	EQ(st, 0);
	unlink(path);
	puts("ok");
	return 0;
}
