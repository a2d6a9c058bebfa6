/* SPDX-License-Identifier: MIT */
/* native: no */
/*
 * A cancellation that races with the end of a call: either the call has returned, with its data or its new descriptor, or
 * it has had no effect: the data can still be read, the connection be accepted, and no descriptor has leaked. (libc's own
 * threads do not keep this promise: they may be cancelled between the end of the system call and the return.)
 */
#include "prog.h"
#include "loopback.h"
#include <poll.h>
#include <sys/socket.h>

static int fds[2], pair[2], listener;
static struct sockaddr_in addr;

static void *
reads(void *arg UNUSED)
{
	char b;

	EQ(read(fds[0], &b, 1), 1);
	return &fds;
}

static void *
receives(void *arg UNUSED)
{
	char b;

	EQ(recv(pair[0], &b, 1, 0), 1);
	return &pair;
}

static void *
accepts(void *arg UNUSED)
{
	intptr_t fd = accept(listener, NULL, NULL);

	CHECK(fd >= 0);
	return (void *)fd;
}

/* Within so many milliseconds: on a busy machine a connection reaches the listener only after connect has returned. */
static int
ready(int fd, int ms)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, ms) == 1;
}

static int
connected(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	EQ(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	return fd;
}

static int
lowest(void)
{
	int fd = dup(0);

	CHECK(fd >= 0);
	EQ(close(fd), 0);
	return fd;
}

/* Lets the thread get a little further, another amount each time. */
static void
pass(uint64_t *seed)
{
	switch(rnd(seed) % 4){
	case 0: sched_yield(); break;
	case 1: usleep(rnd(seed) % 100); break;
	case 2: for(volatile int i = (int)(rnd(seed) % 20000); i > 0; i--); break;
	}
}

static void
data(void *(*fn)(void *), int from, int to, uint64_t *seed, int *counts)
{
	pthread_t t = spawn(fn, NULL);
	char b = 1;

	pass(seed);
	if(rnd(seed) % 2){
		EQ(write(to, &b, 1), 1);
		if(rnd(seed) % 2)
			pass(seed);
		OK(pthread_cancel(t));
	}else{
		OK(pthread_cancel(t));
		EQ(write(to, &b, 1), 1);
	}
	if(join(t) == PTHREAD_CANCELED){
		counts[0]++;
		EQ(ready(from, 5000), 1);
		EQ(read(from, &b, 1), 1);
	}else{
		counts[1]++;
		EQ(ready(from, 0), 0);
	}
}

static void
connection(uint64_t *seed, int *counts)
{
	int before = lowest(), fd;
	pthread_t t = spawn(accepts, NULL);
	void *res;

	pass(seed);
	fd = connected();
	if(rnd(seed) % 2)
		pass(seed);
	OK(pthread_cancel(t));
	res = join(t);
	if(res == PTHREAD_CANCELED){
		counts[0]++;
		EQ(ready(listener, 5000), 1);
		res = accepts(NULL);
	}else{
		counts[1]++;
		EQ(ready(listener, 0), 0);
	}
	EQ(close((int)(intptr_t)res), 0);
	EQ(close(fd), 0);
	EQ(lowest(), before);
}

int
main(void)
{
	int rounds = scale(600), counts[2] = { 0 };
	socklen_t len = sizeof addr;
	uint64_t seed = 7;

	OK(pipe(fds));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	CHECK((listener = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
	addr = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = loopback() };
	EQ(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
	EQ(listen(listener, 10), 0);
	EQ(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	for(int r = 0; r < rounds; r++){
		data(reads, fds[0], fds[1], &seed, counts);
		data(receives, pair[0], pair[1], &seed, counts);
		connection(&seed, counts);
	}
	CHECK(counts[0] > 0 && counts[1] > 0);
	puts("ok");
	return 0;
}
