/* SPDX-License-Identifier: MIT */
/*
 * exec by a descriptor (fexecve, execveat) from a thread with others running: the program is replaced, its arguments and environment are the
 * given ones, and close-on-exec descriptors are gone. forkpty and daemon: the child has a terminal of its own, or none, and can make threads.
 */
#include "prog.h"
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static char *args[] = { "self", "again", NULL, NULL };
static int how, keep, cloexec;

static void *
spins(void *arg)
{
	for(;;)
		sched_yield();
	return NULL;
}

static void *
execs(void *arg)
{
	char k[8];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	snprintf(k, sizeof k, "%d", keep * 100 + cloexec);
	args[2] = k;
	OK(setenv("EXEC_FD", how ? "at" : "f", 1));
	if(how)
		syscall(SYS_execveat, fd, "", args, environ, 0x1000 /* AT_EMPTY_PATH */);
	else
		fexecve(fd, args, environ);
	CHECK(!"exec returned");
	return NULL;
}

static void *
nothing(void *arg)
{
	return arg;
}

static int
again(const char *fds)
{
	int n = atoi(fds);

	CHECK(getenv("EXEC_FD") != NULL);
	CHECK(fcntl(n / 100, F_GETFD) == 0);
	CHECK(fcntl(n % 100, F_GETFD) < 0 && errno == EBADF);
	CHECK(join(spawn(nothing, &n)) == &n);
	return 7;
}

static void
child(void)
{
	for(int i = 0; i < 3; i++)
		spawn(spins, NULL);
	join(spawn(execs, NULL));
}

static void
exits(pid_t pid, int code)
{
	int status;

	EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	EQ(WEXITSTATUS(status), code);
}

static void *
terminal(void *arg)
{
	struct winsize w = { .ws_row = 11, .ws_col = 22 };
	char buf[64] = "";
	int m, n = 0;
	pid_t pid = forkpty(&m, NULL, NULL, &w);

	CHECK(pid >= 0);
	if(pid == 0) {
		CHECK(isatty(0) && isatty(1) && getsid(0) == getpid() && tcgetpgrp(0) == getpid());
		join(spawn(nothing, NULL));
		EQ(write(1, "hello", 5), 5);
		EQ(read(0, buf, 1), 1); /* until it has been read */
		_exit(3);
	}
	while(n < 5)
		CHECK((n += (int)read(m, buf + n, sizeof buf - n)) > 0);
	CHECK(memcmp(buf, "hello", 5) == 0);
	EQ(write(m, "\n", 1), 1);
	exits(pid, 3);
	close(m);
	return NULL;
}

/* daemon() in a thread of a process with others: what goes on is that thread, in a session of its own. */
static void *
daemons(void *arg)
{
	int *fds = arg;
	char cwd[8];

	OK(daemon(0, 1));
	EQ(getsid(0), getpid());
	CHECK(getcwd(cwd, sizeof cwd) != NULL && strcmp(cwd, "/") == 0);
	join(spawn(nothing, NULL));
	EQ(write(fds[1], "d", 1), 1);
	_exit(0);
}

int
main(int argc, char **argv)
{
	int fds[2];
	pid_t pid;
	char ch;

	if(argc > 1)
		return again(argv[2]);
	CHECK((keep = open("/dev/null", O_RDONLY)) >= 0);
	CHECK((cloexec = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
	for(how = 0; how < 2; how++) {
		if((pid = fork()) == 0)
			child();
		exits(pid, 7);
		printf("%s: ok\n", how ? "execveat" : "fexecve");
	}
	spawn(spins, NULL);
	join(spawn(terminal, NULL));
	puts("forkpty: ok");
	OK(pipe(fds));
	fflush(stdout);
	if((pid = fork()) == 0) {
		spawn(spins, NULL);
		join(spawn(daemons, fds));
	}
	exits(pid, 0);
	EQ(read(fds[0], &ch, 1), 1);
	puts("daemon: ok");
	return 0;
}
