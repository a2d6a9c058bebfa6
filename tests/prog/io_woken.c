/* SPDX-License-Identifier: MIT */
/*
 * A call that has been woken keeps its file, whatever becomes of the number before the thread runs again: data that came, or a
 * shutdown, and right behind it a close, or another file in its place.
 */
#include "got.h"

enum { READERS = 3 };

static atomic_int begun;

/* ---- a receive of eight bytes, half of which have been taken: it is inside the call ---- */

static void
rest(bool tcp, bool replace)
{
	for(int i = 0, n = scale(60); i < n; i++) {
		struct got g;
		int s[2], q[2], left;

		if(tcp)
			tcppair(s);
		else
			OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, q));
		EQ(write(q[1], "newfile!", 8), 8);
		pthread_t t = halfdone(&g, s[0], s[1], "OLD-");
		if(i % 3 == 0)
			nudge();
		EQ(write(s[1], "FILE", 4), 4);
		if(i % 2)
			sched_yield();
		if(replace)
			EQ(dup2(q[0], s[0]), s[0]);
		else
			OK(close(s[0]));
		join(t);
		EQ(g.n, 8);
		CHECK(memcmp(g.b, "OLD-FILE", 8) == 0);
		OK(ioctl(q[0], FIONREAD, &left));
		EQ(left, 8);
		if(replace)
			OK(close(s[0]));
		OK(close(s[1]));
		OK(close(q[0]));
		OK(close(q[1]));
	}
	pass("%s, %s", tcp ? "tcp" : "unix", replace ? "replaced" : "closed");
}

/* ---- a write of more than a pipe holds: once that is full, the call is under way ---- */

enum { PIPEFULL = 65536, WROTE = PIPEFULL + 12288 };

static void *
writer(void *arg)
{
	static char b[WROTE];
	struct got *g = arg;

	g->n = write(g->fd, b, WROTE);
	g->err = errno;
	return NULL;
}

/* Room is made for the rest, and right behind it the number goes. */
static void
writerest(bool replace)
{
	for(int i = 0, n = scale(100); i < n; i++) {
		static char b[WROTE];
		struct got g = { 0 };
		int p[2], q[2], left;
		size_t k = 0;
		ssize_t r;

		OK(pipe(p));
		OK(pipe(q));
		g.fd = p[1];
		pthread_t t = spawn(writer, &g);
		do {
			sched_yield();
			OK(ioctl(p[0], FIONREAD, &left));
		} while(left < PIPEFULL);
		if(i % 4 == 0)
			nudge();
		if(i % 2)
			k = OK(read(p[0], b, 8192));
		if(i % 8 >= 6)
			sched_yield();
		if(replace)
			EQ(dup2(q[1], p[1]), p[1]);
		else
			OK(close(p[1]));
		while((r = OK(read(p[0], b, sizeof b))) > 0)
			k += r;
		join(t);
		EQ(g.n, WROTE);
		EQ(k, WROTE);
		OK(ioctl(q[0], FIONREAD, &left));
		EQ(left, 0);
		if(replace)
			OK(close(p[1]));
		OK(close(p[0]));
		OK(close(q[0]));
		OK(close(q[1]));
	}
	pass("pipe, %s", replace ? "replaced" : "closed");
}

/* ---- shutdown and close at once, with several that wait ---- */

static void *
reads(void *arg)
{
	begun++;
	return reader(arg);
}

static void *
accepts(void *arg)
{
	begun++;
	return accepter(arg);
}

/* Something for each of those who wait, and a close at once. */
static void
served(const char *what, void *(*f)(void *))
{
	int right = 0, n = scale(40);

	for(int i = 0; i < n; i++) {
		struct got g[READERS];
		pthread_t t[READERS];
		struct sockaddr_in sa;
		int s[2], c[READERS];

		if(f == reads)
			OK(pipe(s));
		else
			s[0] = tcplisten(&sa, READERS);
		begun = 0;
		for(int k = 0; k < READERS; k++) {
			g[k] = (struct got){ .fd = s[0] };
			t[k] = spawn(f, &g[k]);
		}
		while(begun < READERS)
			sched_yield();
		nudge();
		for(int k = 0; k < READERS; k++)
			if(f == reads)
				EQ(write(s[1], "12345678", 8), 8);
			else
				c[k] = tcpdial(&sa);
		if(i % 2)
			sched_yield();
		OK(close(s[0]));
		for(int k = 0; k < READERS; k++) {
			join(t[k]);
			if(g[k].n >= 0)
				right++;
			else /* too late: by then the number may be another accepter's connection */
				CHECK(g[k].err == EBADF || (f == accepts && g[k].err == EINVAL));
			if(f == accepts) {
				OK(close(c[k]));
				if(g[k].n >= 0)
					OK(close(g[k].n));
			}
		}
		if(f == reads)
			OK(close(s[1]));
	}
	CHECK(right > n * READERS * 2 / 3);
	pass("%s", what);
}

/* Who had not yet begun to wait finds no file: that is few. */
static void
ended(const char *what, void *(*f)(void *), int want)
{
	int right = 0, n = scale(30);

	for(int i = 0; i < n; i++) {
		struct got g[READERS];
		pthread_t t[READERS];
		struct sockaddr_in sa;
		int s[2];

		if(f == reads)
			tcppair(s);
		else
			s[0] = tcplisten(&sa, 5);
		begun = 0;
		for(int k = 0; k < READERS; k++) {
			g[k] = (struct got){ .fd = s[0] };
			t[k] = spawn(f, &g[k]);
		}
		while(begun < READERS)
			sched_yield();
		nudge();
		OK(shutdown(s[0], SHUT_RDWR));
		OK(close(s[0]));
		for(int k = 0; k < READERS; k++) {
			join(t[k]);
			if(want == 0 ? g[k].n == 0 : g[k].n == -1 && g[k].err == want)
				right++;
			else
				CHECK(g[k].n == -1 && g[k].err == EBADF);
		}
		if(f == reads)
			OK(close(s[1]));
	}
	CHECK(right > n * READERS / 2);
	pass("%s", what);
}

/* ---- no number is left over ---- */

static int
numbers(void)
{
	int n = 0;

	for(int fd = 0; fd < 20000; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int
main(void)
{
	int before;

	rest(false, false);
	rest(true, false);
	before = numbers();
	for(int i = 2; i < 4; i++)
		rest(i & 1, i & 2);
	ended("read", reads, 0);
	ended("accept", accepts, EINVAL);
	writerest(false);
	writerest(true);
	served("read of what was there", reads);
	served("accept of who was there", accepts);
	EQ(numbers(), before);
	return 0;
}
