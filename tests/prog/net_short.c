/* SPDX-License-Identifier: MIT */
/*
 * Short questions and answers on connections of their own, read with room for more than there is: a read that was short has told that
 * there is nothing left. tests/test_calls.sh counts what the kernel is asked for all that.
 */
#include "io_util.h"

enum { CONNS = 8, ROUNDS = 100 };

static struct sockaddr_in where;
static int listener;

static void *
serves(void *arg)
{
	int fd = OK(accept(listener, NULL, NULL)), served = 0;
	char b[100];
	ssize_t n;

	while((n = recv(fd, b, sizeof b, 0)) > 0) {
		EQ(n, 10);
		EQ(send(fd, b, n, 0), n);
		served++;
	}
	EQ(n, 0);
	OK(close(fd));
	return (void *)(intptr_t)served;
}

static void *
asks(void *arg)
{
	int fd = tcpdial(&where);
	char b[100];

	for(int i = 0; i < ROUNDS; i++) {
		memset(b, i, 10);
		EQ(send(fd, b, 10, 0), 10);
		b[9] = ~i;
		EQ(recv(fd, b, sizeof b, 0), 10);
		EQ(b[9], (char)i);
	}
	OK(close(fd));
	return NULL;
}

int
main(void)
{
	pthread_t *s, *a;
	int sum = 0;

	listener = tcplisten(&where, CONNS);
	s = spawnall(CONNS, serves);
	a = spawnall(CONNS, asks);
	joinall(a, CONNS);
	for(int i = 0; i < CONNS; i++)
		sum += (intptr_t)join(s[i]);
	free(s);
	OK(close(listener));
	pass("%d answers", sum);
	return 0;
}
