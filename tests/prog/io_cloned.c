/* SPDX-License-Identifier: MIT */
/*
 * A process that shares the descriptors, though not the memory: clone with CLONE_FILES. What it closes or replaces is gone here too, but
 * who is in a call on it goes on with the file; and nothing else suffers when it ends.
 */
#include "io_util.h"
#include <sched.h>
#include <sys/ioctl.h>

enum { STACK = 64 << 10, PIPEFULL = 65536, WROTE = PIPEFULL + 12288, SLEEPERS = 20 };

static char stack[STACK] __attribute__((aligned(16)));

/*
 * The children's end sends no signal: SIGCHLD, though ignored, ends another thread's receive in the middle if it comes while the process's
 * first thread has it blocked, as fork does for a moment.
 */
static void
ended(pid_t pid)
{
	int st;

	EQ(waitpid(pid, &st, __WALL), pid);
	EQ(st, 0);
}

/* A child in which f runs; done when it returns. */
static void
sharing(int (*f)(void *), void *arg)
{
	ended(OK(clone(f, stack + STACK, CLONE_FILES, arg)));
}

static long
clonenumber(unsigned long flags)
{
	fflush(stdout);
	return OK(syscall(SYS_clone, flags, 0, 0, 0, 0));
}

struct job {
	int fd, other; /* the number, and what is to be put in its place, or -1 */
	ssize_t n;
	char b[8];
};

static int
take(void *arg)
{
	struct job *j = arg;

	return j->other >= 0 ? dup2(j->other, j->fd) != j->fd : close(j->fd) != 0;
}

static void *
receiver(void *arg)
{
	struct job *j = arg;

	j->n = recv(j->fd, j->b, 8, MSG_WAITALL);
	return NULL;
}

static void *
writer(void *arg)
{
	static char b[WROTE];
	struct job *j = arg;

	j->n = write(j->fd, b, WROTE);
	return NULL;
}

static atomic_int stop, turns;

static void *
talker(void *arg)
{
	int *s = arg;

	while(!stop) {
		talkto(s[0], 1);
		turns++;
	}
	OK(shutdown(s[0], SHUT_WR));
	return NULL;
}

static void
unread(int fd, int atleast)
{
	int n;

	do {
		sched_yield();
		OK(ioctl(fd, FIONREAD, &n));
	} while(atleast > 0 ? n < atleast : n > 0);
}

/* They are inside their calls, as has been seen from here, when the number goes. */
static void
inside(bool replace)
{
	int s[2], p[2], q[2];
	char b[8192];
	size_t k = 0;
	ssize_t r;
	int n;

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	OK(pipe(p));
	OK(pipe(q));
	struct job rd = { .fd = s[0], .other = replace ? q[0] : -1 }, wr = { .fd = p[1], .other = replace ? q[1] : -1 };
	pthread_t t = spawn(receiver, &rd), u = spawn(writer, &wr);
	EQ(write(s[1], "OLD-", 4), 4);
	unread(s[0], 0);
	unread(p[0], PIPEFULL);
	nudge();
	sharing(take, &rd);
	sharing(take, &wr);
	EQ(write(s[1], "FILE", 4), 4);
	while(k < WROTE && (r = OK(read(p[0], b, sizeof b))) > 0)
		k += r;
	join(t);
	join(u);
	EQ(rd.n, 8);
	CHECK(memcmp(rd.b, "OLD-FILE", 8) == 0);
	EQ(wr.n, WROTE);
	EQ(k, WROTE);
	EQ(read(p[0], b, 1), 0); /* that was its last writer */
	if(replace) {
		OK(ioctl(q[0], FIONREAD, &n));
		EQ(n, 0);
		OK(close(s[0]));
		OK(close(p[1]));
	} else {
		FAILS(fcntl(s[0], F_GETFD), EBADF);
		FAILS(fcntl(p[1], F_GETFD), EBADF);
	}
	OK(close(s[1]));
	OK(close(p[0]));
	OK(close(q[0]));
	OK(close(q[1]));
}

/* A child that lives on: it takes the number of a call that began after it did. */
static void
later(bool bynumber)
{
	static struct job *shared;
	int s[2], go[2];
	struct job j = { .other = -1 };
	pthread_t t;
	pid_t pid;
	char c;

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	OK(pipe(go));
	j.fd = s[0];
	shared = &j;
	pid = clonenumber(CLONE_FILES);
	if(pid == 0)
		_exit(read(go[0], &c, 1) != 1 || (bynumber ? (int)syscall(SYS_close, shared->fd) : take(shared)) != 0);
	t = spawn(receiver, &j);
	EQ(write(s[1], "OLD-", 4), 4);
	unread(s[0], 0);
	nudge();
	EQ(write(go[1], "g", 1), 1);
	ended(pid);
	EQ(write(s[1], "FILE", 4), 4);
	join(t);
	EQ(j.n, 8);
	OK(close(s[1]));
	OK(close(go[0]));
	OK(close(go[1]));
}

static void *
inchild(void *arg)
{
	talkto((intptr_t)arg, 20);
	return NULL;
}

/* A child with threads of its own. */
static int
threads(void *arg)
{
	int *fd = arg;
	pthread_t a = spawn(echofd, FDARG(fd[1])), b = spawn(inchild, FDARG(fd[0]));

	join(b);
	OK(shutdown(fd[0], SHUT_WR));
	join(a);
	OK(close(fd[0]));
	OK(close(fd[1]));
	return 0;
}

/* Threads go on as before: by then everything of the runtime's must still be there. */
static void
alive(void)
{
	pthread_t t, u, *sl;
	int s[2], p[2], before = turns;

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	OK(pipe(p));
	stop = 0;
	sl = calloc(SLEEPERS, sizeof *sl);
	for(int i = 0; i < SLEEPERS; i++)
		sl[i] = spawn(waiteof, FDARG(p[0]));
	t = spawn(echofd, FDARG(s[1]));
	u = spawn(talker, s);
	while(turns < before + 200)
		nudge();
	stop = 1;
	join(u);
	join(t);
	OK(close(p[1]));
	joinall(sl, SLEEPERS);
	OK(close(p[0]));
	OK(close(s[0]));
	OK(close(s[1]));
}

int
main(void)
{
	int s[2];

	alive();
	pass("before");
	inside(false);
	pass("closed");
	inside(true);
	pass("replaced");
	for(int i = 0; i < 4; i++)
		later(i & 1);
	pass("later");
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	sharing(threads, s);
	FAILS(fcntl(s[0], F_GETFD), EBADF);
	pass("threads");
	alive();
	pass("after");
	return 0;
}
