/* SPDX-License-Identifier: MIT */
/* No epoll (a sandbox forbids it): threads that read, write, accept and poll still work, and others run meanwhile. */
#include "deny.h"
#include "loopback.h"
#include <poll.h>
#include <sys/socket.h>

#define N 12

static int listener;
static struct sockaddr_in addr;
static _Atomic int beats, stop;

static void *
serve(void *arg)
{
	int fd = accept(listener, NULL, NULL);
	char buf[64];
	ssize_t n;

	CHECK(fd >= 0);
	while((n = read(fd, buf, sizeof buf)) > 0)
		EQ(write(fd, buf, n), n);
	EQ(n, 0);
	close(fd);
	return arg;
}

static void *
client(void *arg)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char out[32], in[32];

	EQ(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	for(int i = 0; i < 20; i++) {
		struct pollfd p = { fd, POLLIN, 0 };

		memset(out, i, sizeof out);
		EQ(poll(&p, 1, 5), 0);	/* nothing has come: not early */
		EQ(send(fd, out, sizeof out, 0), sizeof out);
		EQ(poll(&p, 1, 20000), 1);
		EQ(recv(fd, in, sizeof in, MSG_WAITALL), sizeof in);
		CHECK(memcmp(in, out, sizeof in) == 0);
	}
	close(fd);
	return arg;
}

static void *
beat(void *arg)
{
	while(!stop) {
		beats++;
		usleep(1000);
	}
	return arg;
}

int
main(void)
{
	static const int nr[] = { SYS_epoll_create1,
#ifdef SYS_epoll_create
	    SYS_epoll_create,
#endif
	};
	pthread_t s[N], c[N], b;
	socklen_t len = sizeof addr;
	int was;

	deny(nr, sizeof nr / sizeof nr[0], EPERM, 0);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	addr.sin_family = AF_INET;
	addr.sin_addr.s_addr = loopback();
	EQ(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
	EQ(listen(listener, N), 0);
	EQ(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	b = spawn(beat, NULL);
	for(int i = 0; i < N; i++)
		s[i] = spawn(serve, NULL);
	while(beats == 0)
		usleep(100);
	was = beats;
	for(int i = 0; i < N; i++)
		c[i] = spawn(client, NULL);
	for(int i = 0; i < N; i++)
		join(c[i]);
	for(int i = 0; i < N; i++)
		join(s[i]);
	CHECK(beats > was);
	stop = 1;
	join(b);
	puts("ok");
	return 0;
}
