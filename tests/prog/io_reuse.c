/* SPDX-License-Identifier: MIT */
/*
 * Numbers of descriptors are reused all the time, for files of another kind,
 * by other threads: a wait on the new file is never lost to, or woken by, what
 * was known of the old one.
 */
#include "io_util.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

enum { NT = 12, ROUNDS = 150 };

static int rounds;

/* A pair of ends of the k-th kind: what is written to fd[1] is read from fd[0]. */
static void
make(int kind, int fd[2])
{
	switch(kind % 5) {
	case 0: OK(pipe(fd)); break;
	case 1: OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd)); break;
	case 2: OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd)); break;
	case 3: tcppair(fd); break;
	case 4:
		fd[0] = OK(eventfd(0, 0));
		fd[1] = OK(dup(fd[0]));
		break;
	}
}

struct peer {
	int fd;
	uint64_t v;
	bool late;
};

static void *
send8(void *arg)
{
	struct peer *q = arg;
	if(q->late)
		nudge();
	EQ(write(q->fd, &q->v, 8), 8);
	OK(close(q->fd));
	return NULL;
}

static void *
churn(void *arg)
{
	uint32_t id = (intptr_t)arg, x = id * 7919 + 1;
	for(int i = 0; i < rounds; i++) {
		int fd[2];
		uint64_t v = 0;
		x = x * 1664525 + 1013904223;
		make(x >> 16, fd);
		struct peer q = { fd[1], (uint64_t)(id + 1) << 32 | i, i % 50 == 7 };
		pthread_t t = spawn(send8, &q);
		for(size_t got = 0; got < 8;) {
			ssize_t n = read(fd[0], (char *)&v + got, 8 - got);
			CHECK(n > 0);
			got += n;
		}
		EQ(v, q.v);
		join(t);
		OK(close(fd[0]));
	}
	return NULL;
}

/* The file goes and comes back as another at the same number while threads use its neighbours. */
static void *
samenumber(void *arg)
{
	int slot = 500 + (intptr_t)arg;
	for(int i = 0; i < rounds; i++) {
		int fd[2];
		uint64_t v;
		make(i, fd);
		EQ(dup2(fd[0], slot), slot);
		OK(close(fd[0]));
		struct peer q = { fd[1], i + 1, i % 50 == 7 };
		pthread_t t = spawn(send8, &q);
		readn(slot, &v, 8);
		EQ(v, i + 1);
		join(t);
		if(i % 3 == 0)
			OK(close(slot));
	}
	return NULL;
}

/* Numbers closed and opened between a non-blocking use and a waiting one. */
static void *
mixed(void *arg)
{
	char b[8];
	for(int i = 0; i < rounds; i++) {
		int s[2], e = OK(epoll_create1(0));
		OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
		FAILS(read(s[0], b, 8), EAGAIN);
		struct epoll_event ev = { EPOLLIN, { .u32 = i } };
		OK(epoll_ctl(e, EPOLL_CTL_ADD, s[0], &ev));
		EQ(epoll_wait(e, &ev, 1, 0), 0);
		EQ(write(s[1], "z", 1), 1);
		EQ(epoll_wait(e, &ev, 1, -1), 1);
		EQ(ev.data.u32, i);
		EQ(read(s[0], b, 8), 1);
		OK(close(s[1]));
		EQ(read(s[0], b, 8), 0);
		OK(close(s[0]));
		OK(close(e));
		int t = OK(timerfd_create(CLOCK_MONOTONIC, 0));
		struct itimerspec it = { { 0, 0 }, { 0, 50000 } };
		OK(timerfd_settime(t, 0, &it, NULL));
		EQ(read(t, b, 8), 8);
		OK(close(t));
	}
	return NULL;
}

int
main(void)
{
	rounds = scale(ROUNDS);
	pthread_t *a = spawnall(NT, churn), *b = spawnall(NT / 2, samenumber), *c = spawnall(NT / 2, mixed);
	joinall(a, NT);
	pass("churn");
	joinall(b, NT / 2);
	pass("same number");
	joinall(c, NT / 2);
	pass("mixed");
	return 0;
}
