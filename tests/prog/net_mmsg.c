/* SPDX-License-Identifier: MIT */
/*
 * recvmmsg and sendmmsg: the time-out, which the kernel looks at after each message; what is cut short by a full queue, an error or
 * the end; and while they wait other threads go on.
 */
#include "others.h"

enum { V = 8, SIZE = 100 };

static int s[2];

struct batch {
	struct mmsghdr m[V];
	struct iovec v[V];
	char b[V][SIZE];
};

static struct batch *
batch(size_t n)
{
	struct batch *b = calloc(1, sizeof *b);

	for(int i = 0; i < V; i++) {
		b->v[i] = (struct iovec){ b->b[i], n };
		b->m[i].msg_hdr = (struct msghdr){ .msg_iov = &b->v[i], .msg_iovlen = 1 };
		memset(b->b[i], 'a' + i, n);
	}
	return b;
}

/* n messages, with a pause before each. */
static void *
dribbles(void *arg)
{
	for(int i = 0, n = (intptr_t)arg; i < n; i++) {
		nudge();
		EQ(send(s[1], &(char){ 'a' + i }, 1, 0), 1);
	}
	return NULL;
}

static atomic_bool enough;

/* Messages until it is enough; how many. */
static void *
goeson(void *arg)
{
	int n = 0;

	for(; !enough; n++)
		dribbles((void *)1);
	return (void *)(intptr_t)n;
}

/* The time is over before all have come: those that had. */
static void
late(void)
{
	struct timespec ts = { 0, 20 * MS };
	struct batch *b = batch(SIZE);
	pthread_t t = spawn(goeson, NULL);
	int64_t t0 = now();
	int n = recvmmsg(s[0], b->m, V, 0, &ts);

	/* a pause is of 15 ms at least: two, unless this thread was late itself */
	CHECK(n >= 1 && n <= V && (n == V || now() - t0 >= 20 * MS));
	for(int i = 0; i < n; i++)
		EQ(b->m[i].msg_len, 1);
	enough = true;
	for(int sent = (intptr_t)join(t); n < sent; n++)
		EQ(recvmmsg(s[0], b->m, 1, 0, NULL), 1);
	FAILS(recvmmsg(s[0], b->m, 1, MSG_DONTWAIT, NULL), EAGAIN);
	ts = (struct timespec){ 20, 0 };
	t = spawn(dribbles, (void *)3);
	EQ(recvmmsg(s[0], b->m, 3, 0, &ts), 3);
	CHECK(ts.tv_sec < 20); /* what is left of it */
	join(t);
	ts = (struct timespec){ 0, SEC };
	FAILS(recvmmsg(s[0], b->m, V, 0, &ts), EINVAL);
	free(b);
	pass("late");
}

/* The other end goes while some are still due. */
static void *
leaves(void *arg)
{
	dribbles((void *)2);
	nudge();
	OK(close(s[1]));
	return NULL;
}

static void
ends(void)
{
	struct batch *b = batch(SIZE);
	pthread_t t;

	OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	t = spawn(leaves, NULL);
	/* the end is a message of no bytes, again and again */
	EQ(recvmmsg(s[0], b->m, V, 0, NULL), V);
	for(int i = 0; i < V; i++)
		EQ(b->m[i].msg_len, i < 2 ? 1 : 0);
	join(t);
	FAILS(sendmmsg(s[0], b->m, V, MSG_NOSIGNAL), EPIPE);
	OK(close(s[0]));
	free(b);
	pass("ends");
}

/* A full queue: without waiting as many as fit; else all, once there is room. */
static void *
drains(void *arg)
{
	char b[SIZE];
	int n = 0;

	nudge();
	while(recv(s[1], b, sizeof b, 0) > 0) {
		EQ(b[0], 'a' + n % V);
		n++;
	}
	return (void *)(intptr_t)n;
}

static void
full(void)
{
	struct batch *b = batch(SIZE);
	pthread_t t;
	int n, sent = 0;

	OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	n = 4096;
	OK(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &n, sizeof n));
	while((n = sendmmsg(s[0], b->m + sent % V, V - sent % V, MSG_DONTWAIT)) > 0)
		sent += n;
	EQ(n, -1);
	EQ(errno, EAGAIN);
	CHECK(sent > 0);
	t = spawn(drains, NULL);
	for(; sent % V != 0; sent += n)
		n = OK(sendmmsg(s[0], b->m + sent % V, V - sent % V, 0));
	for(int i = 0; i < 50; i++, sent += n)
		EQ(n = sendmmsg(s[0], b->m, V, 0), V);
	OK(shutdown(s[0], SHUT_WR));
	EQ((intptr_t)join(t), sent);
	/* what fails is told by the next call */
	OK(close(s[0])), OK(close(s[1]));
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	b->v[3].iov_base = HIDE((void *)8);
	EQ(sendmmsg(s[0], b->m, V, 0), 3);
	FAILS(sendmmsg(s[0], b->m + 3, V - 3, 0), EFAULT);
	EQ(recvmmsg(s[1], b->m, V, MSG_WAITFORONE, NULL), 3);
	OK(close(s[0])), OK(close(s[1]));
	free(b);
	pass("full");
}

int
main(void)
{
	pthread_t w;

	workpause = 1000;
	w = spawn(worker, NULL);
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	late();
	OK(close(s[0])), OK(close(s[1]));
	ends();
	full();
	over = true;
	join(w);
	return 0;
}
