/* SPDX-License-Identifier: MIT */
/* No descriptor is free when threads start, block and talk: everything works on those that are open. */
#include "prog.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define N 16

static int fds[N][2], pipes[N][2];
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int count;

static void *
echo(void *arg)
{
	int k = (intptr_t)arg;
	char ch;

	for(int i = 0; i < 50; i++) {
		EQ(recv(fds[k][0], &ch, 1, 0), 1);
		EQ(ch, (char)i);
		EQ(write(pipes[k][1], &ch, 1), 1);
		if(i % 10 == 0)
			usleep(100);
	}
	OK(pthread_mutex_lock(&m));
	count++;
	OK(pthread_cond_signal(&c));
	OK(pthread_mutex_unlock(&m));
	return NULL;
}

static void *
call(void *arg)
{
	int k = (intptr_t)arg;
	char ch;

	for(int i = 0; i < 50; i++) {
		ch = i;
		EQ(send(fds[k][1], &ch, 1, 0), 1);
		EQ(read(pipes[k][0], &ch, 1), 1);
		EQ(ch, (char)i);
	}
	return NULL;
}

int
main(void)
{
	pthread_t e[N], t[N];
	struct rlimit lim = { 0, 0 };

	for(int i = 0; i < N; i++) {
		EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
		EQ(pipe(pipes[i]), 0);
	}
	/* Whatever the limit, nothing new can be opened. */
	lim.rlim_cur = lim.rlim_max = 3;
	EQ(setrlimit(RLIMIT_NOFILE, &lim), 0);
	EQ(open("/dev/null", O_RDONLY), -1);
	EQ(errno, EMFILE);
	for(intptr_t i = 0; i < N; i++) {
		e[i] = spawn(echo, (void *)i);
		t[i] = spawn(call, (void *)i);
	}
	OK(pthread_mutex_lock(&m));
	while(count < N)
		OK(pthread_cond_wait(&c, &m));
	OK(pthread_mutex_unlock(&m));
	for(int i = 0; i < N; i++) {
		join(e[i]);
		join(t[i]);
	}
	EQ(open("/dev/null", O_RDONLY), -1);
	EQ(errno, EMFILE);
	puts("ok");
	return 0;
}
