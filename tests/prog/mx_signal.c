/* SPDX-License-Identifier: MIT */
/* build: -lutil -lrt */
/* timeout: 90 */
/*
 * Every descriptor kind x every operation, and a signal for each thread that waits: EINTR from those that
 * a handler ends, and with SA_RESTART from those that are not begun again. See mx.h.
 */
#include "mx.h"

static atomic_int handled;

static void
handler(int sig)
{
	handled++;
}

static void
sendsignal(struct cell *c)
{
	if(!c->done)
		OK(pthread_kill(c->t, SIGUSR1));
}

static void
pass1(int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	OK(sigaction(SIGUSR1, &sa, NULL));
	mxstart(60000, NULL);
	mxeach(sendsignal);
	mxrest();
	mxeach(mxfeed);
	mxfinish(NULL);
	printf("SA_RESTART %s:\n", flags & SA_RESTART ? "set" : "not set");
	mxprintall();
}

int
main(void)
{
	pass1(0);
	pass1(SA_RESTART);
	CHECK(handled > 0);
	return 0;
}
