/* SPDX-License-Identifier: MIT */
/* A hundred forks from four threads while others talk over sockets and sleep; each child's status is its own. */
#include "io_util.h"

static atomic_bool over;
static atomic_long work;

static void *
talker(void *arg)
{
	int s[2];
	char b;
	if((intptr_t)arg % 2)
		tcppair(s);
	else
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	for(unsigned char k = 0; !over; k++) {
		EQ(write(s[0], &k, 1), 1);
		EQ(read(s[1], &b, 1), 1);
		EQ((unsigned char)b, k);
		work++;
		if(k % 16 == 0)
			usleep(500);
	}
	OK(close(s[0])), OK(close(s[1]));
	return NULL;
}

static void *
nothing(void *arg)
{
	return arg;
}

static void *
forker(void *arg)
{
	for(int i = 0, n = scale(25); i < n; i++) {
		int st = ((intptr_t)arg * 25 + i) % 100, p[2], v = 0;
		OK(pipe(p));
		pid_t pid = OK(fork());
		if(pid == 0) {
			/* A thread and a pipe in every child. */
			void *r = join(spawn(nothing, (void *)(intptr_t)(st + 1)));
			v = (intptr_t)r;
			writen(p[1], &v, sizeof v);
			_exit(st);
		}
		readn(p[0], &v, sizeof v);
		EQ(v, st + 1);
		EQ(reap(pid), st << 8);
		OK(close(p[0])), OK(close(p[1]));
	}
	return NULL;
}

int
main(void)
{
	pthread_t *t = spawnall(16, talker), *f = spawnall(4, forker);
	joinall(f, 4);
	long w = work;
	while(work < w + 100) /* the others are alive */
		sched_yield();
	over = true;
	joinall(t, 16);
	FAILS(waitpid(-1, NULL, 0), ECHILD);
	pass("storm");
	return 0;
}
