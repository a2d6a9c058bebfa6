/* SPDX-License-Identifier: MIT */
/* For programs that see whether others go on meanwhile: threads that write to a socket and read from it, and count. */
#ifndef OTHERS_H
#define OTHERS_H

#include "io_util.h"

static atomic_bool over; /* the end of them */
static atomic_long work;
static int workpause;    /* microseconds from one round to the next */

static void *
worker(void *arg)
{
	int s[2];
	char b;

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	while(!over) {
		EQ(write(s[0], "x", 1), 1);
		EQ(read(s[1], &b, 1), 1);
		work++;
		if(workpause > 0)
			usleep(workpause);
	}
	OK(close(s[0])), OK(close(s[1]));
	return NULL;
}

#endif
