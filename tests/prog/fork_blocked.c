/* SPDX-License-Identifier: MIT */
/*
 * fork in a handler that has interrupted a call which keeps a kernel thread: flock, waitpid, sigwaitinfo, a FIFO's open. The child makes threads in the
 * handler, or after it; then the handler returns there, too, the call goes on or ends, and threads block in as many such calls. Or
 * it leaves the handler by siglongjmp.
 */
#include "prog.h"
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { FLOCK, WAITPID, SIGWAIT, OPEN, PAUSE, NCALLS };
static const char *const names[] = { "flock", "waitpid", "sigwaitinfo", "open", "pause" };
enum { INSIDE = 1, JUMPS = 2, WAYS = 4, N = 8 };

static char path[64], fifo[64];
static int held, way;
static pid_t self, kid;
static __thread sigjmp_buf out;
static _Atomic int begun, forked;

static void *
leaf(void *arg)
{
	usleep(100);
	return (void *)((intptr_t)arg + 1);
}

static void
threads(void)
{
	pthread_t t[4];

	for(intptr_t i = 0; i < 4; i++)
		t[i] = spawn(leaf, (void *)i);
	for(intptr_t i = 0; i < 4; i++)
		EQ((intptr_t)join(t[i]), i + 1);
}

static void
ticks(int us)
{
	struct itimerval it = { { 0, us }, { 0, us } };

	OK(setitimer(ITIMER_REAL, &it, NULL));
}

static void
tick(int sig)
{
}

static void
handler(int sig)
{
	int e = errno;

	if(!forked) {
		CHECK((kid = fork()) >= 0);
		if(kid == 0 && (way & INSIDE))
			threads();
		if(kid == 0)
			ticks(5000); /* should the call not have begun */
		if(kid != 0)
			forked = 1;
		if(way & JUMPS)
			siglongjmp(out, 1);
	}
	errno = e;
}

static int
call(int k, int fd, pid_t child)
{
	sigset_t s;

	switch(k) {
	case FLOCK: return flock(fd, LOCK_EX);
	case WAITPID: return waitpid(child, NULL, 0);
	case SIGWAIT:
		sigemptyset(&s);
		sigaddset(&s, SIGUSR2);
		return sigwaitinfo(&s, NULL);
	case OPEN: return open(fifo, O_RDONLY);
	default: return pause();
	}
}

static int
another(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

/* Each in a call that blocks in the kernel, and all come back. */
static void *
locks(void *arg)
{
	int fd = another();

	OK(flock(fd, LOCK_EX));
	usleep(500);
	OK(flock(fd, LOCK_UN));
	close(fd);
	return arg;
}

static void
child(void)
{
	pthread_t t[N];

	for(int r = 0; r < 2; r++) {
		for(int i = 0; i < N; i++)
			t[i] = spawn(locks, NULL);
		threads();
		for(int i = 0; i < N; i++)
			join(t[i]);
	}
}

/* The child may make its call after the handler only. */
static void
ended(int k, int r, int e)
{
	if(getpid() != self && ((k == FLOCK && r == 0) || (k == WAITPID && e == ECHILD)))
		return;
	EQ(r, -1);
	EQ(e, EINTR);
}

struct job {
	int k;
	pid_t child;
	_Atomic int done;
};

static void *
waits(void *arg)
{
	struct job *j = arg;
	int fd = another(), r = 0, e = 0;

	if(sigsetjmp(out, 1) == 0) {
		begun = 1;
		r = call(j->k, fd, j->child);
		e = errno;
		ended(j->k, r, e);
	}
	if(getpid() != self) {
		ticks(0);
		close(held); /* the parent has it, too */
		OK(flock(fd, LOCK_UN)); /* if the call has gone on here */
		child();
		_exit(23);
	}
	close(fd);
	j->done = 1;
	return NULL;
}

static void
one(int k)
{
	struct sigaction sa = { .sa_handler = handler };
	struct job j = { .k = k };
	pthread_t t;
	int st;

	begun = forked = 0;
	OK(sigaction(SIGUSR1, &sa, NULL));
	sa.sa_handler = tick;
	OK(sigaction(SIGALRM, &sa, NULL));
	if(k == WAITPID) {
		CHECK((j.child = fork()) >= 0);
		if(j.child == 0)
			for(;;)
				pause();
	}
	t = spawn(waits, &j);
	while(!begun)
		sched_yield();
	while(!j.done) {
		msleep(3);
		OK(pthread_kill(t, SIGUSR1));
	}
	join(t);
	OK(flock(held, LOCK_UN)); /* which the child's threads wait for */
	EQ(waitpid(kid, &st, 0), kid);
	EQ(st, 23 << 8);
	OK(flock(held, LOCK_EX));
	if(k == WAITPID) {
		OK(kill(j.child, SIGKILL));
		EQ(waitpid(j.child, &st, 0), j.child);
	}
	printf("%s%s%s: ok\n", names[k], way & INSIDE ? ", threads in the handler" : "", way & JUMPS ? ", siglongjmp" : "");
}

static _Atomic int over;

static void *
other(void *arg)
{
	while(!over)
		usleep(500);
	return arg;
}

int
main(void)
{
	char dir[] = "/tmp/fork_blockedXXXXXX";
	pthread_t t[3];
	sigset_t s;

	self = getpid();
	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof path, "%s/lock", dir);
	snprintf(fifo, sizeof fifo, "%s/fifo", dir);
	CHECK((held = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) >= 0);
	OK(flock(held, LOCK_EX));
	OK(mkfifo(fifo, 0600));
	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
	for(int i = 0; i < 3; i++)
		t[i] = spawn(other, NULL);
	for(way = 0; way < WAYS; way++)
		for(int k = 0; k < NCALLS; k++)
			one(k);
	over = 1;
	for(int i = 0; i < 3; i++)
		join(t[i]);
	unlink(path);
	unlink(fifo);
	rmdir(dir);
	return 0;
}
