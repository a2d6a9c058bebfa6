/* SPDX-License-Identifier: MIT */
/* The listening socket of the echo servers, and the peer's side of it. */
#ifndef LISTENER_H
#define LISTENER_H

#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* No delaying of small segments: each message is one request or one answer. */
static inline void
set_nodelay(int fd)
{
	int one = 1;

	if(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
		die(errno, "TCP_NODELAY");
}

static inline struct sockaddr_in
loopback(long port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return addr;
}

/* A listening TCP socket on 127.0.0.1:port. */
static inline int
listen_on(long port)
{
	struct sockaddr_in addr = loopback(port);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if(fd < 0)
		die(errno, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if(bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(fd, 4096) != 0)
		die(errno, "port %ld", port);
	return fd;
}

#endif
