/* SPDX-License-Identifier: MIT */
/* status: 3 */
/* Many processes, in each of which threads race through create, join, malloc and stdio while one calls exit. */
#include "prog.h"
#include <sys/wait.h>

static void *
leaf(void *arg)
{
	free(malloc((intptr_t)arg % 500 + 1));
	return arg;
}

static void *
churn(void *arg)
{
	for(intptr_t i = 0;; i++)
		CHECK(join(spawn(leaf, (void *)i)) == (void *)i);
	return arg;
}

static void
child(int i)
{
	for(int k = 0; k < 4; k++)
		spawn(churn, NULL);
	for(volatile int spin = 0; spin < i * 20000; spin++)
		;
	if(i % 2)
		msleep(i % 5);
	exit(i % 100);
}

int
main(void)
{
	int n = scale(40);

	for(int i = 0; i < n; i++) {
		pid_t pid = fork();
		int st;

		CHECK(pid >= 0);
		if(pid == 0)
			child(i);
		EQ(waitpid(pid, &st, 0), pid);
		CHECK(WIFEXITED(st));
		EQ(WEXITSTATUS(st), i % 100);
	}
	puts("ok");
	return 3;
}
