/* SPDX-License-Identifier: MIT */
/* build: -lutil -lrt */
/* timeout: 90 */
/* Every descriptor kind x every operation with the program's O_NONBLOCK: refused at once. See mx.h. */
#define MX_NOFULLTCP /* TCP may find room for a few bytes more at any moment, natively too */
#include "mx.h"

static void
setnonblock(struct cell *c)
{
	OK(fcntl(c->e.fd, F_SETFL, OK(fcntl(c->e.fd, F_GETFL)) | O_NONBLOCK));
}

/* The calls that wait all the same, like poll, end when it is ready. */
int
main(void)
{
	mxstart(20000, setnonblock);
	mxeach(mxfeed);
	mxfinish(NULL);
	mxprintall();
	return 0;
}
