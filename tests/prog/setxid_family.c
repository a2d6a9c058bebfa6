/* SPDX-License-Identifier: MIT */
/*
 * Every function that changes the process's users and groups, called in a thread: all others have the new ones, those that run, those that wait
 * and new ones; and a root's file can be opened by none of them while they are not root. What only changes a thread (setfsuid and system calls by
 * number) changes that one alone.
 */
#include "prog.h"
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { WATCHERS = 4, U = 12345, G1 = 23456 };

struct ids {
	uid_t r, e, s;
	gid_t rg, eg, sg;
	int ngroups;
	gid_t group0;
	int opens; /* a file that only root may read */
};

static struct ids want;
static char path[64];
static sem_t go[WATCHERS], done;
static atomic_int spinning = 1;

static struct ids
look(void)
{
	struct ids i = { 0 };
	gid_t g[64];
	int fd;

	OK(getresuid(&i.r, &i.e, &i.s));
	OK(getresgid(&i.rg, &i.eg, &i.sg));
	i.ngroups = getgroups(64, g);
	CHECK(i.ngroups >= 0);
	i.group0 = i.ngroups > 0 ? g[0] : 0;
	fd = open(path, O_RDONLY);
	i.opens = fd >= 0;
	if(fd >= 0)
		close(fd);
	return i;
}

static void
same(void)
{
	struct ids i = look();

	EQ(i.r, want.r);
	EQ(i.e, want.e);
	EQ(i.s, want.s);
	EQ(i.rg, want.rg);
	EQ(i.eg, want.eg);
	EQ(i.sg, want.sg);
	EQ(i.ngroups, want.ngroups);
	EQ(i.group0, want.group0);
	EQ(i.opens, want.opens);
}

static void *
watches(void *arg)
{
	for(;;) {
		while(sem_wait(&go[(intptr_t)arg]) != 0)
			;
		same();
		sem_post(&done);
	}
	return NULL;
}

static void *
runs(void *arg)
{
	while(spinning)
		sched_yield();
	same();
	return NULL;
}

static void *
looks(void *arg)
{
	same();
	return NULL;
}

static void
all(void)
{
	want = look();
	for(int i = 0; i < WATCHERS; i++)
		sem_post(&go[i]);
	for(int i = 0; i < WATCHERS; i++)
		while(sem_wait(&done) != 0)
			;
	join(spawn(looks, NULL));
}

static void *
alone(void *arg)
{
	struct ids i;

	EQ(setfsuid(U), 0);
	EQ(setfsuid((uid_t)-1), U);
	EQ(access(path, R_OK), 0); /* by the real id */
	EQ(look().opens, 0);
	EQ(setfsuid(0), U);
	OK(syscall(SYS_setresuid, U, U, 0));
	i = look();
	EQ(i.e, U);
	EQ(i.opens, 0);
	return NULL;
}

static void
only(int opens)
{
	want = look();
	EQ(want.opens, opens);
	all();
}

static void *
changes(void *arg)
{
	gid_t groups[2] = { G1, G1 + 1 };

	only(1);
	join(spawn(alone, NULL));
	only(1);
	OK(setgroups(2, groups));
	only(1);
	OK(initgroups("nobody", G1));
	only(1);
	OK(setgroups(0, NULL));
	only(1);
	OK(setegid(G1));
	only(1);
	OK(setregid(G1 + 1, G1));
	only(1);
	OK(setresgid(0, 0, G1));
	only(1);
	OK(setgid(G1));
	only(1);
	OK(seteuid(U));
	only(0);
	OK(seteuid(0));
	only(1);
	OK(setreuid(U, 0));
	only(1);
	OK(setreuid(0, U));
	only(0);
	EQ(setgroups(2, groups), -1);
	EQ(errno, EPERM);
	OK(setresuid(U, 0, 0));
	only(1);
	OK(setresuid(0, 0, 0));
	only(1);
	OK(setuid(U));
	only(0);
	EQ(setuid(0), -1);
	EQ(errno, EPERM);
	EQ(seteuid(0), -1);
	EQ(errno, EPERM);
	return NULL;
}

int
main(void)
{
	int fd, status;
	pthread_t t;
	pid_t pid;

	if(geteuid() != 0)
		SKIP("not root");
	snprintf(path, sizeof path, "/tmp/setxid_family.XXXXXX");
	CHECK((fd = mkstemp(path)) >= 0);
	OK(fchmod(fd, 0600));
	if((pid = fork()) != 0) {
		EQ(waitpid(pid, &status, 0), pid);
		unlink(path);
		EQ(status, 0);
		puts("ok");
		return 0;
	}
	OK(sem_init(&done, 0, 0));
	for(intptr_t i = 0; i < WATCHERS; i++) {
		OK(sem_init(&go[i], 0, 0));
		spawn(watches, (void *)i);
	}
	t = spawn(runs, NULL);
	join(spawn(changes, NULL));
	spinning = 0;
	join(t);
	_exit(0);
}
