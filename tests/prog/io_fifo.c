/* SPDX-License-Identifier: MIT */
/* FIFOs: opening one end waits for the other, in many threads; flags of open; data through them. */
#include "io_util.h"

enum { N = 60 };

static char dir[] = "/tmp/io_fifo.XXXXXX";

static const char *
path(char *buf, int i)
{
	sprintf(buf, "%s/f%d", dir, i);
	return buf;
}

static void *
rdend(void *arg)
{
	char name[64], buf[16];
	int i = (intptr_t)arg, v;
	int fd = OK(open(path(name, i), O_RDONLY));
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	EQ(read(fd, &v, sizeof v), sizeof v);
	EQ(v, i * 31);
	EQ(read(fd, buf, sizeof buf), 0);
	OK(close(fd));
	return NULL;
}

static void *
wrend(void *arg)
{
	char name[64];
	int i = (intptr_t)arg, v = i * 31;
	int fd = OK(open(path(name, i), O_WRONLY | O_CLOEXEC));
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	EQ(write(fd, &v, sizeof v), sizeof v);
	OK(close(fd));
	return NULL;
}

/* Readers first, all waiting in open, then writers; and the other way about. */
static void
rendezvous(bool readersfirst)
{
	char name[64];
	for(int i = 0; i < N; i++)
		OK(mkfifo(path(name, i), 0600));
	pthread_t *a = spawnall(N, readersfirst ? rdend : wrend);
	nudge();
	pthread_t *b = spawnall(N, readersfirst ? wrend : rdend);
	joinall(a, N);
	joinall(b, N);
	for(int i = 0; i < N; i++)
		OK(unlink(path(name, i)));
	pass("%s wait in open", readersfirst ? "readers" : "writers");
}

static void *
opener(void *arg)
{
	char name[64];
	int fd = OK(open(path(name, 0), O_RDONLY));
	EQ(read(fd, name, 1), 1);
	EQ(name[0], 'q');
	OK(close(fd));
	return NULL;
}

static void
nonblock(void)
{
	char name[64], b[4];
	OK(mkfifo(path(name, 0), 0600));
	FAILS(open(name, O_WRONLY | O_NONBLOCK), ENXIO);
	int r = OK(open(name, O_RDONLY | O_NONBLOCK));
	EQ(read(r, b, 1), 0); /* no writer yet: end of file, not EAGAIN */
	int w = OK(open(name, O_WRONLY | O_NONBLOCK));
	FAILS(read(r, b, 1), EAGAIN);
	EQ(write(w, "x", 1), 1);
	EQ(read(r, b, 4), 1);
	OK(close(w));
	EQ(read(r, b, 1), 0);
	OK(close(r));

	int rw = OK(open(name, O_RDWR));
	EQ(write(rw, "yz", 2), 2);
	EQ(read(rw, b, 4), 2);
	OK(close(rw));

	/* A reader in open is woken by a non-blocking writer as well. */
	pthread_t t = spawn(opener, NULL);
	while((w = open(name, O_WRONLY | O_NONBLOCK)) < 0) {
		EQ(errno, ENXIO);
		sched_yield();
	}
	EQ(write(w, "q", 1), 1);
	join(t);
	OK(close(w));
	OK(unlink(name));
	FAILS(open(name, O_RDONLY), ENOENT);
	pass("flags");
}

int
main(void)
{
	CHECK(mkdtemp(dir));
	rendezvous(true);
	rendezvous(false);
	nonblock();
	OK(rmdir(dir));
	return 0;
}
