/* SPDX-License-Identifier: MIT */
/* build: -lutil -lrt */
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

static void
finish(struct cell *c)
{
	struct pollfd p = { c->e.fd, POLLIN | POLLOUT, 0 };
	int64_t end = now() + 15 * SEC;
	void *r;
	int n;

	if(c->kind->writing)
		for(; pthread_tryjoin_np(c->t, &r) == EBUSY && now() < end; mxnap(1))
			mxfeed(c);
	else
		OK(pthread_join(c->t, &r));
	n = poll(&p, 1, 0);
	printf("%-13s%-11s%s", c->kind->name, c->op->name, r == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
	if(r != PTHREAD_CANCELED)
		printf(", %ld%s", c->r, c->r < 0 ? strerrorname_np(c->err) : "");
	if(!c->kind->writing)
		printf(", %d %x", n, p.revents & (POLLIN | POLLERR | POLLHUP));
	putchar('\n');
}

int
main(void)
{
	mxstart(20000, NULL);
	mxeach(cancelit);
	mxnap(50);
	mxeach(mxfeed);
	mxeach(finish);
	kindsdone();
	return 0;
}
