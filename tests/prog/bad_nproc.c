/* SPDX-License-Identifier: MIT */
/*
 * RLIMIT_NPROC lets no thread, or hardly any, be made: pthread_create says
 * EAGAIN or makes one that works; nothing dies, and later it works again.
 */
#include "io_util.h"
#include <sys/prctl.h>

static int p[2];

static void *
reader(void *arg)
{
	int v;
	readn(p[0], &v, sizeof v);
	return (void *)(intptr_t)v;
}

/* As many as can be made, up to n; each that was made ends with the number that it read. */
static void
try(int n)
{
	pthread_t t[50];
	int made = 0, sum = 0, want = 0, e = 0;
	for(; made < n; made++)
		if((e = pthread_create(&t[made], NULL, reader, NULL)) != 0)
			break;
	if(made < n)
		EQ(e, EAGAIN);
	for(int i = 1; i <= made; i++) {
		writen(p[1], &i, sizeof i);
		want += i;
	}
	for(int i = 0; i < made; i++)
		sum += (intptr_t)join(t[i]);
	EQ(sum, want);
}

int
main(void)
{
	struct rlimit rl, low;
	if(geteuid() != 0) {
		fprintf(stderr, "bad_nproc: only root can become a user without processes\n");
		return 77;
	}
	OK(pipe(p));
	/* For root there is no limit: be someone else. */
	OK(setresgid(64322, 64322, 64322));
	OK(setresuid(64322, 64322, 64322));
	OK(getrlimit(RLIMIT_NPROC, &rl));
	for(int k = 1; k <= 10; k++) {
		low = rl;
		low.rlim_cur = k;
		OK(setrlimit(RLIMIT_NPROC, &low));
		try(20);
		/* fork obeys it as well, or the limit would not be one. */
		pid_t pid = fork();
		if(pid == 0)
			_exit(0);
		if(pid == -1)
			EQ(errno, EAGAIN);
		else
			EQ(reap(pid), 0);
	}
	pass("low limits");
	OK(setrlimit(RLIMIT_NPROC, &rl));
	try(50);
	pthread_t *t = spawnall(50, reader);
	for(int i = 0; i < 50; i++)
		writen(p[1], &i, sizeof i);
	joinall(t, 50);
	pass("high again");
	return 0;
}
