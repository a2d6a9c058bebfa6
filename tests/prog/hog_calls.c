/* SPDX-License-Identifier: MIT */
/* Threads that make calls all the time, none of which waits, let others run: those that wake, and those that yield to them. */
#include "io_util.h"
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { HOGS = 6, ROUNDS = 40 };

static atomic_bool over;
static atomic_int hogging;

static void *
sockets(void *arg)
{
	int s[2];
	char b;

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	hogging++;
	while(!over) {
		EQ(write(s[0], "x", 1), 1);
		EQ(read(s[1], &b, 1), 1);
	}
	OK(close(s[0]));
	OK(close(s[1]));
	return NULL;
}

static void *
events(void *arg)
{
	int fd = OK(eventfd(0, 0));
	uint64_t v;

	hogging++;
	while(!over) {
		EQ(write(fd, &(uint64_t){ 1 }, 8), 8);
		EQ(read(fd, &v, 8), 8);
	}
	OK(close(fd));
	return NULL;
}

/* A round is a wait of a slice or two behind the hogs. */
static void *
others(void *arg)
{
	for(int i = 0; i < ROUNDS; i++) {
		if(arg)
			sched_yield();
		else
			usleep(1000);
	}
	return NULL;
}

int
main(void)
{
	pthread_t h[HOGS], t[4];
	int64_t t0;

	for(int i = 0; i < HOGS; i++)
		h[i] = spawn(i % 2 ? sockets : events, NULL);
	while(hogging < HOGS)
		usleep(1000);
	t0 = now();
	for(intptr_t i = 0; i < 4; i++)
		t[i] = spawn(others, (void *)(i % 2));
	for(int i = 0; i < 4; i++)
		join(t[i]);
	CHECK(now() - t0 < 10 * SEC);
	over = true;
	for(int i = 0; i < HOGS; i++)
		join(h[i]);
	puts("ok");
	return 0;
}
