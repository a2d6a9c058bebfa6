/* SPDX-License-Identifier: MIT */
/* splice, tee, vmsplice, sendfile and copy_file_range between pipes, sockets and files, waiting for data and for room. */
#include "io_util.h"
#include <sys/sendfile.h>

enum { TOTAL = 1 << 20 };

static int a[2], b[2], s[2];

static void *
source(void *arg)
{
	int fd = *(int *)arg;
	unsigned char *buf = malloc(TOTAL);
	fill(buf, TOTAL, 5, 0);
	nudge();
	for(size_t k = 0, n = 1; k < TOTAL; k += n, n = n * 2 + 1) {
		if(n > TOTAL - k)
			n = TOTAL - k;
		EQ(write(fd, buf + k, n), n);
	}
	OK(close(fd));
	free(buf);
	return NULL;
}

static void *
sink(void *arg)
{
	unsigned char buf[5000];
	size_t got = 0;
	ssize_t n;
	while((n = read(*(int *)arg, buf, sizeof buf)) > 0) {
		CHECK(filled(buf, n, 5, got));
		got += n;
	}
	EQ(n, 0);
	EQ(got, TOTAL);
	return NULL;
}

/* pipe -> socket -> pipe, each step waiting for the one before and after it. */
static void *
pipetosocket(void *arg)
{
	ssize_t n;
	size_t sum = 0;
	while((n = splice(a[0], NULL, s[0], NULL, 100000, SPLICE_F_MOVE)) > 0)
		sum += n;
	EQ(n, 0);
	EQ(sum, TOTAL);
	OK(shutdown(s[0], SHUT_WR));
	return NULL;
}

static void *
sockettopipe(void *arg)
{
	ssize_t n;
	size_t sum = 0;
	while((n = splice(s[1], NULL, b[1], NULL, 70000, SPLICE_F_MORE)) > 0)
		sum += n;
	EQ(n, 0);
	EQ(sum, TOTAL);
	OK(close(b[1]));
	return NULL;
}

static void
chain(bool tcp)
{
	OK(pipe(a));
	OK(pipe(b));
	if(tcp)
		tcppair(s);
	else
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pthread_t t[4] = { spawn(sink, &b[0]), spawn(sockettopipe, NULL), spawn(pipetosocket, NULL), spawn(source, &a[1]) };
	for(int i = 0; i < 4; i++)
		join(t[i]);
	OK(close(a[0])), OK(close(b[0])), OK(close(s[0])), OK(close(s[1]));
	pass("splice, %s", tcp ? "tcp" : "unix");
}

static void *
teesource(void *arg)
{
	nudge();
	EQ(write(a[1], "tee!", 4), 4);
	return NULL;
}

static void
tees(void)
{
	char c[8];
	OK(pipe(a));
	OK(pipe(b));
	pthread_t t = spawn(teesource, NULL);
	EQ(tee(a[0], b[1], 100, 0), 4);
	EQ(read(b[0], c, 8), 4);
	EQ(read(a[0], c, 8), 4);
	CHECK(memcmp(c, "tee!", 4) == 0);
	join(t);
	FAILS(tee(a[0], b[1], 100, SPLICE_F_NONBLOCK), EAGAIN);
	FAILS(splice(a[0], NULL, b[1], NULL, 100, SPLICE_F_NONBLOCK), EAGAIN);
	struct iovec v = { "vmsplice", 8 };
	EQ(vmsplice(a[1], &v, 1, 0), 8);
	EQ(read(a[0], c, 8), 8);
	CHECK(memcmp(c, "vmsplice", 8) == 0);
	FAILS(splice(a[0], NULL, 2000, NULL, 5, 0), EBADF);
	OK(close(a[0])), OK(close(a[1])), OK(close(b[0])), OK(close(b[1]));
	pass("tee and vmsplice");
}

static void
files(void)
{
	FILE *f = tmpfile(), *g = tmpfile();
	CHECK(f && g);
	int in = fileno(f), out = fileno(g);
	unsigned char *buf = malloc(TOTAL);
	fill(buf, TOTAL, 5, 0);
	EQ(write(in, buf, TOTAL), TOTAL);
	loff_t o = 0, p = 0;
	while(o < TOTAL)
		CHECK(copy_file_range(in, &o, out, &p, TOTAL - o, 0) > 0);
	EQ(p, TOTAL);
	EQ(pread(out, buf, TOTAL, 0), TOTAL);
	CHECK(filled(buf, TOTAL, 5, 0));
	/* A file into a pipe that is too small for it. */
	OK(pipe(a));
	pthread_t t = spawn(sink, &a[0]);
	off_t off = 0;
	while(off < TOTAL)
		CHECK(sendfile(a[1], in, &off, TOTAL - off) > 0);
	OK(close(a[1]));
	join(t);
	OK(close(a[0]));
	free(buf);
	fclose(f), fclose(g);
	pass("files");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	chain(false);
	chain(true);
	tees();
	files();
	return 0;
}
