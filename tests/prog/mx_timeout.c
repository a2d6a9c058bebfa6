/* SPDX-License-Identifier: MIT */
/* build: -lutil -lrt */
/* timeout: 90 */
/* Every descriptor kind x every operation with a time-out: the socket's own, or poll's. See mx.h. */
#include "mx.h"

enum { WAIT = 60 };

static void
settimes(struct cell *c)
{
	struct timeval tv = { 0, WAIT * 1000 };

	setsockopt(c->e.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	setsockopt(c->e.fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

/* What has ended for want of data has taken its time. */
static void
notearly(struct cell *c)
{
	if(c->done && c->r < 0 && c->err == EAGAIN)
		CHECK(c->took >= WAIT - TICK / MS);
}

int
main(void)
{
	mxstart(WAIT, settimes);
	mxnap(2 * WAIT);
	mxrest();
	mxeach(notearly);
	mxeach(mxfeed);
	mxfinish(NULL);
	mxprintall();
	return 0;
}
