/* SPDX-License-Identifier: MIT */
/*
 * SIGPIPE and SIGXFSZ that a thread blocks are pending for it, wherever it goes on, and for no other: the way libraries write
 * without being killed (block, write, sigtimedwait, unblock). So they are if another signal comes with them, whose handler waits.
 */
#include "io_util.h"

enum { N = 12, ROUNDS = 35 };
enum { PIPE_WRITE, PIPE_WRITEV, PIPE_VMSPLICE, UNIX_WRITEV, UNIX_SENDMMSG, TCP_SEND, TCP_SENDMSG, WAYS };

static __thread int piped;
static _Atomic int raised;

static void
onpipe(int sig)
{
	piped++;
	raised++;
}

static void
set(int how, int sig)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, sig);
	EQ(pthread_sigmask(how, &s, NULL), 0);
}

static bool
ispending(int sig)
{
	sigset_t s;

	OK(sigpending(&s));
	return sigismember(&s, sig);
}

static void
writes(int k, int fd)
{
	struct iovec v[2] = {{"a", 1}, {"b", 1}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
	struct mmsghdr mm = {.msg_hdr = m};

	switch(k){
	case PIPE_WRITE:
		FAILS(write(fd, "x", 1), EPIPE);
		break;
	case PIPE_WRITEV:
	case UNIX_WRITEV:
		FAILS(writev(fd, v, 2), EPIPE);
		break;
	case PIPE_VMSPLICE:
		FAILS(vmsplice(fd, v, 2, 0), EPIPE);
		break;
	case UNIX_SENDMMSG:
		FAILS(sendmmsg(fd, &mm, 1, 0), EPIPE);
		break;
	case TCP_SEND:
		FAILS(send(fd, "x", 1, 0), EPIPE);
		break;
	default:
		FAILS(sendmsg(fd, &m, 0), EPIPE);
		break;
	}
}

static void
broken(int k, int fd)
{
	struct timespec now = {0, 0};
	siginfo_t si;
	sigset_t s;

	set(SIG_BLOCK, SIGPIPE);
	CHECK(!ispending(SIGPIPE));
	writes(k, fd);
	for(int i = 0; i < 3; i++){
		CHECK(ispending(SIGPIPE));
		if(i == 0)
			sched_yield();
		else
			usleep(100);
	}
	sigemptyset(&s);
	sigaddset(&s, SIGPIPE);
	EQ(sigtimedwait(&s, &si, &now), SIGPIPE);
	CHECK(!ispending(SIGPIPE));
	EQ(piped, 0);
	writes(k, fd);
	usleep(100);
	set(SIG_UNBLOCK, SIGPIPE);
	EQ(piped, 1);
	piped = 0;
	if(k >= UNIX_WRITEV)
		FAILS(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK(!ispending(SIGPIPE));
}

static void *
work(void *arg)
{
	int p[2];

	for(int i = 0; i < ROUNDS; i++){
		int k = (i + (intptr_t)arg) % WAYS;

		if(k < UNIX_WRITEV)
			OK(pipe(p));
		else if(k < TCP_SEND)
			OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
		else
			tcppair(p);
		if(k < TCP_SEND)
			closeend(p[0], p[1]);
		else{
			OK(close(p[0]));
			while(send(p[1], "x", 1, MSG_NOSIGNAL) >= 0)
				usleep(100); /* until the other end's reset has come */
		}
		broken(k, p[1]);
		OK(close(p[1]));
	}
	return NULL;
}

/* ---- a handler between the write and what comes after it ---- */

static _Atomic int handled, through;

static void
waits(int sig)
{
	int e = errno;

	usleep(50);
	handled++;
	errno = e;
}

static void *
disturbed(void *arg)
{
	struct timespec now = {0, 0};
	siginfo_t si;
	sigset_t s;
	int p[2], r;

	set(SIG_BLOCK, SIGPIPE);
	sigemptyset(&s);
	sigaddset(&s, SIGPIPE);
	OK(pipe(p));
	closeend(p[0], p[1]);
	if((intptr_t)arg % 2)
		OK(fcntl(p[1], F_SETFL, O_NONBLOCK));
	for(int i = 0; i < 1000; i++){
		CHECK(!ispending(SIGPIPE));
		FAILS(write(p[1], "x", 1), EPIPE);
		CHECK(ispending(SIGPIPE));
		while((r = sigtimedwait(&s, &si, &now)) < 0 && errno == EINTR)
			;
		EQ(r, SIGPIPE);
	}
	OK(close(p[1]));
	through++;
	while(through < N)
		usleep(100);
	return NULL;
}

static void
disturb(void)
{
	struct sigaction sa = {.sa_handler = waits, .sa_flags = SA_RESTART};
	pthread_t *t;
	int sent = 0;

	OK(sigaction(SIGUSR1, &sa, NULL));
	t = spawnall(N, disturbed);
	while(through < N){
		for(int i = 0; i < N; i++)
			EQ(pthread_kill(t[i], SIGUSR1), 0);
		sent += N;
		while(through < N && handled < sent)
			usleep(200);
	}
	joinall(t, N);
	CHECK(handled > 0 && handled <= sent);
}

static void *
toolarge(void *arg)
{
	char name[] = "/tmp/sig_blocked.XXXXXX";
	int fd = OK(mkstemp(name));

	OK(unlink(name));
	set(SIG_BLOCK, SIGXFSZ);
	FAILS(pwrite(fd, "x", 1, 1 << 20), EFBIG);
	usleep(100);
	OK(ftruncate(fd, 1 << 20));
	OK(lseek(fd, 0, SEEK_END));
	FAILS(write(fd, "x", 1), EFBIG);
	usleep(1000);
	CHECK(ispending(SIGXFSZ));
	set(SIG_UNBLOCK, SIGXFSZ);
	EQ(piped, 1);
	OK(close(fd));
	return NULL;
}

int
main(void)
{
	struct sigaction sa = {.sa_handler = onpipe};
	struct rlimit lim = {1 << 20, RLIM_INFINITY};
	pthread_t *t;

	OK(sigaction(SIGPIPE, &sa, NULL));
	OK(sigaction(SIGXFSZ, &sa, NULL));
	t = spawnall(N, work);
	joinall(t, N);
	EQ(raised, N * ROUNDS);
	disturb();
	OK(setrlimit(RLIMIT_FSIZE, &lim));
	t = spawnall(1, toolarge);
	joinall(t, 1);
	pass("pending");
	return 0;
}
