/* SPDX-License-Identifier: MIT */
/* build: -lutil -lrt */
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

int
main(void)
{
	mxstart(700, NULL);
	mxeach(closeit);
	mxnap(100);
	mxeach(mxfeed);
	mxfinish();
	mxprintall();
	return 0;
}
