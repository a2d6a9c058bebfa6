/* SPDX-License-Identifier: MIT */
/* procs: 1 4 */
/* Threads that wait for each other for ever just wait, as natively, until a signal ends the process; heddle says why. */
#include "prog.h"
#include <signal.h>
#include <sys/wait.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t bar;

static void *
ab(void *arg)
{
	OK(pthread_mutex_lock(&a));
	pthread_barrier_wait(&bar);
	OK(pthread_mutex_lock(&b));
	return arg;
}

static void *
ba(void *arg)
{
	OK(pthread_mutex_lock(&b));
	pthread_barrier_wait(&bar);
	OK(pthread_mutex_lock(&a));
	return arg;
}

int
main(void)
{
	pid_t pid = fork();
	int st;

	CHECK(pid >= 0);
	if(pid == 0) {
		pthread_t t;

		OK(pthread_barrier_init(&bar, NULL, 2));
		t = spawn(ab, NULL);
		spawn(ba, NULL);
		join(t);
		_exit(1);
	}
	msleep(600);
	EQ(waitpid(pid, &st, WNOHANG), 0);
	EQ(kill(pid, SIGTERM), 0);
	EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFSIGNALED(st));
	printf("ended by %s\n", strsignal(WTERMSIG(st)));
	return 0;
}
