/* SPDX-License-Identifier: MIT */
/* Big transfers both ways at once through small buffers: partial writes, full buffers, every byte in its place. */
#include "io_util.h"
#include <sys/sendfile.h>

enum { PAIRS = 6, TOTAL = 1 << 20 };

static int fd[PAIRS][2];
static size_t total;

struct end {
	int fd, seed;
	bool slow;
};

static void *
source(void *arg)
{
	struct end *e = arg;
	unsigned char *b = malloc(total);
	fill(b, total, e->seed, 0);
	size_t k = 0, chunk = 1;
	for(int i = 0; k < total; i++) {
		size_t n = chunk < total - k ? chunk : total - k;
		struct iovec v[3] = { { b + k, n / 2 }, { b + k + n / 2, 0 }, { b + k + n / 2, n - n / 2 } };
		struct msghdr m = { .msg_iov = v, .msg_iovlen = 3 };
		/* A waiting write takes all, however little room there is. */
		switch(i % 4) {
		case 0: EQ(write(e->fd, b + k, n), n); break;
		case 1: EQ(send(e->fd, b + k, n, 0), n); break;
		case 2: EQ(writev(e->fd, v, 3), n); break;
		case 3: EQ(sendmsg(e->fd, &m, 0), n); break;
		}
		k += n;
		chunk = chunk * 3 + 1;
	}
	OK(shutdown(e->fd, SHUT_WR));
	free(b);
	return NULL;
}

static void *
sink(void *arg)
{
	struct end *e = arg;
	unsigned char b[20000];
	size_t got = 0;
	ssize_t n;
	for(int i = 0; (n = recv(e->fd, b, 1 + i * 613 % sizeof b, i % 5 == 0 ? MSG_WAITALL : 0)) > 0; i++) {
		CHECK(filled(b, n, e->seed, got));
		got += n;
		if(e->slow && i % 64 == 0)
			nudge();
	}
	EQ(n, 0);
	EQ(got, total);
	return NULL;
}

static void
run(const char *name)
{
	struct end in[PAIRS][2], out[PAIRS][2];
	pthread_t t[PAIRS][4];
	for(int i = 0; i < PAIRS; i++)
		for(int k = 0; k < 2; k++) {
			out[i][k] = (struct end){ fd[i][k], i * 2 + k, false };
			in[i][k] = (struct end){ fd[i][1 - k], i * 2 + k, i == 0 };
			t[i][k * 2] = spawn(source, &out[i][k]);
			t[i][k * 2 + 1] = spawn(sink, &in[i][k]);
		}
	for(int i = 0; i < PAIRS; i++) {
		for(int k = 0; k < 4; k++)
			join(t[i][k]);
		OK(close(fd[i][0])), OK(close(fd[i][1]));
	}
	pass("%s", name);
}

static void *
sinkone(void *arg)
{
	return sink(arg);
}

static void
file(void)
{
	int s[2];
	FILE *f = tmpfile();
	CHECK(f);
	unsigned char *b = malloc(total);
	fill(b, total, 99, 0);
	EQ(write(fileno(f), b, total), total);
	free(b);
	tcppair(s);
	struct end e = { s[1], 99, true };
	pthread_t t = spawn(sinkone, &e);
	off_t o = 0;
	while((size_t)o < total)
		CHECK(sendfile(s[0], fileno(f), &o, total - o) > 0);
	OK(shutdown(s[0], SHUT_WR));
	join(t);
	OK(close(s[0])), OK(close(s[1]));
	fclose(f);
	pass("sendfile");
}

int
main(void)
{
	int small = 4096;

	total = scale(TOTAL);
	for(int i = 0; i < PAIRS; i++) {
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd[i]));
		OK(setsockopt(fd[i][0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small));
	}
	run("unix");
	for(int i = 0; i < PAIRS; i++) {
		tcppair(fd[i]);
		if(i % 2)
			OK(setsockopt(fd[i][0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small));
	}
	run("tcp");
	file();
	return 0;
}
