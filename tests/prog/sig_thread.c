/* SPDX-License-Identifier: MIT */
/* pthread_kill to a thread that waits in one call after another: it, and no other, handles the signal. */
#include "sig_calls.h"

static pthread_t target;
static atomic_int astray;

static void
handler(int sig)
{
	if(!pthread_equal(pthread_self(), target))
		astray++;
	handled++;
	errno = ENOTTY;
}

static void
tellthread(void)
{
	EQ(pthread_kill(target, SIGUSR2), 0);
}

struct job {
	const struct call *c;
	bool restart;
	int err;
};

static sem_t go;

static void *
waiter(void *arg)
{
	struct job *j = arg;
	while(sem_wait(&go) < 0)
		;
	j->err = j->c->run();
	returned = true;
	return NULL;
}

static void
try(const struct call *c, bool restart)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0 };
	struct job j = { c, restart, -1 };
	handled = 0;
	returned = false;
	c->begin();
	OK(sigaction(SIGUSR2, &sa, NULL));
	OK(sem_init(&go, 0, 0));
	target = spawn(waiter, &j);
	OK(sem_post(&go));
	pester(c, restart, tellthread);
	join(target);
	c->end();
	EQ(astray, 0);
	verdict(c, restart, j.err);
}

int
main(void)
{
	for(int restart = 0; restart < 2; restart++)
		for(size_t i = 0; i < nelem(calls); i++)
			try(&calls[i], restart);
	return 0;
}
