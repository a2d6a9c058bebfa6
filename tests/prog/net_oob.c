/* SPDX-License-Identifier: MIT */
/* Urgent data: SIGURG, POLLPRI and its kin while others wait for data, MSG_OOB, the mark, SO_OOBINLINE, and polls that ask for it. */
#include "io_util.h"
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

static atomic_int urgent;

static void
onurgent(int sig)
{
	urgent++;
}

static void *
poller(void *arg)
{
	struct pollfd p = { *(int *)arg, POLLPRI, 0 };

	while(poll(&p, 1, 20000) == -1)
		EQ(errno, EINTR);
	return (void *)(intptr_t)p.revents;
}

static void *
selecter(void *arg)
{
	fd_set e;
	struct timeval tv = { 20, 0 };

	do {
		FD_ZERO(&e);
		FD_SET(*(int *)arg, &e);
	} while(select(*(int *)arg + 1, NULL, NULL, &e, &tv) == -1 && errno == EINTR);
	return (void *)(intptr_t)FD_ISSET(*(int *)arg, &e);
}

static void *
epoller(void *arg)
{
	struct epoll_event e = { .events = EPOLLPRI | EPOLLET };
	int ep = OK(epoll_create1(0));

	OK(epoll_ctl(ep, EPOLL_CTL_ADD, *(int *)arg, &e));
	while(epoll_wait(ep, &e, 1, 20000) == -1)
		EQ(errno, EINTR);
	OK(close(ep));
	return (void *)(intptr_t)e.events;
}

/* All that comes, until the end; OOB data is not among it unless it is inline. */
static void *
reader(void *arg)
{
	static char all[64];
	size_t n = 0;
	ssize_t r;

	while((r = recv(*(int *)arg, all + n, sizeof all - 1 - n, 0)) != 0)
		if(r > 0)
			n += r;
		else
			EQ(errno, EINTR);
	all[n] = 0;
	return all;
}

static void
waiters(void)
{
	int s[2];
	char b[8];

	tcppair(s);
	OK(fcntl(s[0], F_SETOWN, getpid()));
	urgent = 0;
	FAILS(recv(s[0], b, 1, MSG_OOB), EINVAL);
	/* nobody reads meanwhile: past the mark there is nothing urgent any more */
	pthread_t r, p = spawn(poller, &s[0]), q = spawn(selecter, &s[0]), e = spawn(epoller, &s[0]);
	nudge();
	EQ(send(s[1], "x!", 2, MSG_OOB), 2);
	EQ((intptr_t)join(p), POLLPRI);
	EQ((intptr_t)join(q), 1);
	EQ((intptr_t)join(e), EPOLLPRI);
	while(urgent == 0)
		usleep(1000);
	EQ(recv(s[0], b, 1, MSG_OOB), 1);
	EQ(b[0], '!');
	r = spawn(reader, &s[0]);
	EQ(send(s[1], "yz", 2, 0), 2);
	OK(shutdown(s[1], SHUT_WR));
	CHECK(strcmp(join(r), "xyz") == 0);
	OK(close(s[0]));
	OK(close(s[1]));
	pass("waiters");
}

/* A read stops at the mark; inline, the urgent byte is part of the stream. */
static void
inlined(void)
{
	int s[2], one = 1, at = -1;
	char b[8];

	tcppair(s);
	OK(setsockopt(s[0], SOL_SOCKET, SO_OOBINLINE, &one, sizeof one));
	EQ(send(s[1], "ab", 2, 0), 2);
	EQ(send(s[1], "!", 1, MSG_OOB), 1);
	EQ(send(s[1], "cd", 2, 0), 2);
	pthread_t p = spawn(poller, &s[0]);
	CHECK((intptr_t)join(p) & POLLPRI);
	EQ(recv(s[0], b, 2, MSG_WAITALL), 2);
	OK(ioctl(s[0], SIOCATMARK, &at));
	EQ(at, 1);
	EQ(recv(s[0], b, 3, MSG_WAITALL), 3);
	CHECK(memcmp(b, "!cd", 3) == 0);
	FAILS(recv(s[0], b, 1, MSG_OOB), EINVAL);
	OK(shutdown(s[1], SHUT_WR));
	EQ(read(s[0], b, sizeof b), 0);
	OK(close(s[0]));
	OK(close(s[1]));
	pass("inline");
}

/* A short read before the mark does not mean that there is nothing behind it. */
static void
mark(void)
{
	int s[2];
	char b[8];

	tcppair(s);
	EQ(send(s[1], "ab!", 3, MSG_OOB), 3);
	EQ(send(s[1], "cd", 2, 0), 2);
	pthread_t p = spawn(poller, &s[0]);
	CHECK((intptr_t)join(p) & POLLPRI);
	EQ(read(s[0], b, sizeof b), 2);
	EQ(recv(s[0], b, 2, MSG_WAITALL), 2);
	CHECK(memcmp(b, "cd", 2) == 0);
	OK(close(s[0]));
	OK(close(s[1]));
	pass("mark");
}

/* What a server asks that has just read all: more, urgent data, the end. */
static short
polled(int fd, int ms)
{
	struct pollfd p = { fd, POLLIN | POLLPRI | POLLRDHUP, 0 };
	int r = poll(&p, 1, ms);

	EQ(r, p.revents != 0);
	return p.revents;
}

static void *
readsandpolls(void *arg)
{
	int *s = arg;
	char b[64];

	EQ(recv(s[0], b, sizeof b, 0), 2);
	return (void *)(intptr_t)polled(s[0], 20000);
}

/* A short read, and then a poll: what came between the two, and what comes while it waits, ends it; nothing else does. */
static void *
afterread(void *arg)
{
	char b[64];
	int s[2];

	tcppair(s);
	for(int wait = 0; wait < 2; wait++){
		EQ(write(s[1], "ab", 2), 2);
		if(wait){
			pthread_t p = spawn(readsandpolls, s);

			nudge();
			EQ(send(s[1], "!", 1, MSG_OOB), 1);
			EQ((intptr_t)join(p), POLLPRI);
		}else{
			EQ(recv(s[0], b, sizeof b, 0), 2);
			EQ(polled(s[0], 5), 0);
			EQ(send(s[1], "!", 1, MSG_OOB), 1);
			EQ(polled(s[0], 20000), POLLPRI);
		}
		EQ(recv(s[0], b, 1, MSG_OOB), 1);
		EQ(polled(s[0], 5), 0);
	}
	OK(close(s[0]));
	OK(close(s[1]));
	for(int wait = 0; wait < 2; wait++){
		tcppair(s);
		EQ(write(s[1], "ab", 2), 2);
		if(wait){
			pthread_t p = spawn(readsandpolls, s);

			nudge();
			OK(shutdown(s[1], SHUT_WR));
			EQ((intptr_t)join(p), POLLIN | POLLRDHUP);
		}else{
			EQ(recv(s[0], b, sizeof b, 0), 2);
			EQ(polled(s[0], 5), 0);
			OK(shutdown(s[1], SHUT_WR));
			EQ(polled(s[0], 20000), POLLIN | POLLRDHUP);
		}
		EQ(polled(s[0], 5), POLLIN | POLLRDHUP);
		OK(close(s[0]));
		OK(close(s[1]));
	}
	pass("after a read");
	return arg;
}

int
main(void)
{
	OK(sigaction(SIGURG, &(struct sigaction){ .sa_handler = onurgent, .sa_flags = SA_RESTART }, NULL));
	waiters();
	inlined();
	mark();
	join(spawn(afterread, NULL));
	return 0;
}
