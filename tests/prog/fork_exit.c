/* SPDX-License-Identifier: MIT */
/* status: 4 */
/* In a child forked by a thread, that thread is the only one: its return, exit, pthread_exit and exec act as main's. */
#include "prog.h"
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;
static int how;

static void *
forks(void *arg)
{
	pid_t *pid = arg;

	*pid = fork();
	CHECK(*pid >= 0);
	if(*pid != 0)
		return NULL;
	switch(how) {
	case 0:
		exit(20);
	case 1:
		pthread_exit(NULL);	/* the last thread: status 0 */
	case 2:
		return NULL;
	case 3:
		execl("/bin/sh", "sh", "-c", "exit 23", (char *)NULL);
		_exit(99);
	case 4:
		_exit(24);
	default:
		abort();
	}
}

static int
shell(const char *cmd)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)cmd, NULL };
	pid_t pid;
	int st;

	OK(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ));
	EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFEXITED(st));
	return WEXITSTATUS(st);
}

static void *
starts(void *arg)
{
	char buf[100];

	for(int i = 0; i < 5; i++) {
		EQ(shell("exit 9"), 9);
		int st = system("exit 8");
		EQ(WEXITSTATUS(st), 8);
		FILE *p = popen("echo hello; exit 3", "r");
		CHECK(p != NULL);
		CHECK(fgets(buf, sizeof buf, p) != NULL && strcmp(buf, "hello\n") == 0);
		st = pclose(p);
		EQ(WEXITSTATUS(st), 3);
		pid_t pid = vfork();
		if(pid == 0) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(98);
		}
		CHECK(pid > 0);
		EQ(waitpid(pid, &st, 0), pid);
		EQ(st, 0);
	}
	return arg;
}

int
main(void)
{
	static const int want[] = { 20, 0, 0, 23, 24 };
	pthread_t t[4];
	pid_t pid;
	int st;

	for(how = 0; how < 5; how++) {
		join(spawn(forks, &pid));
		EQ(waitpid(pid, &st, 0), pid);
		CHECK(WIFEXITED(st));
		EQ(WEXITSTATUS(st), want[how]);
	}
	for(int i = 0; i < 4; i++)
		t[i] = spawn(starts, NULL);
	for(int i = 0; i < 4; i++)
		join(t[i]);
	puts("ok");
	fflush(stdout);
	execl("/bin/sh", "sh", "-c", "echo from exec; exit 4", (char *)NULL);
	return 1;
}
