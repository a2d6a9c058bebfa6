/* SPDX-License-Identifier: MIT */
/* How the programs make POSIX message queues. */
#ifndef MQ_UTIL_H
#define MQ_UTIL_H

#if !defined PROG_H && !defined IO_UTIL_H
#include "prog.h"
#endif
#include <fcntl.h>
#include <mqueue.h>

/*
 * A new queue, opened how (O_RDONLY, O_RDWR); -1: there are none here. The name, of no other queue, is the caller's to unlink.
 * What all queues of a user take together is limited (RLIMIT_MSGQUEUE: 819,200 bytes), and so is their number; those of other
 * processes are counted. So when there is no room this waits for some, 20 seconds and no longer: then the program cannot run here.
 */
static mqd_t
mqmake(const char *name, int how, struct mq_attr *a)
{
	mqd_t q;

	for(int i = 0; (q = mq_open(name, how | O_CREAT | O_EXCL, 0600, a)) == (mqd_t)-1; i++) {
		if(errno != EMFILE && errno != ENOSPC)
			return q;
		if(i == 1000)
			SKIP("no room for another message queue");
		usleep(20000);
	}
	return q;
}

#endif
