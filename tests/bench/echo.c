/* SPDX-License-Identifier: MIT */
/*
 * TCP echo server, a thread per connection, as textbooks have it.
 *
 *	echo PORT [STACK_KIB]
 *
 * Listens on 127.0.0.1 until killed. STACK_KIB is the stack size of the threads
 * (default 64; 0: the system's default). Gives up when the system has no more descriptors
 * or threads: a benchmark with fewer connections than asked is none.
 */
#include "bench.h"
#include "listener.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

static void *
serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[4096];
	ssize_t n;

	while((n = read(fd, buf, sizeof buf)) > 0) {
		if(write(fd, buf, (size_t)n) != n)
			break;
	}
	close(fd);
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_attr_t attr;
	pthread_t t;
	int err;

	if(argc < 2 || argc > 3)
		die(0, "usage: echo PORT [STACK_KIB]");
	int listener = listen_on(number("PORT", argv[1], 1, 65535));
	long stack_kib = argc == 3 ? number("STACK_KIB", argv[2], 0, 1 << 20) : 64;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if(stack_kib > 0)
		pthread_attr_setstacksize(&attr, (size_t)stack_kib * 1024);
	for(;;) {
		int fd = accept(listener, NULL, NULL);

		if(fd < 0)
			die(errno, "accept");
		set_nodelay(fd);
		err = pthread_create(&t, &attr, serve, (void *)(intptr_t)fd);
		if(err != 0)
			die(err, "pthread_create");
	}
}
