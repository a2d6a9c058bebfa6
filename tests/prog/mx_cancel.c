/* SPDX-License-Identifier: MIT */
/* build: -lutil -lrt */
/* timeout: 90 */
/*
 * Every descriptor kind x every operation: the thread is cancelled while it waits. What is no
 * cancellation point goes on; nothing is lost from the descriptor. See mx.h.
 */
#include "mx.h"

static void
cancelit(struct cell *c)
{
	OK(pthread_cancel(c->t));
}

/* Takes in who has ended. */
static void
reap1(struct cell *c)
{
	if(!c->joined && pthread_tryjoin_np(c->t, &c->result) == 0)
		c->joined = true;
}

static void
finish(struct cell *c)
{
	struct pollfd p = { c->e.fd, POLLIN | POLLOUT, 0 };
	int64_t end = now() + 15 * SEC;
	int n;

	for(reap1(c); !c->joined && now() < end; reap1(c)) {
		mxnap(1);
		if(c->kind->writing)
			mxfeed(c);
	}
	n = poll(&p, 1, 0);
	printf("%-13s%-11s%s", c->kind->name, c->op->name, c->result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
	if(c->result != PTHREAD_CANCELED)
		printf(", %ld%s", c->r, c->r < 0 ? strerrorname_np(c->err) : "");
	if(!c->kind->writing)
		printf(", %d %x", n, p.revents & (POLLIN | POLLERR | POLLHUP));
	putchar('\n');
}

int
main(void)
{
	mxstart(60000, NULL);
	mxeach(cancelit);
	mxrest();
	mxeach(mxfeed);
	mxeach(finish);
	kindsdone();
	return 0;
}
