/* SPDX-License-Identifier: MIT */
/*
 * Programs that are rough with descriptors: close all of them, reopen any
 * number, mistake numbers, use standard ones for sockets, while threads wait.
 */
#include "io_util.h"
#include <dirent.h>

static int s[2];

static void *
sleeper(void *arg)
{
	for(int i = 0; i < 5; i++) {
		struct timespec ts = { 0, MS };
		OK(nanosleep(&ts, NULL));
	}
	return NULL;
}

/* As daemons do it: every number but those in use, up to the limit. */
static void
closeall(int how)
{
	pthread_t e = spawn(echofd, FDARG(s[1])), *t = spawnall(5, sleeper);
	talkto(s[0], 20);
	struct rlimit rl;
	OK(getrlimit(RLIMIT_NOFILE, &rl));
	if(how == 0) {
		for(int fd = 3; fd < (int)rl.rlim_cur && fd < 70000; fd++)
			if(fd != s[0] && fd != s[1])
				close(fd);
	} else if(how == 1) {
		int hi = s[0] > s[1] ? s[0] : s[1];
		CHECK(abs(s[0] - s[1]) == 1);
		OK(close_range(hi + 1, ~0u, 0));
	} else {
		DIR *d = opendir("/proc/self/fd");
		CHECK(d);
		struct dirent *de;
		int fds[1000], n = 0;
		while((de = readdir(d)) != NULL && n < 1000)
			if(de->d_name[0] != '.')
				fds[n++] = atoi(de->d_name);
		closedir(d);
		for(int i = 0; i < n; i++)
			if(fds[i] > 2 && fds[i] != s[0] && fds[i] != s[1])
				close(fds[i]);
	}
	talkto(s[0], 20);
	joinall(t, 5);
	joinall(spawnall(5, sleeper), 5);
	struct pollfd p = { s[0], POLLIN, 0 };
	EQ(poll(&p, 1, 5), 0);
	talkto(s[0], 20);
	OK(shutdown(s[0], SHUT_WR));
	join(e);
	OK(close(s[0])), OK(close(s[1]));
}

int
main(void)
{
	for(int how = 0; how < 3; how++) {
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
		closeall(how);
		pass("close all, way %d", how);
	}
	/* The lowest numbers are the program's: nothing sits in between. */
	int a = OK(open("/dev/null", O_RDONLY)), b = OK(dup(a)), c = OK(dup(a));
	EQ(b, a + 1);
	EQ(c, a + 2);
	EQ(a, 3);
	OK(close_range(a, c, 0));
	/* dup2 over each number up to 200, with something that hangs up. */
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	int hi[2] = { OK(fcntl(s[0], F_DUPFD, 300)), OK(fcntl(s[1], F_DUPFD, 310)) };
	OK(close(s[0])), OK(close(s[1]));
	s[0] = hi[0], s[1] = hi[1];
	pthread_t e = spawn(echofd, FDARG(s[1]));
	int null = OK(open("/dev/null", O_RDWR));
	for(int fd = 3; fd < 200; fd++)
		if(fd != null)
			EQ(dup2(null, fd), fd);
	talkto(s[0], 50);
	for(int fd = 3; fd < 200; fd++)
		OK(close(fd));
	talkto(s[0], 50);
	pass("every number taken");
	/* Standard input as a socket. */
	OK(dup2(s[0], 0));
	OK(close(s[0]));
	s[0] = 0;
	talkto(s[0], 50);
	OK(shutdown(0, SHUT_WR));
	join(e);
	pass("standard input");
	return 0;
}
