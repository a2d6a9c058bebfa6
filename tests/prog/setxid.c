/* SPDX-License-Identifier: MIT */
/* setuid and its kin change the ids of all threads: running, waiting in the kernel or not, and made later. */
#include "prog.h"
#include <grp.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { N = 24, UID = 60123, GID = 60124 };

static _Atomic int go, bad;
static int never[2];

static void
check(uid_t u, uid_t g)
{
	gid_t groups[8];

	if(syscall(SYS_getuid) != (long)u || syscall(SYS_geteuid) != (long)u || syscall(SYS_getgid) != (long)g ||
	   syscall(SYS_getegid) != (long)g || getgroups(8, groups) != 1 || groups[0] != GID + 1)
		bad++;
}

static void *
waiter(void *arg)
{
	int kind = (int)(intptr_t)arg % 4;
	struct pollfd p = { never[0], POLLIN, 0 };
	char b;

	switch(kind){
	case 0:
		while(!go)
			;
		break;
	case 1:
		while(poll(&p, 1, -1) != 1)
			EQ(errno, EINTR);
		break;
	case 2:
		EQ(read(never[0], &b, 1), 0);
		break;
	case 3:
		while(!go)
			usleep(1000);
		break;
	}
	for(int i = 0; i < 50; i++){
		check(UID, GID);
		sched_yield();
	}
	return NULL;
}

static void *
changer(void *arg UNUSED)
{
	gid_t group = GID + 1;

	OK(setgroups(1, &group));
	OK(setresgid(GID, GID, GID));
	OK(setresuid(UID, UID, 0));
	EQ(setuid(0), 0);
	EQ(geteuid(), 0);
	OK(setresuid(UID, UID, UID));
	EQ(setuid(0), -1);
	EQ(errno, EPERM);
	return NULL;
}

/* Several at a time: each is signalled while it makes its own call. */
static void *
again(void *arg UNUSED)
{
	for(int i = 0; i < 20; i++)
		OK(setuid(UID));
	return NULL;
}

int
main(void)
{
	pthread_t t[N];

	if(getuid() != 0)
		SKIP("must be root");
	OK(pipe(never));
	for(int i = 0; i < N; i++)
		t[i] = spawn(waiter, (void *)(intptr_t)i);
	OK(usleep(20000));
	join(spawn(changer, NULL));
	check(UID, GID);
	go = 1;
	OK(close(never[1]));
	for(int i = 0; i < N; i++)
		join(t[i]);
	for(int i = 0; i < N; i++)
		t[i] = spawn(waiter, (void *)0);
	for(int i = 0; i < N; i++)
		join(t[i]);
	for(int i = 0; i < 6; i++)
		t[i] = spawn(again, NULL);
	for(int i = 0; i < 6; i++)
		join(t[i]);
	EQ(bad, 0);
	printf("ok\n");
	return 0;
}
