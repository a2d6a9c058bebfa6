/* SPDX-License-Identifier: MIT */
/*
 * Hundreds of threads wait in the kernel's file locks, flock, POSIX and
 * open-file-description ones, while others go on; all get the lock in turn.
 */
#include "io_util.h"
#include <sys/file.h>

enum { N = 150 };

static char path[] = "/tmp/io_lock.XXXXXX";
static int inside, holders;
static atomic_int started;
static atomic_bool done;
static atomic_long progress;

static void
critical(void)
{
	/* Plain variables: only the lock keeps them right. */
	EQ(__atomic_add_fetch(&inside, 1, __ATOMIC_ACQ_REL), 1);
	holders++;
	EQ(__atomic_sub_fetch(&inside, 1, __ATOMIC_ACQ_REL), 0);
}

static void *
flocker(void *arg)
{
	int fd = OK(open(path, O_RDWR));
	started++;
	EQ(flock(fd, LOCK_EX), 0);
	critical();
	OK(flock(fd, LOCK_UN));
	OK(close(fd));
	return NULL;
}

static void *
ofdlocker(void *arg)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = OK(open(path, O_RDWR));
	started++;
	OK(fcntl(fd, F_OFD_SETLKW, &l));
	critical();
	l.l_type = F_UNLCK;
	OK(fcntl(fd, F_OFD_SETLK, &l));
	OK(close(fd));
	return NULL;
}

/* POSIX locks are the process's: a child holds one, and a thread waits for it. */
static void *
posixlocker(void *arg)
{
	int fd = *(int *)arg;
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1 };
	started++;
	OK(fcntl(fd, F_SETLKW, &l));
	return NULL;
}

static void *
worker(void *arg)
{
	int *p = arg;
	char b;
	while(!done) {
		EQ(write(p[1], "x", 1), 1);
		EQ(read(p[0], &b, 1), 1);
		progress++;
	}
	return NULL;
}

/* Others make progress while all the lockers wait. */
static void
othersgo(void)
{
	while(started < N)
		sched_yield();
	nudge();
	long p0 = progress;
	int64_t t0 = now();
	while(progress < p0 + 100)
		sched_yield();
	TOOK(t0, 0, 0);
	EQ(holders, 0);
}

static void
run(const char *name, void *(*f)(void *))
{
	int fd = OK(open(path, O_RDWR));
	started = 0;
	holders = 0;
	EQ(flock(fd, LOCK_EX), 0);
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	OK(fcntl(fd, F_OFD_SETLK, &l));
	pthread_t *t = spawnall(N, f);
	othersgo();
	int g = OK(open(path, O_RDWR));
	FAILS(flock(g, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	FAILS(fcntl(g, F_OFD_SETLK, &l), EAGAIN);
	OK(close(g));
	OK(close(fd));
	joinall(t, N);
	EQ(holders, N);
	pass("%s", name);
}

static void
posix(void)
{
	int go[2], ready[2], fd = OK(open(path, O_RDWR));
	char b;
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	OK(pipe(go));
	OK(pipe(ready));
	pid_t pid = forkclean();
	if(pid == 0) {
		if(fcntl(fd, F_SETLK, &l) != 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		_exit(read(go[0], &b, 1) != 1);
	}
	EQ(read(ready[0], &b, 1), 1);
	FAILS(fcntl(fd, F_SETLK, &l), EAGAIN);
	OK(fcntl(fd, F_GETLK, &l));
	EQ(l.l_pid, pid);
	FAILS(lockf(fd, F_TLOCK, 1), EAGAIN);
	started = 0;
	holders = 0;
	pthread_t t[N];
	for(int i = 0; i < N; i++)
		t[i] = spawn(posixlocker, &fd);
	othersgo();
	EQ(write(go[1], "g", 1), 1);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(reap(pid), 0);
	OK(lockf(fd, F_LOCK, 1));
	OK(lockf(fd, F_ULOCK, 1));
	OK(close(fd));
	pass("F_SETLKW");
}

int
main(void)
{
	int p[2];

	OK(close(OK(mkstemp(path))));
	OK(pipe(p));
	pthread_t w = spawn(worker, p);
	run("flock", flocker);
	run("F_OFD_SETLKW", ofdlocker);
	posix();
	done = true;
	join(w);
	OK(unlink(path));
	return 0;
}
