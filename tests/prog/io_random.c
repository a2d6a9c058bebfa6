/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of operations on channels of every kind, from many threads:
 * whatever call moves a byte, by whatever descriptor of the file, waiting in
 * whatever way, each stream arrives complete and in order, and so does its end.
 *
 * A channel has a writer and a reader.  What they send is decided by the
 * position in the stream, how they send it by a generator with a fixed seed
 * (TEST_SEED).  When a stream has ended, the channel is made anew, of another
 * kind, with the numbers that have become free.  Onlookers poll and select all
 * numbers all the time, and must do no harm.
 */
#include "io_util.h"
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

enum { NCHAN = 12, LIVES = 6, LENGTH = 40000, BUF = 6000 };

struct chan {
	int id, kind, life;
	int fd[2];            /* reader's, writer's */
	bool msgs;            /* keeps the boundaries of messages */
	pthread_barrier_t bar;
	pthread_mutex_t mu;   /* over the making and the end of the numbers, for onlookers */
};

static struct chan chans[NCHAN];
static atomic_bool over;
static unsigned seed = 1;
static int length;

struct rnd {
	uint64_t x;
};

static uint32_t
rnd(struct rnd *r, uint32_t n)
{
	r->x = r->x * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(r->x >> 33) % n;
}

static char fifo[] = "/tmp/io_random.XXXXXX";

static void
make(struct chan *c)
{
	int fd[2];
	c->kind = (c->id + c->life * 5) % 6;
	c->msgs = false;
	switch(c->kind) {
	case 0:
		OK(pipe(fd));
		break;
	case 1:
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
		break;
	case 2:
		tcppair(fd);
		break;
	case 3:
		OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd));
		c->msgs = true;
		break;
	case 4: {
		char name[64];
		snprintf(name, sizeof name, "%s/%d", fifo, c->id);
		OK(mkfifo(name, 0600));
		fd[0] = OK(open(name, O_RDONLY | O_NONBLOCK));
		fd[1] = OK(open(name, O_WRONLY));
		OK(fcntl(fd[0], F_SETFL, 0));
		OK(unlink(name));
		break;
	}
	case 5: {
		int small = 4096;
		tcppair(fd);
		OK(setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small));
		break;
	}
	}
	pthread_mutex_lock(&c->mu);
	c->fd[0] = fd[0];
	c->fd[1] = fd[1];
	pthread_mutex_unlock(&c->mu);
}

static bool
sock(struct chan *c)
{
	return c->kind != 0 && c->kind != 4;
}

/* Waits for fd in one of the ways there are. */
static void
await(struct rnd *r, int fd, short ev)
{
	struct pollfd p[3] = { { -1, POLLIN, 0 }, { fd, ev, 0 }, { fd, ev, 0 } };
	struct timespec ts = { 20, 0 };
	fd_set set;
	switch(rnd(r, 6)) {
	case 0:
		EQ(poll(p + 1, 1, -1), 1);
		break;
	case 1:
		CHECK(poll(p, 3, 20000) >= 1); /* one, if it became ready between the looks at the two */
		break;
	case 2:
		EQ(ppoll(p, 2, &ts, NULL), 1);
		break;
	case 3:
		FD_ZERO(&set);
		FD_SET(fd, &set);
		EQ(select(fd + 1, ev == POLLIN ? &set : NULL, ev == POLLIN ? NULL : &set, NULL, NULL), 1);
		break;
	case 4:
		while(poll(p + 1, 1, 1) == 0)
			;
		break;
	case 5: {
		int e = OK(epoll_create1(EPOLL_CLOEXEC));
		struct epoll_event in = { ev == POLLIN ? EPOLLIN : EPOLLOUT, { 0 } };
		if(rnd(r, 2))
			in.events |= EPOLLET;
		OK(epoll_ctl(e, EPOLL_CTL_ADD, fd, &in));
		EQ(epoll_wait(e, &in, 1, -1), 1);
		OK(close(e));
		break;
	}
	}
}

/* One read of up to n bytes, by a random call. */
static ssize_t
in(struct chan *c, struct rnd *r, int fd, unsigned char *b, size_t n)
{
	struct iovec v[2] = { { b, n / 2 }, { b + n / 2, n - n / 2 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	ssize_t k;
	uint32_t how = rnd(r, sock(c) ? 10 : 4);
	switch(how) {
	case 0:
		return read(fd, b, n);
	case 1:
		return readv(fd, v, 2);
	case 2:
		await(r, fd, POLLIN);
		return read(fd, b, n);
	case 3: {
		/* The program's own non-blocking use, for a while. */
		OK(fcntl(fd, F_SETFL, OK(fcntl(fd, F_GETFL)) | O_NONBLOCK));
		while((k = read(fd, b, n)) == -1) {
			EQ(errno, EAGAIN);
			await(r, fd, POLLIN);
		}
		OK(fcntl(fd, F_SETFL, OK(fcntl(fd, F_GETFL)) & ~O_NONBLOCK));
		return k;
	}
	case 4:
		return recv(fd, b, n, 0);
	case 5:
		return recvmsg(fd, &m, 0);
	case 6:
		if(c->msgs)
			return recv(fd, b, n, 0);
		return recv(fd, b, n, MSG_WAITALL);
	case 7:
		while((k = recv(fd, b, n, MSG_DONTWAIT)) == -1) {
			EQ(errno, EAGAIN);
			await(r, fd, POLLIN);
		}
		return k;
	case 8:
		if((k = recv(fd, b, n, MSG_PEEK)) > 0 && !c->msgs)
			n = k;
		return recv(fd, b, n, 0);
	case 9: {
		struct timeval tv = { 0, 3000 }, zero = { 0, 0 };
		OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
		while((k = recv(fd, b, n, 0)) == -1)
			EQ(errno, EAGAIN);
		OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &zero, sizeof zero));
		return k;
	}
	}
	return -1;
}

static ssize_t
out(struct chan *c, struct rnd *r, int fd, unsigned char *b, size_t n)
{
	struct iovec v[2] = { { b, n / 3 }, { b + n / 3, n - n / 3 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	ssize_t k;
	switch(rnd(r, sock(c) ? 8 : 4)) {
	case 0:
		return write(fd, b, n);
	case 1:
		return writev(fd, v, 2);
	case 2:
		await(r, fd, POLLOUT);
		return write(fd, b, n);
	case 3:
		OK(fcntl(fd, F_SETFL, OK(fcntl(fd, F_GETFL)) | O_NONBLOCK));
		while((k = write(fd, b, n)) == -1) {
			EQ(errno, EAGAIN);
			/* A pipe is writable for poll with room for less than an atomic write. */
			await(r, fd, POLLOUT);
			sched_yield();
		}
		OK(fcntl(fd, F_SETFL, OK(fcntl(fd, F_GETFL)) & ~O_NONBLOCK));
		return k;
	case 4:
		return send(fd, b, n, MSG_NOSIGNAL);
	case 5:
		return sendmsg(fd, &m, MSG_NOSIGNAL);
	case 6:
		while((k = send(fd, b, n, MSG_DONTWAIT)) == -1) {
			EQ(errno, EAGAIN);
			await(r, fd, POLLOUT);
		}
		return k;
	case 7:
		await(r, fd, POLLOUT);
		return send(fd, b, n, 0);
	}
	return -1;
}

/* Now and then go on by another number of the same file. */
static void
renumber(struct chan *c, struct rnd *r, int end)
{
	if(rnd(r, 20) != 0)
		return;
	int old = c->fd[end], fd = rnd(r, 2) ? OK(dup(old)) : OK(fcntl(old, F_DUPFD_CLOEXEC, 100 + rnd(r, 300)));
	pthread_mutex_lock(&c->mu);
	c->fd[end] = fd;
	pthread_mutex_unlock(&c->mu);
	OK(close(old));
}

static void
dawdle(struct rnd *r)
{
	uint32_t k = rnd(r, 200);
	if(k == 0)
		usleep(rnd(r, 3000));
	else if(k < 20)
		sched_yield();
}

static void *
writer(void *arg)
{
	struct chan *c = arg;
	struct rnd r = { seed * 1000003ull + c->id * 2 };
	unsigned char b[BUF];
	for(int life = 0; life < LIVES; life++) {
		c->life = life;
		make(c);
		pthread_barrier_wait(&c->bar);
		for(size_t pos = 0; pos < (size_t)length;) {
			size_t n = 1 + (rnd(&r, 4) ? rnd(&r, 300) : rnd(&r, BUF));
			if(n > length - pos)
				n = length - pos;
			fill(b, n, c->id * 10 + life, pos);
			ssize_t k = out(c, &r, c->fd[1], b, n);
			CHECK(k > 0 && k <= (ssize_t)n);
			pos += k;
			dawdle(&r);
			renumber(c, &r, 1);
		}
		int fd = c->fd[1];
		pthread_mutex_lock(&c->mu);
		c->fd[1] = -1;
		pthread_mutex_unlock(&c->mu);
		if(sock(c) && rnd(&r, 2))
			OK(shutdown(fd, SHUT_WR));
		else {
			OK(close(fd));
			fd = -1;
		}
		pthread_barrier_wait(&c->bar); /* the reader has seen the end */
		if(fd >= 0)
			OK(close(fd));
	}
	return NULL;
}

static void *
reader(void *arg)
{
	struct chan *c = arg;
	struct rnd r = { seed * 7777777ull + c->id * 2 + 1 };
	unsigned char b[BUF];
	for(int life = 0; life < LIVES; life++) {
		pthread_barrier_wait(&c->bar);
		size_t pos = 0;
		for(;;) {
			size_t n = c->msgs || rnd(&r, 3) ? BUF : 1 + rnd(&r, 500);
			ssize_t k = in(c, &r, c->fd[0], b, n);
			CHECK(k >= 0 && k <= (ssize_t)n);
			if(k == 0)
				break;
			CHECK(filled(b, k, c->id * 10 + life, pos));
			pos += k;
			dawdle(&r);
			renumber(c, &r, 0);
		}
		EQ(pos, length);
		int fd = c->fd[0];
		pthread_mutex_lock(&c->mu);
		c->fd[0] = -1;
		pthread_mutex_unlock(&c->mu);
		OK(close(fd));
		pthread_barrier_wait(&c->bar);
	}
	return NULL;
}

/* Looks at all channels' numbers, which may be gone or another's by then, and takes nothing. */
static void *
onlooker(void *arg)
{
	struct rnd r = { (intptr_t)arg + 99 };
	while(!over) {
		struct pollfd p[NCHAN * 2];
		for(int i = 0; i < NCHAN * 2; i++) {
			struct chan *c = &chans[i / 2];
			pthread_mutex_lock(&c->mu);
			p[i] = (struct pollfd){ c->fd[i % 2], i % 2 ? POLLOUT : POLLIN, 0 };
			pthread_mutex_unlock(&c->mu);
		}
		int n = poll(p, NCHAN * 2, rnd(&r, 5)), seen = 0;
		CHECK(n >= 0);
		for(int i = 0; i < NCHAN * 2; i++)
			seen += p[i].revents != 0;
		EQ(seen, n);
		int left;
		for(int i = 0; i < NCHAN * 2; i += 2)
			if(p[i].fd >= 0 && rnd(&r, 4) == 0 && ioctl(p[i].fd, FIONREAD, &left) == 0)
				CHECK(left >= 0);
		usleep(rnd(&r, 500));
	}
	return NULL;
}

int
main(void)
{
	pthread_t t[NCHAN][2], look[3];
	if(getenv("TEST_SEED"))
		seed = atoi(getenv("TEST_SEED"));
	signal(SIGPIPE, SIG_IGN);
	length = scale(LENGTH);
	CHECK(mkdtemp(fifo));
	for(int i = 0; i < NCHAN; i++) {
		struct chan *c = &chans[i];
		c->id = i;
		c->fd[0] = c->fd[1] = -1;
		pthread_barrier_init(&c->bar, NULL, 2);
		pthread_mutex_init(&c->mu, NULL);
	}
	for(int i = 0; i < 3; i++)
		look[i] = spawn(onlooker, (void *)(intptr_t)i);
	for(int i = 0; i < NCHAN; i++) {
		t[i][0] = spawn(writer, &chans[i]);
		t[i][1] = spawn(reader, &chans[i]);
	}
	for(int i = 0; i < NCHAN; i++) {
		join(t[i][0]);
		join(t[i][1]);
	}
	over = true;
	for(int i = 0; i < 3; i++)
		join(look[i]);
	OK(rmdir(fifo));
	printf("%d streams of %d bytes\n", NCHAN * LIVES, length);
	return 0;
}
