/* SPDX-License-Identifier: MIT */
/*
 * Connections come and go, waited for by several threads, under other numbers, sent to oneself, closed by others: when all are closed
 * nothing in the process watches any of them, by what the kernel says of its epoll instances.
 */
#include "io_util.h"
#include <dirent.h>

enum { ROUNDS = 60, CONNS = 6, FEW = 8 };

/* The files that some epoll instance of the process watches. */
static int
watches(void)
{
	DIR *d = opendir("/proc/self/fdinfo");
	struct dirent *e;
	char path[300], line[200];
	int n = 0;

	CHECK(d);
	while((e = readdir(d))) {
		snprintf(path, sizeof path, "/proc/self/fdinfo/%s", e->d_name);
		FILE *f = fopen(path, "r");
		while(f && fgets(line, sizeof line, f))
			n += strncmp(line, "tfd:", 4) == 0;
		if(f)
			OK(fclose(f));
	}
	OK(closedir(d));
	return n;
}

static void *
reads(void *arg)
{
	char b;

	EQ(read((intptr_t)arg, &b, 1), 1);
	return NULL;
}

/* A thread waits for it, and gets a byte. */
static void
used(int fd, int peer)
{
	pthread_t t = spawn(reads, FDARG(fd));

	if(fd % 4 == 0)
		nudge();
	EQ(write(peer, "b", 1), 1);
	join(t);
}

/* Another number for it, by some way; the old one goes. */
static int
renumbered(int fd, int how)
{
	int other, s[2];

	switch(how % 4) {
	case 0:
		return fd;
	case 1:
		other = OK(dup(fd));
		break;
	case 2:
		other = OK(fcntl(fd, F_DUPFD_CLOEXEC, 100));
		break;
	default:
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
		other = OK(open("/dev/null", O_RDONLY));
		EQ(dup2(fd, other), other);
		passfd(s[0], fd, 'p');
		OK(close(s[0])), OK(close(s[1])); /* what nobody has received goes with it */
		break;
	}
	OK(close(fd));
	return other;
}

static void
round1(int how)
{
	int fd[CONNS][2];

	for(int i = 0; i < CONNS; i++)
		if(i % 3 == 0)
			tcppair(fd[i]);
		else if(i % 3 == 1)
			OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd[i]));
		else
			OK(pipe(fd[i]));
	for(int i = 0; i < CONNS; i++) {
		used(fd[i][0], fd[i][1]);
		fd[i][0] = renumbered(fd[i][0], how + i);
		used(fd[i][0], fd[i][1]);
	}
	for(int i = 0; i < CONNS; i++)
		OK(close(fd[i][0])), OK(close(fd[i][1]));
}

int
main(void)
{
	for(int i = 0; i < ROUNDS; i++)
		round1(i);
	CHECK(watches() <= FEW);
	pass("nothing is watched");
	return 0;
}
