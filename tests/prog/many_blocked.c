/* SPDX-License-Identifier: MIT */
/* native: no */
/* procs: 2 */
/* timeout: 240 */
/* A thousand threads (20,000 with TEST_SCALE=20) in a call that blocks in the kernel, on a file's lock; the rest of the process goes on. */
#include "prog.h"
#include <fcntl.h>
#include <sys/wait.h>

static _Atomic long started, got;
static char path[] = "/tmp/many_blocked.XXXXXX";
static int fd;

static void *
blocks(void *arg)
{
	struct flock l;

	memset(&l, 0, sizeof l);
	l.l_type = F_RDLCK;
	l.l_whence = SEEK_SET;
	started++;
	EQ(fcntl(fd, F_SETLKW, &l), 0);
	got++;
	return arg;
}

static void *
nothing(void *arg)
{
	return arg;
}

int
main(void)
{
	long n = scale(1000);
	pthread_attr_t a;
	pthread_t *t;
	struct flock l;
	int ready[2], go[2], st;
	pid_t pid;
	char ch;

	if(n > 20000)
		n = 20000;
	fd = mkstemp(path);
	CHECK(fd >= 0);
	unlink(path);
	EQ(pipe(ready), 0);
	EQ(pipe(go), 0);
	pid = fork();
	CHECK(pid >= 0);
	if(pid == 0) {
		memset(&l, 0, sizeof l);
		l.l_type = F_WRLCK;
		l.l_whence = SEEK_SET;
		EQ(fcntl(fd, F_SETLK, &l), 0);
		EQ(write(ready[1], "x", 1), 1);
		EQ(read(go[0], &ch, 1), 1);
		_exit(0);	/* and the lock is free */
	}
	EQ(read(ready[0], &ch, 1), 1);
	t = malloc(n * sizeof *t);
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, 64 << 10));
	for(intptr_t i = 0; i < n; i++)
		OK(pthread_create(&t[i], &a, blocks, (void *)i));
	while(started < n)
		usleep(1000);
	/* All are on their way into the call; other threads come, sleep and go. */
	for(intptr_t i = 0; i < 100; i++) {
		CHECK(join(spawn(nothing, (void *)i)) == (void *)i);
		usleep(100);
	}
	EQ(got, 0);
	EQ(write(go[1], "x", 1), 1);
	for(intptr_t i = 0; i < n; i++)
		CHECK(join(t[i]) == (void *)i);
	EQ(got, n);
	EQ(waitpid(pid, &st, 0), pid);
	EQ(st, 0);
	puts("ok");
	return 0;
}
