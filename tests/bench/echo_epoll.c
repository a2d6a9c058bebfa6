/* SPDX-License-Identifier: MIT */
/*
 * TCP echo server without threads: the least that an epoll loop has to do, the measure
 * for all the others.
 *
 *	echo_epoll PORT
 *
 * One thread, level-triggered, one read and one write a request, answers assumed to fit
 * into the socket buffer. Listens on 127.0.0.1 until killed.
 */
#include "bench.h"
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 512 };

static int epoll;

static void
watch(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	if(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		die(errno, "epoll_ctl");
}

static void
accept_all(int listener)
{
	int fd;

	while((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		set_nodelay(fd);
		watch(fd);
	}
}

static void
answer(int fd)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof buf);

	if(n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if(n <= 0 || write(fd, buf, (size_t)n) != n)
		close(fd);
}

int
main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];

	if(argc != 2)
		die(0, "usage: echo_epoll PORT");
	int listener = listen_on(number("PORT", argv[1], 1, 65535));

	if(fcntl(listener, F_SETFL, O_NONBLOCK) != 0)
		die(errno, "O_NONBLOCK");
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if(epoll < 0)
		die(errno, "epoll_create1");
	watch(listener);
	for(;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for(int i = 0; i < n; i++) {
			if(events[i].data.fd == listener)
				accept_all(listener);
			else
				answer(events[i].data.fd);
		}
	}
}
