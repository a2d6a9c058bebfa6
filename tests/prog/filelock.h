/* SPDX-License-Identifier: MIT */
/*
 * For programs whose threads block in the kernel: on a file's lock that a child has. The program may become another user
 * meanwhile; the child does not, and removes the file in the end.
 */
#ifndef FILELOCK_H
#define FILELOCK_H

#include "prog.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char lockpath[] = "/tmp/filelock.XXXXXX";
static int lockorder[2], lockdone[2]; /* 'l': lock, 'u': unlock, 't': in a while; the end: remove the file */
static pid_t lockowner;

static void
lockobey(void)
{
	int fd = -1;
	char ch;

	while(read(lockorder[0], &ch, 1) == 1) {
		if(ch == 'l') {
			CHECK((fd = open(lockpath, O_RDONLY)) >= 0);
			EQ(flock(fd, LOCK_EX), 0);
		}
		if(ch == 'u')
			EQ(close(fd), 0);
		EQ(write(lockdone[1], &ch, 1), 1);
		if(ch == 't') {
			msleep(200);
			EQ(close(fd), 0);
		}
	}
	_exit(unlink(lockpath) == 0 ? 0 : 1);
}

/* Makes the file and the child; before there are threads. */
static void
lockinit(void)
{
	int fd = mkstemp(lockpath);

	CHECK(fd >= 0);
	EQ(fchmod(fd, 0644), 0);
	EQ(close(fd), 0);
	EQ(pipe(lockorder), 0);
	EQ(pipe(lockdone), 0);
	lockowner = fork();
	CHECK(lockowner >= 0);
	if(lockowner == 0) {
		close(lockorder[1]);
		lockobey();
	}
}

static void
lockcommand(char ch)
{
	EQ(write(lockorder[1], &ch, 1), 1);
	EQ(read(lockdone[0], &ch, 1), 1);
}

/* The child takes the lock, and gives it back. */
static void
locktake(void)
{
	lockcommand('l');
}

UNUSED static void
lockrelease(void)
{
	lockcommand('u');
}

/* The same 200 ms from now, when the program may have no thread that gets to say so. */
UNUSED static void
lockreleaselater(void)
{
	lockcommand('t');
}

/* In a thread: waits for the lock. Each has an open file of its own, else they would share it. */
static void
lockwait(void)
{
	int fd = open(lockpath, O_RDONLY);

	CHECK(fd >= 0);
	EQ(flock(fd, LOCK_SH), 0);
	close(fd);
}

static void
lockend(void)
{
	int st;

	close(lockorder[1]);
	EQ(waitpid(lockowner, &st, 0), lockowner);
	EQ(st, 0);
}

#endif
