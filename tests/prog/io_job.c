/* SPDX-License-Identifier: MIT */
/*
 * Job control on a terminal: a read by a thread of a process group in the background stops the group (SIGTTIN), a write does with TOSTOP
 * (SIGTTOU), and once it is in the foreground and goes on the call gets what there is. With the signal ignored or its
 * group orphaned the call fails. The other threads do as the group does.
 */
#include "io_util.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>

static int tty;
static struct shared {
	atomic_int turns, ready;
} *sh;

static void *
spinner(void *arg)
{
	struct timespec ts = { 0, 2 * MS };

	for(;;) {
		sh->turns++;
		nanosleep(&ts, NULL);
	}
	return NULL;
}

static void *
reader(void *arg)
{
	char b[16];

	sh->ready = 1;
	_exit(read(tty, b, sizeof b) == 6 && memcmp(b, "hello\n", 6) == 0 ? 21 : 1);
}

static void *
writer(void *arg)
{
	sh->ready = 1;
	_exit(write(tty, "shown", 5) == 5 ? 22 : 2);
}

static void *
refused(void *arg)
{
	char b[16];

	errno = 0;
	_exit(read(tty, b, sizeof b) == -1 && errno == EIO ? 23 : 3);
}

static void *
unstopped(void *arg)
{
	_exit(write(tty, "shown", 5) == 5 ? 24 : 4);
}

/* A process in a group of its own, not the terminal's: some of its threads wait elsewhere, one does f. */
static pid_t
background(void *(*f)(void *), int ignored)
{
	pid_t pid = forkclean();

	if(pid != 0)
		return pid;
	OK(setpgid(0, 0));
	if(ignored)
		signal(ignored, SIG_IGN);
	spawn(spinner, NULL);
	spawn(f, NULL);
	for(;;)
		pause();
}

/* The stopped group does nothing; then it has the terminal, goes on, and ends with this status. */
static void
onward(pid_t pid, int sig, int status)
{
	int st, turns;

	EQ(waitpid(pid, &st, WUNTRACED), pid);
	CHECK(WIFSTOPPED(st));
	EQ(WSTOPSIG(st), sig);
	turns = sh->turns;
	nudge();
	EQ(sh->turns, turns);
	OK(tcsetpgrp(tty, pid));
	OK(kill(-pid, SIGCONT));
	st = reap(pid);
	CHECK(WIFEXITED(st));
	EQ(WEXITSTATUS(st), status);
	OK(tcsetpgrp(tty, getpid()));
}

static void
fails(pid_t pid, int status)
{
	int st = reap(pid);

	CHECK(WIFEXITED(st));
	EQ(WEXITSTATUS(st), status);
}

static void
expect(int master, const char *s)
{
	char b[16];

	readn(master, b, strlen(s));
	CHECK(memcmp(b, s, strlen(s)) == 0);
}

/* The session's leader, in the foreground. */
static void
session(int master)
{
	struct termios t;

	OK(setsid());
	OK(ioctl(tty, TIOCSCTTY, 0));
	signal(SIGTTOU, SIG_IGN); /* for tcsetpgrp */
	OK(tcgetattr(tty, &t));
	t.c_lflag &= ~(tcflag_t)ECHO;
	t.c_oflag &= ~(tcflag_t)OPOST;
	OK(tcsetattr(tty, TCSANOW, &t));
	EQ(write(master, "hello\n", 6), 6);
	signal(SIGTTOU, SIG_DFL);
	pid_t pid = background(reader, 0);
	signal(SIGTTOU, SIG_IGN);
	onward(pid, SIGTTIN, 21);

	t.c_lflag |= TOSTOP;
	OK(tcsetattr(tty, TCSANOW, &t));
	signal(SIGTTOU, SIG_DFL);
	pid = background(writer, 0);
	signal(SIGTTOU, SIG_IGN);
	onward(pid, SIGTTOU, 22);
	expect(master, "shown");

	fails(background(refused, SIGTTIN), 23);
	fails(background(unstopped, SIGTTOU), 24);
	expect(master, "shown");
	_exit(0);
}

int
main(void)
{
	int master, st;
	pid_t pid;

	OK(openpty(&master, &tty, NULL, NULL, NULL));
	sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(sh != MAP_FAILED);
	pid = forkclean();
	if(pid == 0)
		session(master);
	st = reap(pid);
	CHECK(WIFEXITED(st));
	EQ(WEXITSTATUS(st), 0);
	pass("stopped and continued");
	return 0;
}
