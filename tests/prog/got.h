/* SPDX-License-Identifier: MIT */
/* For programs in which a descriptor changes while threads wait on it: the waits, each on a thread of its own, and what they had. */
#ifndef GOT_H
#define GOT_H

#include "io_util.h"
#include <sys/ioctl.h>

struct got {
	int fd; /* of the wait */
	int err;
	ssize_t n;
	char b[8];
};

__attribute__((unused)) static void *
reader(void *arg)
{
	struct got *g = arg;

	g->n = read(g->fd, g->b, 8);
	g->err = errno;
	return NULL;
}

__attribute__((unused)) static void *
accepter(void *arg)
{
	struct got *g = arg;

	g->n = accept(g->fd, NULL, NULL);
	g->err = errno;
	return NULL;
}

static void *
waitall(void *arg)
{
	struct got *g = arg;

	g->n = recv(g->fd, g->b, 8, MSG_WAITALL);
	g->err = errno;
	return NULL;
}

/*
 * A thread that receives eight bytes from fd, of which it has taken the first four, half, sent by peer: that much proves that
 * it is inside the call.
 */
static pthread_t
halfdone(struct got *g, int fd, int peer, const char *half)
{
	pthread_t t;
	int left;

	*g = (struct got){ .fd = fd };
	t = spawn(waitall, g);
	EQ(write(peer, half, 4), 4);
	do {
		sched_yield();
		OK(ioctl(fd, FIONREAD, &left));
	} while(left > 0);
	return t;
}

#endif
