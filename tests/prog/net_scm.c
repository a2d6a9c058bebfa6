/* SPDX-License-Identifier: MIT */
/* Descriptors and credentials that travel in messages, to waiting threads and to other processes. */
#include "io_util.h"

static int s[2];

static int
recvfd(int sock, char *tag, int flags)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(int))];
	} u;
	struct iovec v = { tag, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof u.b };
	int fd;
	EQ(recvmsg(sock, &m, flags), 1);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS);
	EQ(c->cmsg_len, CMSG_LEN(sizeof(int)));
	EQ(m.msg_flags & MSG_CTRUNC, 0);
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

static void *
receiver(void *arg)
{
	char tag, b[8];
	int fd = recvfd(s[0], &tag, MSG_CMSG_CLOEXEC);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	/* What came is a pipe's end, empty as yet. */
	EQ(read(fd, b, 8), 1);
	EQ(b[0], tag);
	EQ(read(fd, b, 8), 0);
	OK(close(fd));
	return NULL;
}

static void
threads(void)
{
	enum { N = 30 };
	int w[N];
	OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	pthread_t *t = spawnall(N, receiver);
	nudge();
	for(int i = 0; i < N; i++) {
		int p[2];
		OK(pipe(p));
		passfd(s[1], p[0], 'A' + i);
		OK(close(p[0]));
		w[i] = p[1];
	}
	nudge();
	for(int i = 0; i < N; i++) {
		EQ(write(w[i], &(char){ 'A' + i }, 1), 1);
		OK(close(w[i]));
	}
	joinall(t, N);
	OK(close(s[0])), OK(close(s[1]));
	pass("threads");
}

static void *
echo(void *arg)
{
	echofd(arg);
	OK(close((intptr_t)arg));
	return NULL;
}

/* A child makes the sockets, this process serves them in threads. */
static void
processes(void)
{
	enum { N = 20 };
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pid_t pid = forkclean();
	if(pid == 0) {
		int mine[N];
		OK(close(s[0]));
		for(int i = 0; i < N; i++) {
			int q[2];
			if(i % 2)
				tcppair(q);
			else
				OK(socketpair(AF_UNIX, SOCK_STREAM, 0, q));
			passfd(s[1], q[1], i);
			OK(close(q[1]));
			mine[i] = q[0];
		}
		for(int k = 0; k < 20; k++)
			for(int i = 0; i < N; i++) {
				char b = 0;
				writen(mine[i], &(char){ k + i }, 1);
				readn(mine[i], &b, 1);
				EQ(b, k + i);
			}
		_exit(0);
	}
	OK(close(s[1]));
	pthread_t t[N];
	for(int i = 0; i < N; i++) {
		char tag;
		int fd = recvfd(s[0], &tag, 0);
		EQ(tag, i);
		t[i] = spawn(echo, (void *)(intptr_t)fd);
	}
	char b;
	EQ(read(s[0], &b, 1), 0);
	EQ(reap(pid), 0);
	for(int i = 0; i < N; i++)
		join(t[i]);
	OK(close(s[0]));
	pass("processes");
}

static void *
credreader(void *arg)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(struct ucred))];
	} u;
	char b[4];
	struct iovec v = { b, 4 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof u.b };
	struct ucred uc;
	EQ(recvmsg(s[0], &m, 0), 4);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_type == SCM_CREDENTIALS);
	memcpy(&uc, CMSG_DATA(c), sizeof uc);
	EQ(uc.pid, getpid());
	EQ(uc.uid, getuid());
	return NULL;
}

static void
credentials(void)
{
	int one = 1;
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	OK(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
	pthread_t t = spawn(credreader, NULL);
	nudge();
	EQ(write(s[1], "cred", 4), 4);
	join(t);
	/* A plain reader loses the descriptor that comes with the byte, not the byte. */
	char b;
	passfd(s[1], 0, 'k');
	EQ(read(s[0], &b, 1), 1);
	EQ(b, 'k');
	OK(close(s[0])), OK(close(s[1]));
	pass("credentials");
}

int
main(void)
{
	threads();
	processes();
	credentials();
	return 0;
}
