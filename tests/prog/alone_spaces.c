/* SPDX-License-Identifier: MIT */
/* Namespaces that are only for a process with one thread, after others have ended; what is changed of main's kernel thread then stays so. */
#include "prog.h"
#include "alone.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int niceness;

static void *
inherits(void *arg)
{
	EQ(getpriority(PRIO_PROCESS, 0), niceness);
	usleep(100);
	return arg;
}

/* In a child of its own, as there is no way back: does main get there, with threads before and after? */
static int
newuser(int fd)
{
	for(int i = 0; i < 100; i++)
		askalone();
	someend(4, naps);
	askalone();
	if(fd < 0 ? unshare(CLONE_NEWUSER) != 0 : setns(fd, CLONE_NEWUSER) != 0)
		return errno == EPERM || errno == ENOSPC || errno == EINVAL ? 77 : 1;
	EQ(kthreads(), 1);
	usleep(1000);
	someend(4, naps);
	askalone();
	usleep(1000);
	EQ(kthreads(), 1);
	return 0;
}

static int
inchild(int fd)
{
	pid_t pid;
	int status;

	fflush(stdout);
	if((pid = fork()) == 0)
		_exit(newuser(fd));
	EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A namespace of another process, which its main thread has gone to. */
static int
another(pid_t *pid)
{
	char path[64];
	int fds[2];
	char c;

	OK(pipe(fds));
	if((*pid = fork()) == 0) {
		c = unshare(CLONE_NEWUSER) == 0;
		CHECK(write(fds[1], &c, 1) == 1);
		pause();
	}
	CHECK(read(fds[0], &c, 1) == 1);
	close(fds[0]);
	close(fds[1]);
	snprintf(path, sizeof path, "/proc/%d/ns/user", *pid);
	return c ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

int
main(void)
{
	int fd, r;
	pid_t pid;

	fd = another(&pid);
	if(fd < 0) {
		kill(pid, SIGKILL);
		SKIP("no user namespaces here");
	}
	r = inchild(-1);
	printf("unshare %d\n", r);
	r = inchild(fd);
	printf("setns %d\n", r);
	OK(kill(pid, SIGKILL));
	EQ(waitpid(pid, NULL, 0), pid);
	/* changes something while it is alone; its threads have it, too */
	for(int i = 0; i < 10; i++) {
		someend(3, i ? inherits : naps);
		if(i % 2)
			usleep(3000);
		askalone();
		if(i < 4) {
			niceness = i + 1;
			OK(setpriority(PRIO_PROCESS, 0, niceness));
			EQ(kthreads(), 1);
			EQ(getpriority(PRIO_PROCESS, 0), niceness);
		}
	}
	printf("done\n");
	return 0;
}
