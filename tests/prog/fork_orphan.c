/* SPDX-License-Identifier: MIT */
/* Children that outlive their parent, daemon(), sessions, and a parent that ends while its threads fork. */
#include "io_util.h"

static void *
nothing(void *arg)
{
	struct timespec ts = { 0, MS };
	nanosleep(&ts, NULL);
	return arg;
}

static int never[2], tell[2];

static void *
waiter(void *arg)
{
	return waiteof(FDARG(never[0]));
}

/* Threads, sockets and sleeps work; then a word through the pipe. */
static void
works(const char *word)
{
	int s[2];
	char b;
	joinall(spawnall(5, nothing), 5);
	tcppair(s);
	EQ(write(s[0], "x", 1), 1);
	EQ(read(s[1], &b, 1), 1);
	writen(tell[1], word, 4);
	_exit(0);
}

static void *
forks(void *arg)
{
	pid_t ppid = getpid();
	if(OK(fork()) == 0) {
		/* The parent is gone when someone else is it. */
		while(getppid() == ppid)
			usleep(1000);
		works("orph");
	}
	return NULL;
}

static void *
daemonises(void *arg)
{
	/* The child in which this returns has this thread only. */
	OK(daemon(1, 1));
	EQ(getsid(0) != getppid(), 1);
	works("daem");
	return NULL;
}

static void
expect(const char *word)
{
	char b[4];
	readn(tell[0], b, 4);
	CHECK(memcmp(b, word, 4) == 0);
}

int
main(void)
{
	pid_t pid;
	OK(pipe(never));
	OK(pipe(tell));

	/* A thread's child outlives the thread, then the process. */
	if((pid = forkclean()) == 0) {
		spawnall(5, waiter);
		join(spawn(forks, NULL));
		_exit(3);
	}
	EQ(reap(pid), 3 << 8);
	expect("orph");
	pass("orphan of a thread");

	for(int k = 0; k < 3; k++) {
		if((pid = forkclean()) == 0) {
			if(k > 0)
				spawnall(5, waiter);
			if(k == 2)
				join(spawn(daemonises, NULL));
			daemonises(NULL);
		}
		EQ(reap(pid), 0);
		expect("daem");
	}
	pass("daemon");

	/* The classic double fork with a new session between. */
	if((pid = forkclean()) == 0) {
		spawnall(5, waiter);
		pid_t sid = OK(setsid());
		EQ(sid, getpid());
		pid_t q = OK(fork());
		if(q == 0) {
			EQ(getsid(0), sid);
			works("sess");
		}
		EQ(reap(q), 0);
		_exit(4);
	}
	EQ(reap(pid), 4 << 8);
	expect("sess");
	pass("session");
	return 0;
}
