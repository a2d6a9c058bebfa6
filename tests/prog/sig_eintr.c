/* SPDX-License-Identifier: MIT */
/*
 * A signal to the process, handled in the main thread while that waits in one
 * call after another; the other threads have the signal blocked.
 */
#include "sig_calls.h"

static pthread_t mainid;
static int astray;

static void
handler(int sig)
{
	if(!pthread_equal(pthread_self(), mainid))
		astray++;
	handled++;
	errno = ENOTTY; /* must not be seen by the interrupted call */
}

static void
tellprocess(void)
{
	OK(kill(getpid(), SIGUSR1));
}

struct job {
	const struct call *c;
	bool restart;
};

static void *
helper(void *arg)
{
	struct job *j = arg;
	pester(j->c, j->restart, tellprocess);
	return NULL;
}

static int idle[2];

static void *
idler(void *arg)
{
	char b;
	EQ(read(idle[0], &b, 1), 0);
	return NULL;
}

static void
try(const struct call *c, bool restart)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0 };
	struct job j = { c, restart };
	sigset_t usr1;
	handled = 0;
	returned = false;
	c->begin();
	OK(sigaction(SIGUSR1, &sa, NULL));
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	EQ(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
	pthread_t t = spawn(helper, &j);
	EQ(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL), 0);
	int err = c->run();
	returned = true;
	join(t);
	c->end();
	EQ(astray, 0);
	verdict(c, restart, err);
}

int
main(void)
{
	sigset_t usr1;
	mainid = pthread_self();
	OK(pipe(idle));
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	EQ(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
	pthread_t *t = spawnall(5, idler);
	EQ(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL), 0);
	for(int restart = 0; restart < 2; restart++)
		for(size_t i = 0; i < nelem(calls); i++)
			try(&calls[i], restart);
	OK(close(idle[1]));
	joinall(t, 5);
	return 0;
}
