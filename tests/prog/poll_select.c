/* SPDX-License-Identifier: MIT */
/* select and pselect: sets, what is left in them, the time left, errors; poll past FD_SETSIZE. */
#include "io_util.h"
#include <sys/select.h>

static int p[2], s[2];

static void
timeouts(void)
{
	fd_set r;
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	struct timeval tv = { 0, 20000 };
	int64_t t0 = now();
	EQ(select(p[0] + 1, &r, NULL, NULL, &tv), 0);
	TOOK(t0, 20 * MS, 20 * MS);
	CHECK(!FD_ISSET(p[0], &r)); /* cleared */
	EQ(tv.tv_sec, 0);
	EQ(tv.tv_usec, 0); /* Linux: the time left */
	FD_SET(p[0], &r);
	struct timespec ts = { 0, 20 * MS };
	t0 = now();
	EQ(pselect(p[0] + 1, &r, NULL, NULL, &ts, NULL), 0);
	TOOK(t0, 20 * MS, 20 * MS);
	EQ(ts.tv_nsec, 20 * MS); /* pselect leaves it alone */
	tv = (struct timeval){ 0, 0 };
	FD_SET(p[0], &r);
	t0 = now();
	EQ(select(p[0] + 1, &r, NULL, NULL, &tv), 0);
	TOOK(t0, 0, 0);
	tv = (struct timeval){ 0, 15000 };
	t0 = now();
	EQ(select(0, NULL, NULL, NULL, &tv), 0);
	TOOK(t0, 15 * MS, 15 * MS);
	tv = (struct timeval){ 0, 1500000 }; /* more than a second's worth is added up */
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	pthread_t t = spawn(kickfd, FDARG(p[1]));
	EQ(select(p[0] + 1, &r, NULL, NULL, &tv), 1);
	CHECK(FD_ISSET(p[0], &r));
	CHECK(tv.tv_sec <= 1 && (tv.tv_sec == 1 || tv.tv_usec > 0));
	join(t);
	char b;
	EQ(read(p[0], &b, 1), 1);
	pass("timeouts");
}

static void
sets(void)
{
	fd_set r, w, x;
	char b;
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(p[0], &r), FD_SET(s[0], &r);
	FD_SET(s[0], &w), FD_SET(p[1], &w);
	FD_SET(s[0], &x);
	/* Writable at once; readable not. The count is of bits, not of descriptors. */
	EQ(select(s[1] + 1, &r, &w, &x, NULL), 2);
	CHECK(!FD_ISSET(p[0], &r) && !FD_ISSET(s[0], &r));
	CHECK(FD_ISSET(p[1], &w) && FD_ISSET(s[0], &w));
	CHECK(!FD_ISSET(s[0], &x));
	EQ(write(s[1], "z", 1), 1);
	FD_SET(s[0], &r);
	EQ(select(s[1] + 1, &r, &w, NULL, NULL), 3);
	CHECK(FD_ISSET(s[0], &r) && FD_ISSET(s[0], &w));
	EQ(read(s[0], &b, 1), 1);
	/* What lies at or above nfds is not looked at. */
	FD_ZERO(&r);
	FD_SET(p[0], &r), FD_SET(s[0], &r);
	pthread_t t = spawn(kickfd, FDARG(p[1]));
	EQ(select(p[0] + 1, &r, NULL, NULL, NULL), 1);
	CHECK(FD_ISSET(p[0], &r));
	join(t);
	EQ(read(p[0], &b, 1), 1);
	pass("sets");
}

static void
errors(void)
{
	fd_set r;
	struct timeval bad = { -1, 0 };
	struct timespec badts = { 0, -1 };
	FAILS(select(-1, NULL, NULL, NULL, NULL), EINVAL);
	FAILS(select(0, NULL, NULL, NULL, &bad), EINVAL);
	FAILS(pselect(0, NULL, NULL, NULL, &badts, NULL), EINVAL);
	FAILS(select(10, HIDE((fd_set *)8), NULL, NULL, NULL), EFAULT);
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	/* Within the table of descriptors: what lies beyond it the kernel passes over. */
	OK(dup2(p[1], 800));
	OK(close(800));
	FD_SET(800, &r);
	FAILS(select(801, &r, NULL, NULL, NULL), EBADF);
	pass("errors");
}

static void
exceptional(void)
{
	int t[2];
	fd_set x, r;
	char b;
	tcppair(t);
	FD_ZERO(&x);
	FD_ZERO(&r);
	FD_SET(t[0], &x), FD_SET(t[0], &r);
	EQ(send(t[1], "U", 1, MSG_OOB), 1);
	CHECK(OK(select(t[0] + 1, NULL, NULL, &x, NULL)) == 1);
	CHECK(FD_ISSET(t[0], &x));
	EQ(recv(t[0], &b, 1, MSG_OOB), 1);
	OK(close(t[1]));
	EQ(select(t[0] + 1, &r, NULL, NULL, NULL), 1);
	OK(close(t[0]));
	pass("exceptional");
}

static void *
waiter(void *arg)
{
	int i = (intptr_t)arg;
	fd_set r;
	FD_ZERO(&r);
	FD_SET(p[0], &r), FD_SET(s[0], &r);
	struct timeval tv = { 20, 0 };
	EQ(select((p[0] > s[0] ? p[0] : s[0]) + 1, &r, NULL, NULL, i % 2 ? &tv : NULL), 1);
	CHECK(FD_ISSET(p[0], &r) && !FD_ISSET(s[0], &r));
	return NULL;
}

static void
everyone(void)
{
	char b;
	pthread_t *t = spawnall(100, waiter);
	nudge();
	EQ(write(p[1], "!", 1), 1);
	joinall(t, 100);
	EQ(read(p[0], &b, 1), 1);
	pass("every waiter");
}

static int high[2];

static void *
highpoll(void *arg)
{
	struct pollfd f[2] = { { high[0], POLLIN, 0 }, { p[0], POLLIN, 0 } };
	char b;
	EQ(poll(f, 2, -1), 1);
	EQ(f[0].revents, POLLIN);
	EQ(read(high[0], &b, 1), 1);
	return NULL;
}

/* Numbers that no fd_set holds: poll, read and write take them. */
static void
past(void)
{
	struct rlimit rl;
	OK(getrlimit(RLIMIT_NOFILE, &rl));
	rl.rlim_cur = rl.rlim_max < 4096 ? rl.rlim_max : 4096;
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	if(rl.rlim_cur >= 3000) {
		high[0] = OK(fcntl(p[0], F_DUPFD, 2500));
		int q[2];
		OK(pipe(q));
		high[0] = OK(dup2(q[0], 2500));
		high[1] = OK(dup2(q[1], 2600));
		OK(close(q[0])), OK(close(q[1]));
		for(int i = 0; i < 10; i++) {
			pthread_t t = spawn(highpoll, NULL);
			if(i % 2)
				nudge();
			EQ(write(high[1], "h", 1), 1);
			join(t);
		}
		/* select takes more than FD_SETSIZE when the sets are as big as that. */
		fd_set big[4];
		memset(big, 0, sizeof big);
		((unsigned long *)big)[high[0] / 64] |= 1ul << high[0] % 64;
		EQ(write(high[1], "h", 1), 1);
		EQ(select(high[0] + 1, HIDE((fd_set *)big), NULL, NULL, NULL), 1);
		CHECK(((unsigned long *)big)[high[0] / 64] & 1ul << high[0] % 64);
		OK(close(high[0])), OK(close(high[1]));
	}
	pass("past FD_SETSIZE");
}

int
main(void)
{
	OK(pipe(p));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	timeouts();
	sets();
	errors();
	exceptional();
	everyone();
	past();
	return 0;
}
