/* SPDX-License-Identifier: MIT */
/* A server with a thread per connection, 500 of them at once, every byte checked. */
#include "io_util.h"

enum { CONNS = 500, ROUNDS = 10, MAXMSG = 3000 };

static struct sockaddr_in sa;
static int lfd, rounds;
static atomic_int served, up;

static void *
serve(void *arg)
{
	int fd = (intptr_t)arg;
	char b[1000];
	ssize_t n;
	while((n = recv(fd, b, sizeof b, 0)) > 0)
		for(ssize_t k = 0; k < n;) {
			ssize_t w = OK(send(fd, b + k, n - k, 0));
			k += w;
		}
	EQ(n, 0);
	OK(close(fd));
	served++;
	return NULL;
}

static void *
listener(void *arg)
{
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&a, 64 << 10);
	for(int i = 0; i < CONNS; i++) {
		pthread_t t;
		struct sockaddr_in peer;
		socklen_t len = sizeof peer;
		int fd = OK(accept(lfd, (struct sockaddr *)&peer, &len));
		EQ(len, sizeof peer);
		EQ(peer.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
		EQ(pthread_create(&t, &a, serve, (void *)(intptr_t)fd), 0);
	}
	pthread_attr_destroy(&a);
	return NULL;
}

static void *
client(void *arg)
{
	int id = (intptr_t)arg, fd = tcpdial(&sa);
	unsigned char b[MAXMSG];
	up++;
	for(int k = 0; k < rounds; k++) {
		size_t n = 1 + (id * 131 + k * 977) % MAXMSG, pos = k * MAXMSG;
		fill(b, n, id, pos);
		writen(fd, b, n);
		memset(b, 0, n);
		readn(fd, b, n);
		CHECK(filled(b, n, id, pos));
		/* All connections stand before the first goes. */
		while(k == 0 && up < CONNS)
			usleep(1000);
	}
	OK(shutdown(fd, SHUT_WR));
	EQ(read(fd, b, 1), 0);
	OK(close(fd));
	return NULL;
}

int
main(void)
{
	rounds = scale(ROUNDS);
	lfd = tcplisten(&sa, CONNS);
	pthread_t l = spawn(listener, NULL), *t = spawnall(CONNS, client);
	join(l);
	joinall(t, CONNS);
	while(served < CONNS)
		sched_yield();
	printf("%d connections served\n", served);
	return 0;
}
