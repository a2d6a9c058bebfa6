/* SPDX-License-Identifier: MIT */
/* procs: 1 2 */
/*
 * A thread that has computed for about a time slice, with others waiting for the CPU, becomes another program: whatever
 * was about to interrupt it must not reach that.
 */
#include <sys/wait.h>
#include <time.h>

#include "prog.h"

extern char **environ;

static void
compute(long us)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	do {
		for(volatile int i = 0; i < 2000; i++)
			;
		clock_gettime(CLOCK_MONOTONIC, &b);
	} while((b.tv_sec - a.tv_sec) * 1000000L + (b.tv_nsec - a.tv_nsec) / 1000 < us);
}

static void *
hog(void *arg)
{
	for(volatile unsigned long i = 0;; i++)
		;
	return arg;
}

static void *
becomes(void *arg)
{
	int i = (int)(long)arg;
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"exit 7", NULL };

	EQ(execv("/nonexistent", argv), -1);
	EQ(errno, ENOENT);
	compute(9000 + i % 20 * 150);
	switch(i % 6) {
	case 0: execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL); break;
	case 1: execlp("sh", "sh", "-c", "exit 7", (char *)NULL); break;
	case 2: execle("/bin/sh", "sh", "-c", "exit 7", (char *)NULL, environ); break;
	case 3: execv("/bin/sh", argv); break;
	case 4: execvp("sh", argv); break;
	case 5: execve("/bin/sh", argv, environ); break;
	}
	return NULL;
}

int
main(void)
{
	for(int i = 0; i < 40; i++) {
		pid_t pid = fork();
		int st;

		CHECK(pid >= 0);
		if(pid == 0) {
			pthread_t t;

			alarm(20);
			OK(pthread_create(&t, NULL, hog, NULL));
			OK(pthread_create(&t, NULL, becomes, (void *)(long)i));
			pthread_join(t, NULL);
			_exit(1);
		}
		EQ(waitpid(pid, &st, 0), pid);
		CHECK(WIFEXITED(st));
		EQ(WEXITSTATUS(st), 7);
	}
	puts("ok");
	return 0;
}
