/* SPDX-License-Identifier: MIT */
/* build: -lutil -lrt */
/* timeout: 90 */
/* Every descriptor kind x every operation: the other end is closed, or both are shut down, while it waits. See mx.h. */
#include "mx.h"

/* Datagrams that are waited for wait on when the other end goes. */
static bool
connected(struct cell *c)
{
	static const char *const not[] = { "dgram", "udp", "raw", "packet", "netlink" };

	for(size_t i = 0; i < nelem(not); i++)
		if(strcmp(c->kind->name, not[i]) == 0)
			return false;
	return c->e.peer >= 0;
}

static void
closepeer(struct cell *c)
{
	if(!connected(c))
		mxfeed(c);
	else
		OK(close(c->e.peer));
}

static void
shutboth(struct cell *c)
{
	/* ENOTCONN has shut it down all the same */
	if(c->e.peer < 0 || (shutdown(c->e.fd, SHUT_RDWR) != 0 && errno != ENOTCONN))
		mxfeed(c);
}

/*
 * A full TCP socket is left out: its other end, shut down, throws away what it has and resets the connection if more comes; but
 * whether more comes, or both ends wait for ever, depends on what was on its way.
 */
static void
shutpeer(struct cell *c)
{
	if(!connected(c) || c->kind->make == fulltcp || shutdown(c->e.peer, SHUT_RDWR) != 0)
		mxfeed(c);
}

/* A reset, where there is such a thing. */
static void
reset(struct cell *c)
{
	struct linger l = { 1, 0 };

	if(!connected(c))
		mxfeed(c);
	else{
		setsockopt(c->e.peer, SOL_SOCKET, SO_LINGER, &l, sizeof l);
		OK(close(c->e.peer));
		c->e.peer = -1;
	}
}

/* A terminal hangs up in steps: which of them is seen first varies. */
static void
hangup(struct cell *c)
{
	if(strcmp(c->kind->name, "tty") != 0 && strcmp(c->kind->name, "ptm") != 0)
		return;
	c->more[0] = '\0';
	if(c->kind->writing && c->e.peer >= 0 && c->done)
		c->r = 0;
}

static void
pass1(const char *name, void (*f)(struct cell *))
{
	mxstart(60000, NULL);
	mxeach(f);
	mxnap(20);
	printf("%s:\n", name);
	mxfinish(NULL);
	mxeach(hangup);
	mxprintall();
}

int
main(void)
{
	pass1("shutdown of both ways", shutboth);
	pass1("shutdown by the other end", shutpeer);
	pass1("reset", reset);
	pass1("close of the other end", closepeer);
	return 0;
}
