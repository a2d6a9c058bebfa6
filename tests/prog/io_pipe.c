/* SPDX-License-Identifier: MIT */
/* Pipes: blocking reads and writes of every form, full and empty, end of file, EPIPE. */
#include "io_util.h"

static int p[2];

static sem_t hasread;

/* The second part comes when the first has been read, or a read would find both. */
static void *
slowwriter(void *arg)
{
	nudge();
	EQ(write(p[1], "abc", 3), 3);
	OK(sem_wait(&hasread));
	nudge();
	struct iovec v[2] = { { "de", 2 }, { "fgh", 3 } };
	EQ(writev(p[1], v, 2), 5);
	nudge();
	OK(close(p[1]));
	return NULL;
}

/* A read on an empty pipe waits, gives what there is, then end of file. */
static void
empty(void)
{
	char a[3], b[8];
	OK(pipe(p));
	OK(sem_init(&hasread, 0, 0));
	pthread_t t = spawn(slowwriter, NULL);
	EQ(read(p[0], b, sizeof b), 3);
	OK(sem_post(&hasread));
	CHECK(memcmp(b, "abc", 3) == 0);
	struct iovec v[2] = { { a, 3 }, { b, 8 } };
	EQ(readv(p[0], v, 2), 5);
	CHECK(memcmp(a, "def", 3) == 0 && memcmp(b, "gh", 2) == 0);
	EQ(read(p[0], b, 8), 0);
	EQ(readv(p[0], v, 2), 0);
	join(t);
	OK(close(p[0]));
	pass("empty pipe");
}

static void *
bigreader(void *arg)
{
	size_t *total = arg;
	unsigned char buf[3000];
	ssize_t n;
	nudge();
	while((n = read(p[0], buf, sizeof buf)) > 0) {
		CHECK(filled(buf, n, 7, *total));
		*total += n;
	}
	EQ(n, 0);
	return NULL;
}

/* One write of far more than the pipe holds is complete, like writev's. */
static void
full(void)
{
	size_t n = 1 << 20, got = 0;
	unsigned char *buf = malloc(n);
	fill(buf, n, 7, 0);
	OK(pipe(p));
	pthread_t t = spawn(bigreader, &got);
	EQ(write(p[1], buf, n / 2), n / 2);
	struct iovec v[3] = { { buf + n / 2, 1 }, { buf + n / 2 + 1, n / 4 }, { buf + n / 2 + 1 + n / 4, n / 4 - 1 } };
	EQ(writev(p[1], v, 3), n / 2);
	OK(close(p[1]));
	join(t);
	EQ(got, n);
	OK(close(p[0]));
	free(buf);
	pass("full pipe");
}

static void *
brokenwriter(void *arg)
{
	size_t n = 1 << 18;
	char *buf = calloc(1, n);
	ssize_t r = write(p[1], buf, n);
	/* The reader took some bytes and left: a short count, then EPIPE. */
	if(r != -1)
		CHECK(r > 0 && r < (ssize_t)n);
	else
		EQ(errno, EPIPE);
	FAILS(write(p[1], buf, 1), EPIPE);
	struct iovec v = { buf, 1 };
	FAILS(writev(p[1], &v, 1), EPIPE);
	free(buf);
	return NULL;
}

/* The last reader leaves while a writer waits for room. */
static void
broken(void)
{
	char b[100];
	OK(pipe(p));
	pthread_t t = spawn(brokenwriter, NULL);
	readn(p[0], b, sizeof b);
	nudge();
	OK(close(p[0]));
	join(t);
	OK(close(p[1]));
	pass("broken pipe");
}

/* Odd cases that must not wait. */
static void
edges(void)
{
	char b[4];
	OK(pipe(p));
	EQ(read(p[0], b, 0), 0);
	EQ(write(p[1], b, 0), 0);
	FAILS(read(p[1], b, 1), EBADF);
	FAILS(write(p[0], b, 1), EBADF);
	FAILS(read(-1, b, 1), EBADF);
	FAILS(write(-1, b, 1), EBADF);
	FAILS(lseek(p[0], 0, SEEK_CUR), ESPIPE);
	FAILS(pread(p[0], b, 1, 0), ESPIPE);
	EQ(write(p[1], "x", 1), 1);
	FAILS(read(p[0], HIDE((void *)8), 1), EFAULT);
	FAILS(write(p[1], HIDE((void *)8), 1), EFAULT);
	struct iovec v = { b, 1 };
	FAILS(readv(p[0], &v, HIDE(-1)), EINVAL);
	FAILS(readv(p[0], &v, HIDE(IOV_MAX + 1)), EINVAL);
	EQ(preadv2(p[0], &v, 1, -1, 0), 1);
	FAILS(preadv2(p[0], &v, 1, -1, RWF_NOWAIT), EAGAIN);
	EQ(pwritev2(p[1], &v, 1, -1, 0), 1);
	EQ(read(p[0], b, 4), 1);
	OK(close(p[0]));
	OK(close(p[1]));
	FAILS(read(p[0], b, 1), EBADF);
	pass("edges");
}

static void *
relay(void *arg)
{
	int *fd = arg;
	unsigned char b;
	while(read(fd[0], &b, 1) == 1) {
		b++;
		EQ(write(fd[1], &b, 1), 1);
	}
	OK(close(fd[1]));
	return NULL;
}

/* A byte goes round a ring of threads. */
static void
ring(void)
{
	enum { N = 50 };
	int fd[N + 1][2], arg[N][2];
	pthread_t t[N];
	for(int i = 0; i <= N; i++)
		OK(pipe(fd[i]));
	for(int i = 0; i < N; i++) {
		arg[i][0] = fd[i][0];
		arg[i][1] = fd[i + 1][1];
		t[i] = spawn(relay, arg[i]);
	}
	for(int k = 0, n = scale(100); k < n; k++) {
		unsigned char b = k;
		EQ(write(fd[0][1], &b, 1), 1);
		EQ(read(fd[N][0], &b, 1), 1);
		EQ(b, (unsigned char)(k + N));
	}
	OK(close(fd[0][1]));
	char c;
	EQ(read(fd[N][0], &c, 1), 0);
	for(int i = 0; i < N; i++)
		join(t[i]);
	pass("ring of threads");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	empty();
	full();
	broken();
	edges();
	ring();
	return 0;
}
