/* SPDX-License-Identifier: MIT */
/*
 * exec from a child of a thread, from a thread itself, after vfork, and by
 * posix_spawn: arguments, environment, descriptors, masks and dispositions
 * arrive as they should.  The program starts itself again to look.
 */
#include "io_util.h"
#include <dirent.h>
#include <spawn.h>

static char self[PATH_MAX];

/* What the new program finds; exit status 40 plus the bits of what is not as it should be. */
static int
inspect(char **argv)
{
	int bad = 0, want = atoi(argv[2]), n = 0;
	sigset_t s;
	struct sigaction sa;
	if(sigprocmask(SIG_BLOCK, NULL, &s) != 0 || sigismember(&s, SIGUSR1) != want % 2 || sigismember(&s, SIGUSR2) != 0)
		bad |= 1;
	/* Ignored stays ignored, handled becomes default. */
	if(sigaction(SIGHUP, NULL, &sa) != 0 || sa.sa_handler != SIG_IGN)
		bad |= 2;
	if(sigaction(SIGTERM, NULL, &sa) != 0 || sa.sa_handler != SIG_DFL)
		bad |= 2;
	if(getenv("MARK") == NULL || strcmp(getenv("MARK"), argv[2]) != 0)
		bad |= 4;
	/* Standard descriptors, 7, and that of opendir: nothing else came along. */
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	while(d && (e = readdir(d)) != NULL)
		if(e->d_name[0] != '.') {
			int fd = atoi(e->d_name);
			if(fd > 2 && fd != 7 && fd != dirfd(d))
				bad |= 8;
			n++;
		}
	char b;
	if(read(7, &b, 1) != 1 || b != 'm')
		bad |= 16;
	return 40 + bad;
}

static void
handler(int sig)
{
}

static int msg[2];
static char arg2[16];
static char *args[] = { "fork_exec", "inspect", arg2, NULL };

/* The marked environment of the new program. */
static char **
environment(int want)
{
	static char *env[64], m[32];
	int n = 0;
	snprintf(m, sizeof m, "MARK=%d", want);
	snprintf(arg2, sizeof arg2, "%d", want);
	for(char **e = environ; *e && n < 60; e++)
		env[n++] = *e;
	env[n++] = m;
	env[n] = NULL;
	return env;
}

static void
maskusr1(bool on)
{
	sigset_t s;
	sigemptyset(&s);
	if(on)
		sigaddset(&s, SIGUSR1);
	EQ(pthread_sigmask(SIG_SETMASK, &s, NULL), 0);
}

enum { FORK, VFORK, SPAWN, SPAWNFILE, KINDS };

static int
start(int kind, int want)
{
	char **env = environment(want);
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	pid_t pid = -1;
	EQ(write(msg[1], "m", 1), 1);
	switch(kind) {
	case FORK:
		pid = OK(fork());
		if(pid == 0) {
			if(dup2(msg[0], 7) == 7)
				execve(self, args, env);
			_exit(127);
		}
		break;
	case VFORK:
		pid = OK(vfork());
		if(pid == 0) {
			if(dup2(msg[0], 7) == 7)
				execve(self, args, env);
			_exit(127);
		}
		break;
	case SPAWN:
	case SPAWNFILE:
		EQ(posix_spawn_file_actions_init(&fa), 0);
		EQ(posix_spawn_file_actions_adddup2(&fa, msg[0], 7), 0);
		EQ(posix_spawnattr_init(&at), 0);
		if(kind == SPAWNFILE) {
			sigset_t s;
			sigemptyset(&s);
			if(want % 2)
				sigaddset(&s, SIGUSR1);
			EQ(posix_spawnattr_setsigmask(&at, &s), 0);
			EQ(posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK), 0);
		}
		EQ(posix_spawn(&pid, self, &fa, &at, args, env), 0);
		posix_spawnattr_destroy(&at);
		posix_spawn_file_actions_destroy(&fa);
		break;
	}
	return reap(pid);
}

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

static void *
thread(void *arg)
{
	for(int k = 0; k < KINDS; k++) {
		/* The arguments are shared. */
		pthread_mutex_lock(&one);
		maskusr1(k % 2);
		EQ(start(k, k % 2), 40 << 8);
		maskusr1(false);
		pthread_mutex_unlock(&one);
	}
	return NULL;
}

static int never[2];

static void *
waiter(void *arg)
{
	char b;
	EQ(read(never[0], &b, 1), 0);
	return NULL;
}

static void *
execs(void *arg)
{
	char **env = environment(0);
	if(dup2(msg[0], 7) == 7)
		execve(self, args, env);
	_exit(127);
}

/* exec in a thread replaces the whole process, whichever thread it is. */
static void
whole(void)
{
	EQ(write(msg[1], "m", 1), 1);
	pid_t pid = forkclean();
	if(pid == 0) {
		spawnall(10, waiter);
		spawn(execs, NULL);
		for(;;)
			pause();
	}
	EQ(reap(pid), 40 << 8);
	pass("exec in a thread");
}

static void
errors(void)
{
	pid_t pid;
	char *none[] = { "x", NULL };
	OK(setenv("PATH", "/nonexistent:/", 1)); /* what may not be looked at is EACCES */
	FAILS(execv("/nonexistent/program", none), ENOENT);
	FAILS(execv("/etc/passwd", none), EACCES);
	FAILS(execlp("no-such-program-anywhere", "x", NULL), ENOENT);
	EQ(posix_spawn(&pid, "/nonexistent/program", NULL, NULL, none, environ), ENOENT);
	EQ(posix_spawnp(&pid, "no-such-program-anywhere", NULL, NULL, none, environ), ENOENT);
	/* A failed exec in a thread leaves all as it was. */
	waitpid(-1, NULL, WNOHANG);
	pass("errors");
}

int
main(int argc, char **argv)
{
	if(argc == 3 && strcmp(argv[1], "inspect") == 0)
		return inspect(argv);
	ssize_t n = OK(readlink("/proc/self/exe", self, sizeof self - 1));
	self[n] = 0;
	/* Whatever the caller left open is no business of this test. */
	close_range(3, ~0u, 0);
	OK(pipe2(msg, O_CLOEXEC));
	OK(pipe2(never, O_CLOEXEC));
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, handler);
	thread(NULL);
	pass("main, no threads");
	pthread_t *t = spawnall(10, waiter);
	thread(NULL);
	pass("main");
	joinall(spawnall(4, thread), 4);
	pass("threads");
	whole();
	errors();
	OK(close(never[1]));
	joinall(t, 10);
	return 0;
}
