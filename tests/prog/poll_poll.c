/* SPDX-License-Identifier: MIT */
/* poll and ppoll: timeouts, many, negative, bad and duplicate descriptors, hang-ups, several waiting threads. */
#include "io_util.h"
#include "manyfiles.h"

static int p[2], q[2];

static void *
hangup(void *arg)
{
	nudge();
	OK(close((intptr_t)arg));
	return NULL;
}

static void
timeouts(void)
{
	struct pollfd f[2] = { { p[0], POLLIN, 99 }, { q[0], POLLIN, 99 } };
	struct timespec ts = { 0, 15500000 }, z = { 0, 0 };
	int64_t t0 = now();
	EQ(poll(f, 2, 0), 0);
	EQ(ppoll(f, 2, &z, NULL), 0);
	TOOK(t0, 0, 0);
	EQ(f[0].revents, 0);
	EQ(f[1].revents, 0);
	t0 = now();
	EQ(poll(f, 2, 25), 0);
	TOOK(t0, 25 * MS, 25 * MS);
	t0 = now();
	EQ(ppoll(f, 2, &ts, NULL), 0);
	TOOK(t0, 15500000, 15500000);
	EQ(ts.tv_nsec, 15500000);
	t0 = now();
	EQ(poll(NULL, 0, 10), 0);
	TOOK(t0, 10 * MS, 10 * MS);
	pass("timeouts");
}

static void
kinds(void)
{
	char b;
	struct pollfd f[6] = { { -1, POLLIN, 9 }, { p[0], POLLIN, 0 }, { -77, POLLOUT, 9 }, { q[0], POLLIN, 0 }, { p[0], POLLIN | POLLOUT, 0 }, { p[0], 0, 9 } };
	pthread_t t = spawn(kickfd, FDARG(p[1]));
	CHECK(poll(f, 6, -1) >= 1); /* one, if the byte came between the looks at the two */
	join(t);
	EQ(poll(f, 6, -1), 2);
	EQ(f[0].revents, 0);
	EQ(f[1].revents, POLLIN);
	EQ(f[2].revents, 0);
	EQ(f[3].revents, 0);
	EQ(f[4].revents, POLLIN);
	EQ(f[5].revents, 0);
	EQ(read(p[0], &b, 1), 1);
	pass("negative and duplicate");

	struct pollfd g[3] = { { p[0], POLLIN, 0 }, { 987, POLLIN, 0 }, { q[1], POLLOUT, 0 } };
	EQ(poll(g, 3, -1), 2);
	EQ(g[0].revents, 0);
	EQ(g[1].revents, POLLNVAL);
	EQ(g[2].revents, POLLOUT);
	EQ(poll(g, 2, -1), 1);
	g[1].events = 0;
	EQ(poll(g, 2, -1), 1);
	EQ(g[1].revents, POLLNVAL);
	FAILS(poll(HIDE((struct pollfd *)8), 1, 0), EFAULT);
	/* A regular file is always ready. */
	int fd = OK(open("/proc/self/exe", O_RDONLY));
	struct pollfd h = { fd, POLLIN | POLLOUT, 0 };
	EQ(poll(&h, 1, -1), 1);
	EQ(h.revents, POLLIN | POLLOUT);
	OK(close(fd));
	pass("bad descriptors");
}

static void
hangups(void)
{
	int a[2];
	struct pollfd f;
	OK(pipe(a));
	pthread_t t = spawn(hangup, FDARG(a[1]));
	f = (struct pollfd){ a[0], POLLIN, 0 };
	EQ(poll(&f, 1, -1), 1);
	EQ(f.revents, POLLHUP);
	f.events = 0;
	EQ(poll(&f, 1, -1), 1);
	EQ(f.revents, POLLHUP);
	join(t);
	OK(close(a[0]));

	OK(pipe(a));
	t = spawn(hangup, FDARG(a[0]));
	/* Not waiting for room, only for the error. */
	f = (struct pollfd){ a[1], 0, 0 };
	EQ(poll(&f, 1, -1), 1);
	EQ(f.revents, POLLERR);
	join(t);
	OK(close(a[1]));

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	t = spawn(hangup, FDARG(a[1]));
	f = (struct pollfd){ a[0], POLLIN | POLLRDHUP, 0 };
	EQ(poll(&f, 1, -1), 1);
	EQ(f.revents, POLLIN | POLLHUP | POLLRDHUP);
	join(t);
	OK(close(a[0]));
	pass("hang-ups");
}

enum { MANY = 600 };

static int m[MANY][2];

static void *
kickmany(void *arg)
{
	for(int i = 0; i < MANY; i++) {
		int k = i * 7 % MANY;
		EQ(write(m[k][1], &(char){ k }, 1), 1);
		if(i % 100 == 0)
			nudge();
	}
	return NULL;
}

/* Each byte is found, by one thread that polls them all. */
static void
many(void)
{
	struct pollfd f[MANY];
	int left = MANY;
	for(int i = 0; i < MANY; i++) {
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, m[i]));
		f[i] = (struct pollfd){ m[i][0], POLLIN, 0 };
	}
	pthread_t t = spawn(kickmany, NULL);
	while(left > 0) {
		int n = OK(poll(f, MANY, -1)), seen = 0;
		for(int i = 0; i < MANY; i++) {
			if(f[i].revents == 0)
				continue;
			EQ(f[i].revents, POLLIN);
			char b;
			EQ(read(m[i][0], &b, 1), 1);
			EQ(b, (char)i);
			f[i].fd = -1;
			seen++;
		}
		EQ(seen, n);
		left -= n;
	}
	join(t);
	/* All of them ready at once: the count says so. */
	for(int i = 0; i < MANY; i++)
		f[i] = (struct pollfd){ m[i][0], POLLIN | POLLOUT, 0 };
	EQ(poll(f, MANY, 1000), MANY);
	pass("many");
}

static atomic_int woken;

static void *
waiter(void *arg)
{
	struct pollfd f[3] = { { p[0], POLLIN, 0 }, { m[(intptr_t)arg][0], POLLIN, 0 }, { q[0], POLLIN, 0 } };
	EQ(poll(f, 3, -1), 1);
	EQ(f[0].revents, POLLIN);
	woken++;
	return NULL;
}

/* One event wakes every thread that polls for it. */
static void
everyone(void)
{
	pthread_t *t = spawnall(100, waiter);
	nudge();
	EQ(woken, 0);
	EQ(write(p[1], "!", 1), 1);
	joinall(t, 100);
	char b;
	EQ(read(p[0], &b, 1), 1);
	pass("every waiter");
}

static void *
pong(void *arg)
{
	struct pollfd f = { m[0][1], POLLIN, 0 };
	char b;
	for(;;) {
		EQ(poll(&f, 1, -1), 1);
		if(read(m[0][1], &b, 1) != 1)
			break;
		EQ(write(m[0][1], &b, 1), 1);
	}
	return NULL;
}

/* Never a lost event between poll and read, over and over. */
static void
pingpong(void)
{
	struct pollfd f = { m[0][0], POLLIN, 0 };
	char b;
	pthread_t t = spawn(pong, NULL);
	for(int i = 0, n = scale(2000); i < n; i++) {
		EQ(write(m[0][0], "x", 1), 1);
		EQ(poll(&f, 1, 20000), 1);
		EQ(read(m[0][0], &b, 1), 1);
		EQ(poll(&f, 1, 0), 0);
	}
	OK(shutdown(m[0][0], SHUT_WR));
	join(t);
	pass("ping-pong");
}

static void
writable(void)
{
	struct pollfd f = { q[1], POLLOUT, 0 };
	char buf[4096] = "";
	OK(fcntl(q[1], F_SETFL, O_NONBLOCK));
	while(write(q[1], buf, sizeof buf) > 0)
		;
	EQ(poll(&f, 1, 10), 0);
	OK(fcntl(q[0], F_SETFL, O_NONBLOCK));
	struct pollfd both[2] = { { q[0], POLLIN, 0 }, { q[1], POLLOUT, 0 } };
	EQ(poll(both, 2, -1), 1);
	while(read(q[0], buf, sizeof buf) > 0)
		;
	EQ(poll(&f, 1, -1), 1);
	EQ(f.revents, POLLOUT);
	pass("room to write");
}

int
main(void)
{
	manyfiles(2 * MANY + 100);
	OK(pipe(p));
	OK(pipe(q));
	timeouts();
	kinds();
	hangups();
	many();
	everyone();
	pingpong();
	writable();
	return 0;
}
