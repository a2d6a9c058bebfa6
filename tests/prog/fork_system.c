/* SPDX-License-Identifier: MIT */
/* system, popen and pclose from many threads, while others go on; their statuses, and what they do to signals. */
#include "others.h"

static void *
runs(void *arg)
{
	int i = (intptr_t)arg;
	char cmd[100], line[100];
	for(int k = 0; k < 3; k++) {
		snprintf(cmd, sizeof cmd, "exit %d", i + k);
		EQ(system(cmd), (i + k) << 8);
		snprintf(cmd, sizeof cmd, "echo one %d; echo two %d; exit %d", i, k, i + 1);
		FILE *f = popen(cmd, "r");
		CHECK(f);
		char want[100];
		snprintf(want, sizeof want, "one %d\n", i);
		CHECK(fgets(line, sizeof line, f) && strcmp(line, want) == 0);
		snprintf(want, sizeof want, "two %d\n", k);
		CHECK(fgets(line, sizeof line, f) && strcmp(line, want) == 0);
		CHECK(fgets(line, sizeof line, f) == NULL);
		EQ(pclose(f), (i + 1) << 8);
		f = popen("read a; read b; [ \"$a$b\" = helloworld ]", "w");
		CHECK(f && fprintf(f, "hello\n") > 0 && fflush(f) == 0);
		sched_yield();
		CHECK(fprintf(f, "world\n") > 0);
		EQ(pclose(f), 0);
	}
	return NULL;
}

static atomic_int hits;

static void
handler(int sig)
{
	hits++;
}

int
main(void)
{
	workpause = 100;
	pthread_t *w = spawnall(5, worker);
	runs((void *)7);
	pass("main");
	joinall(spawnall(10, runs), 10);
	pass("threads");
	CHECK(system(NULL) != 0);
	int st = system("kill -9 $$");
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	EQ(system("no-such-command-here 2>/dev/null"), 127 << 8);
	/* SIGINT and SIGQUIT are ignored, and SIGCHLD blocked, while it waits. */
	signal(SIGINT, handler);
	signal(SIGQUIT, handler);
	EQ(system("kill -2 $PPID; kill -3 $PPID"), 0);
	EQ(hits, 0);
	EQ(raise(SIGINT), 0);
	EQ(hits, 1);
	pass("signals");
	long n = work;
	FILE *f = popen("sleep 0.1; echo done", "r");
	char line[20];
	CHECK(f && fgets(line, sizeof line, f) && strcmp(line, "done\n") == 0);
	EQ(pclose(f), 0);
	CHECK(work > n);
	pass("others go on");
	over = true;
	joinall(w, 5);
	return 0;
}
