/* SPDX-License-Identifier: MIT */
/* A pipe for the netpoller's unit tests. */
#ifndef HEDDLE_TESTS_POLLPIPE_H
#define HEDDLE_TESTS_POLLPIPE_H

#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#include "netpoll.h"
#include "runtime.h"

static int fds[2];

/* A new pipe in fds, of which the netpoller knows that it is the process's own and does not block. */
static void
openpipe(void)
{
	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	pollreset(pollget(fds[0]), Knowait, PD_OWN);
	pollreset(pollget(fds[1]), Knowait, PD_OWN);
}

#endif
