/* SPDX-License-Identifier: MIT */
/*
 * No descriptor is left when the first threads are made and the first calls
 * wait: the program has used all numbers, and all it asks for is still done.
 */
#include "io_util.h"

static int s[2], p[2], lfd;
static struct sockaddr_in sa;

static void *
sleeper(void *arg)
{
	struct timespec ts = { 0, 10 * MS };
	int64_t t0 = now();
	OK(nanosleep(&ts, NULL));
	TOOK(t0, 10 * MS, 10 * MS);
	struct pollfd f = { p[0], POLLIN, 0 };
	EQ(poll(&f, 1, 10), 0);
	return NULL;
}

static void *
pipereader(void *arg)
{
	char b;
	EQ(read(p[0], &b, 1), 1);
	return NULL;
}

/* accept with no number for the connection: EMFILE, now and again, and the connection waits. */
static void *
accepter(void *arg)
{
	for(int i = 0; i < 3; i++)
		FAILS(accept(lfd, NULL, NULL), EMFILE);
	return NULL;
}

int
main(void)
{
	struct rlimit rl;
	int n = 0, last = -1, fd;

	OK(getrlimit(RLIMIT_NOFILE, &rl));
	rl.rlim_cur = 100;
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	OK(pipe(p));
	lfd = tcplisten(&sa, 5);
	int c = OK(socket(AF_INET, SOCK_STREAM, 0));
	while((fd = open("/dev/null", O_RDONLY)) >= 0)
		n++, last = fd;
	EQ(errno, EMFILE);
	CHECK(n > 50);
	EQ(last, 99);

	pthread_t e = spawn(echofd, FDARG(s[1])), *sl = spawnall(10, sleeper), *r = spawnall(5, pipereader);
	char b;
	for(int i = 0, m = scale(200); i < m; i++) {
		EQ(write(s[0], &(char){ i }, 1), 1);
		EQ(read(s[0], &b, 1), 1);
		EQ(b, (char)i);
	}
	joinall(sl, 10);
	pass("threads");
	for(int i = 0; i < 5; i++)
		EQ(write(p[1], "x", 1), 1);
	joinall(r, 5);
	OK(shutdown(s[0], SHUT_WR));
	join(e);
	pass("waits");

	OK(connect(c, (struct sockaddr *)&sa, sizeof sa));
	join(spawn(accepter, NULL));
	FAILS(pipe((int[2]){ 0, 0 }), EMFILE);
	FAILS(socket(AF_INET, SOCK_STREAM, 0), EMFILE);
	FAILS(dup(0), EMFILE);
	FAILS(fcntl(0, F_DUPFD, 100), EINVAL);
	CHECK(fopen("/dev/null", "r") == NULL && errno == EMFILE);
	OK(close(last));
	EQ(accept(lfd, NULL, NULL), last);
	FAILS(accept(lfd, NULL, NULL), EMFILE);
	pass("accept");

	/* A higher limit helps from now on. */
	rl.rlim_cur = 200;
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	EQ(OK(dup(0)), 100);
	join(spawn(sleeper, NULL));
	pass("higher limit");
	return 0;
}
