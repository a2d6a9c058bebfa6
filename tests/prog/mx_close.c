/* SPDX-License-Identifier: MIT */
/* build: -lutil -lrt */
/* timeout: 90 */
/*
 * Every descriptor kind x every operation: the descriptor is closed while the operation waits. The
 * operation goes on with the file that it has, which becomes ready afterwards. See mx.h.
 */
#include "mx.h"

static void
closeit(struct cell *c)
{
	/* Those that are made ready by the same number need another name for that. */
	if(c->e.aux[0] < 0 && c->e.peer < 0)
		c->e.aux[0] = OK(fcntl(c->e.fd, F_DUPFD_CLOEXEC, 5000));
	if(!c->done)
		OK(close(c->e.fd));
}

/* An epoll instance forgets a file that is closed: its waiter may wait for ever. */
static bool
watching(struct cell *c)
{
	return strstr("epollet oneshot nested", c->op->name) != NULL;
}

int
main(void)
{
	mxstart(60000, NULL);
	mxeach(closeit);
	mxnap(100);
	mxeach(mxfeed);
	mxfinish(watching);
	mxprintall();
	return 0;
}
