/* SPDX-License-Identifier: MIT */
/* preadv2 and pwritev2 with each of their flags, on files, pipes, sockets and counters; those without a position wait like read and write. */
#include "others.h"
#include <sys/eventfd.h>

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

enum { N = 12 };

/* Eight bytes are one buffer: an eventfd takes no less at a time. */
static int
cut(struct iovec v[2], void *b, size_t n)
{
	size_t first = n == 8 ? n : n / 2;

	v[0] = (struct iovec){ b, first };
	v[1] = (struct iovec){ (char *)b + first, n - first };
	return n == 8 ? 1 : 2;
}

static ssize_t
get(int fd, void *b, size_t n, off_t at, int flags)
{
	struct iovec v[2];

	return preadv2(fd, v, cut(v, b, n), at, flags);
}

static ssize_t
put(int fd, const void *b, size_t n, off_t at, int flags)
{
	struct iovec v[2];

	return pwritev2(fd, v, cut(v, (void *)b, n), at, flags);
}

static void
files(void)
{
	char path[] = "/tmp/io_rwf.XXXXXX", b[16] = "";
	int fd = OK(mkstemp(path)), ap = OK(open(path, O_WRONLY | O_APPEND));
	ssize_t n;

	EQ(put(fd, "0123456789", 10, 0, RWF_DSYNC), 10);
	EQ(put(fd, "ab", 2, 2, RWF_SYNC), 2);
	EQ(put(fd, "END", 3, 0, RWF_APPEND), 3);
	EQ(get(fd, b, 16, 0, 0), 13);
	CHECK(memcmp(b, "01ab456789END", 13) == 0);
	EQ(put(fd, "xy", 2, -1, 0), 2); /* at the position, which moves; RWF_APPEND has left it */
	EQ(lseek(fd, 0, SEEK_CUR), 2);
	EQ(get(fd, b, 4, -1, 0), 4);
	CHECK(memcmp(b, "ab45", 4) == 0);
	n = put(ap, "!", 1, 0, RWF_NOAPPEND);
	CHECK(n == 1 || (n == -1 && errno == EOPNOTSUPP));
	if(n == 1) {
		EQ(get(fd, b, 2, 0, 0), 2);
		CHECK(memcmp(b, "!y", 2) == 0);
	}
	/* in the page cache, most likely */
	n = get(fd, b, 4, 0, RWF_NOWAIT);
	CHECK(n == 4 || (n == -1 && (errno == EAGAIN || errno == EOPNOTSUPP)));
	n = get(fd, b, 4, 0, RWF_HIPRI);
	CHECK(n == 4 || (n == -1 && errno == EOPNOTSUPP));
	FAILS(get(fd, b, 4, 0, HIDE(1 << 30)), EOPNOTSUPP);
	FAILS(get(fd, b, 4, -2, 0), EINVAL);
	OK(close(fd)), OK(close(ap));
	OK(unlink(path));
	pass("files");
}

/* Nothing there, and later something: from each kind of stream. */
static void
stream(const char *name, int rd, int wr, bool eventfd)
{
	char b[16];

	FAILS(get(rd, b, 8, -1, RWF_NOWAIT), EAGAIN);
	EQ(put(wr, "\1\0\0\0\0\0\0\0", 8, -1, 0), 8);
	EQ(get(rd, b, 8, -1, RWF_NOWAIT), 8);
	FAILS(get(rd, b, 8, -1, RWF_NOWAIT), EAGAIN);
	FAILS(get(rd, b, 8, 0, 0), ESPIPE);
	FAILS(put(wr, b, 8, 0, 0), ESPIPE);
	if(!eventfd) {
		for(int i = 0; i < 100000 && put(wr, b, 16, -1, RWF_NOWAIT) > 0; i++)
			;
		EQ(errno, EAGAIN);
	}
	pass("%s", name);
}

static int in[N], out[N];

static void *
waits(void *arg)
{
	int i = (intptr_t)arg;
	char b[8] = "";

	EQ(get(in[i], b, 8, -1, 0), 8);
	EQ(b[0], i + 1);
	return NULL;
}

static void
waiters(void)
{
	int p[2];

	for(int i = 0; i < N; i++) {
		if(i % 3 == 0)
			OK(pipe(p));
		else if(i % 3 == 1)
			OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
		else
			p[1] = OK(dup(p[0] = OK(eventfd(0, 0))));
		in[i] = p[0], out[i] = p[1];
	}
	pthread_t *t = spawnall(N, waits);
	nudge();
	long before = work;
	while(work < before + 20)
		nudge();
	for(int i = N - 1; i >= 0; i--)
		EQ(put(out[i], (char[8]){ i + 1 }, 8, -1, 0), 8);
	joinall(t, N);
	for(int i = 0; i < N; i++)
		OK(close(in[i])), OK(close(out[i]));
	pass("waiters");
}

int
main(void)
{
	int p[2], e;
	pthread_t w;

	workpause = 1000;
	w = spawn(worker, NULL);
	files();
	OK(pipe(p));
	stream("pipe", p[0], p[1], false);
	OK(close(p[0])), OK(close(p[1]));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	stream("unix", p[0], p[1], false);
	OK(close(p[0])), OK(close(p[1]));
	tcppair(p);
	FAILS(get(p[0], &e, 1, -1, RWF_NOWAIT), EAGAIN);
	OK(close(p[0])), OK(close(p[1]));
	e = OK(eventfd(0, 0));
	stream("eventfd", e, e, true);
	OK(close(e));
	waiters();
	over = true;
	join(w);
	return 0;
}
