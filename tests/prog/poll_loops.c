/* SPDX-License-Identifier: MIT */
/*
 * Event-driven servers in threads: several threads in epoll_wait on one epoll
 * instance, a loop per thread with sockets handed over through an eventfd, and
 * clients that simply wait.
 */
#include "io_util.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { LOOPS = 4, CONNS = 64, ROUNDS = 30 };

static int rounds;

static void
nonblock(int fd)
{
	OK(fcntl(fd, F_SETFL, OK(fcntl(fd, F_GETFL)) | O_NONBLOCK));
}

/* Echo all that there is; false at the end of file. */
static bool
serve(int fd)
{
	char b[512];
	for(;;) {
		ssize_t n = read(fd, b, sizeof b);
		if(n == 0)
			return false;
		if(n < 0) {
			EQ(errno, EAGAIN);
			return true;
		}
		EQ(write(fd, b, n), n);
	}
}

static int shared, stopfd;
static atomic_int closed;

/* One-shot events: whichever thread has it serves it alone, then arms it again. */
static void *
sharedloop(void *arg)
{
	for(;;) {
		struct epoll_event ev[3];
		int n = epoll_wait(shared, ev, 3, (intptr_t)arg % 2 ? -1 : 20000);
		CHECK(n > 0);
		for(int i = 0; i < n; i++) {
			int fd = ev[i].data.fd;
			if(fd == stopfd)
				return NULL;
			if(serve(fd)) {
				struct epoll_event re = { EPOLLIN | EPOLLONESHOT, { .fd = fd } };
				OK(epoll_ctl(shared, EPOLL_CTL_MOD, fd, &re));
			} else {
				OK(close(fd));
				closed++;
			}
		}
	}
}

static void *
client(void *arg)
{
	int fd = (intptr_t)arg;
	unsigned char b[300], c[300];
	for(int k = 0; k < rounds; k++) {
		size_t n = 1 + (k * 37 + fd) % sizeof b;
		fill(b, n, fd, k);
		writen(fd, b, n);
		readn(fd, c, n);
		CHECK(memcmp(b, c, n) == 0);
	}
	OK(close(fd));
	return NULL;
}

static void
oneinstance(void)
{
	pthread_t c[CONNS];
	shared = OK(epoll_create1(0));
	stopfd = OK(eventfd(0, 0));
	struct epoll_event ev = { EPOLLIN, { .fd = stopfd } };
	OK(epoll_ctl(shared, EPOLL_CTL_ADD, stopfd, &ev));
	pthread_t *l = spawnall(LOOPS, sharedloop);
	nudge();
	for(int i = 0; i < CONNS; i++) {
		int s[2];
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
		nonblock(s[1]);
		ev = (struct epoll_event){ EPOLLIN | EPOLLONESHOT, { .fd = s[1] } };
		OK(epoll_ctl(shared, EPOLL_CTL_ADD, s[1], &ev));
		c[i] = spawn(client, (void *)(intptr_t)s[0]);
	}
	for(int i = 0; i < CONNS; i++)
		join(c[i]);
	while(closed < CONNS)
		sched_yield();
	/* The event stays: every loop sees it and ends. */
	OK(eventfd_write(stopfd, 1));
	joinall(l, LOOPS);
	OK(close(stopfd)), OK(close(shared));
	pass("one instance, several threads");
}

/* A loop of its own per thread; work is queued and an eventfd tells of it. */
struct loop {
	int ep, wake, queue[CONNS], n, live;
	bool stop;
	pthread_mutex_t mu;
} loops[LOOPS];

static void *
ownloop(void *arg)
{
	struct loop *l = &loops[(intptr_t)arg];
	struct epoll_event ev[8];
	for(;;) {
		int n = OK(epoll_wait(l->ep, ev, 8, -1));
		for(int i = 0; i < n; i++) {
			int fd = ev[i].data.fd;
			if(fd != l->wake) {
				if(!serve(fd)) {
					OK(close(fd));
					l->live--;
				}
				continue;
			}
			uint64_t v;
			EQ(read(l->wake, &v, 8), 8);
			pthread_mutex_lock(&l->mu);
			while(l->n > 0) {
				int c = l->queue[--l->n];
				struct epoll_event e = { EPOLLIN | EPOLLET, { .fd = c } };
				OK(epoll_ctl(l->ep, EPOLL_CTL_ADD, c, &e));
				l->live++;
			}
			bool stop = l->stop;
			pthread_mutex_unlock(&l->mu);
			if(stop && l->live == 0)
				return NULL;
		}
		pthread_mutex_lock(&l->mu);
		bool stop = l->stop && l->n == 0;
		pthread_mutex_unlock(&l->mu);
		if(stop && l->live == 0)
			return NULL;
	}
}

static void
owninstances(void)
{
	struct sockaddr_in sa;
	int lfd = tcplisten(&sa, CONNS);
	pthread_t c[CONNS];
	for(int i = 0; i < LOOPS; i++) {
		struct loop *l = &loops[i];
		l->ep = OK(epoll_create1(0));
		l->wake = OK(eventfd(0, EFD_NONBLOCK));
		pthread_mutex_init(&l->mu, NULL);
		struct epoll_event ev = { EPOLLIN, { .fd = l->wake } };
		OK(epoll_ctl(l->ep, EPOLL_CTL_ADD, l->wake, &ev));
	}
	pthread_t *t = spawnall(LOOPS, ownloop);
	for(int i = 0; i < CONNS; i++) {
		struct loop *l = &loops[i % LOOPS];
		int fd = tcpdial(&sa), a = OK(accept4(lfd, NULL, NULL, SOCK_NONBLOCK));
		int one = 1;
		OK(setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
		c[i] = spawn(client, (void *)(intptr_t)fd);
		pthread_mutex_lock(&l->mu);
		l->queue[l->n++] = a;
		pthread_mutex_unlock(&l->mu);
		OK(eventfd_write(l->wake, 1));
	}
	for(int i = 0; i < CONNS; i++)
		join(c[i]);
	for(int i = 0; i < LOOPS; i++) {
		pthread_mutex_lock(&loops[i].mu);
		loops[i].stop = true;
		pthread_mutex_unlock(&loops[i].mu);
		OK(eventfd_write(loops[i].wake, 1));
	}
	joinall(t, LOOPS);
	OK(close(lfd));
	pass("an instance per thread");
}

static int wake;

static void *
sleeper(void *arg)
{
	struct epoll_event ev;
	int e = OK(epoll_create1(0));
	struct epoll_event in = { EPOLLIN, { .u32 = 5 } };
	OK(epoll_ctl(e, EPOLL_CTL_ADD, wake, &in));
	struct timespec ts = { 20, 0 };
	switch((intptr_t)arg % 3) {
	case 0: EQ(epoll_wait(e, &ev, 1, -1), 1); break;
	case 1: EQ(epoll_pwait(e, &ev, 1, 20000, NULL), 1); break;
	case 2: EQ(epoll_pwait2(e, &ev, 1, &ts, NULL), 1); break;
	}
	EQ(ev.data.u32, 5);
	OK(close(e));
	return NULL;
}

/* A hundred instances wait for one eventfd: all of them see it. */
static void
everyone(void)
{
	wake = OK(eventfd(0, 0));
	pthread_t *t = spawnall(100, sleeper);
	nudge();
	OK(eventfd_write(wake, 1));
	joinall(t, 100);
	OK(close(wake));
	pass("every instance");
}

/* Descriptors are added and armed while another thread waits in epoll_wait. */
static void *
waitone(void *arg)
{
	struct epoll_event ev;
	EQ(epoll_wait(shared, &ev, 1, -1), 1);
	return (void *)(intptr_t)ev.data.u32;
}

static void
addedlater(void)
{
	shared = OK(epoll_create1(0));
	for(int i = 0, n = scale(20); i < n; i++) {
		pthread_t t = spawn(waitone, NULL);
		if(i % 2)
			nudge();
		int e = OK(eventfd(1, 0));
		struct epoll_event ev = { EPOLLIN, { .u32 = i + 1 } };
		OK(epoll_ctl(shared, EPOLL_CTL_ADD, e, &ev));
		EQ((intptr_t)join(t), i + 1);
		OK(close(e));
	}
	OK(close(shared));
	pass("added later");
}

int
main(void)
{
	rounds = scale(ROUNDS);
	oneinstance();
	owninstances();
	everyone();
	addedlater();
	return 0;
}
