/* SPDX-License-Identifier: MIT */
/*
 * connect to who does not answer: a listener whose queue is full drops what asks. The call fails with ETIMEDOUT when the kernel has
 * given up (TCP_SYNCNT), with EINPROGRESS when the socket's own time (SO_SNDTIMEO) is over. The other threads go on.
 */
#include "io_util.h"

enum { N = 6 };

static struct sockaddr_in where;
static atomic_int stop, turns;

static void *
sleeper(void *arg)
{
	struct timespec ts = { 0, MS };

	while(!stop) {
		nanosleep(&ts, NULL);
		turns++;
	}
	return NULL;
}

static void *
timedout(void *arg)
{
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0)), tries = 1;
	int64_t t0 = now();
	socklen_t len = sizeof tries;

	OK(setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &tries, sizeof tries));
	FAILS(connect(fd, (struct sockaddr *)&where, sizeof where), ETIMEDOUT);
	CHECK(now() - t0 > SEC);
	OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &tries, &len)); /* the call has taken it */
	EQ(tries, 0);
	FAILS(write(fd, "x", 1), EPIPE);
	OK(close(fd));
	return NULL;
}

static void *
owntime(void *arg)
{
	struct timeval tv = { 0, 200000 };
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	int64_t t0 = now();

	OK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
	FAILS(connect(fd, (struct sockaddr *)&where, sizeof where), EINPROGRESS);
	TOOK(t0, 200 * MS - TICK, 200 * MS);
	FAILS(connect(fd, (struct sockaddr *)&where, sizeof where), EALREADY);
	TOOK(t0, 400 * MS - 2 * TICK, 400 * MS);
	OK(close(fd));
	return NULL;
}

int
main(void)
{
	int l = tcplisten(&where, 0), c[4], before;
	struct pollfd p;
	pthread_t t[N], s;

	signal(SIGPIPE, SIG_IGN);
	/* until one gets no answer */
	for(size_t i = 0; i < nelem(c); i++) {
		c[i] = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
		p = (struct pollfd){ .fd = c[i], .events = POLLOUT };
		FAILS(connect(c[i], (struct sockaddr *)&where, sizeof where), EINPROGRESS);
		OK(poll(&p, 1, 100));
	}
	if(p.revents != 0) {
		fprintf(stderr, "this kernel answers whoever asks\n");
		return 77;
	}
	s = spawn(sleeper, NULL);
	for(int i = 0; i < N; i++)
		t[i] = spawn(i % 2 ? owntime : timedout, NULL);
	before = turns;
	while(turns < before + 100)
		nudge();
	for(int i = 1; i < N; i += 2)
		join(t[i]);
	for(int i = 0; i < N; i += 2)
		join(t[i]);
	stop = 1;
	join(s);
	for(size_t i = 0; i < nelem(c); i++)
		OK(close(c[i]));
	OK(close(l));
	pass("late");
	return 0;
}
