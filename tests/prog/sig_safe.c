/* SPDX-License-Identifier: MIT */
/*
 * What a handler may call: POSIX's async-signal-safe functions, those that wait among them, in handlers of threads that wait, compute, are in malloc and
 * stdio, hold locks, and come and go. Each call does what it does elsewhere, and what was interrupted goes on undisturbed.
 */
#include "prog.h"
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <utime.h>

#pragma GCC diagnostic ignored "-Wunused-result"

enum { N = 10, ROUNDS = 6 };

static char dir[] = "/tmp/sig_safeXXXXXX";
static __thread int me = -1, ran, bad;
static _Atomic int handled[N], up, over;
static sem_t posts;

/* Notes the line of what goes wrong; no stdio here. */
#define T(cond) do { if(!(cond) && !bad) bad = __LINE__; } while(0)

static void
name(char *buf, const char *what)
{
	char *p = buf;

	for(const char *s = dir; *s; )
		*p++ = *s++;
	*p++ = '/';
	*p++ = (char)('a' + me);
	for(const char *s = what; *s; )
		*p++ = *s++;
	*p = 0;
}

static void
files(void)
{
	char a[64], b[64], c[16];
	struct stat st;
	struct timespec ts[2] = { { 1, 0 }, { 2, 0 } };
	struct timeval tv[2] = { { 3, 0 }, { 4, 0 } };
	struct utimbuf ut = { 5, 6 };
	int fd, fd2;

	name(a, "1");
	name(b, "2");
	T((fd = open(a, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600)) >= 0);
	T(write(fd, "0123456789", 10) == 10);
	T(lseek(fd, 3, SEEK_SET) == 3);
	T(read(fd, c, 4) == 4 && memcmp(c, "3456", 4) == 0);
	T(pwrite(fd, "x", 1, 20) == 1 && pread(fd, c, 1, 20) == 1 && c[0] == 'x');
	T(ftruncate(fd, 5) == 0 && fstat(fd, &st) == 0 && st.st_size == 5);
	T(fchmod(fd, 0640) == 0 && chmod(a, 0600) == 0 && stat(a, &st) == 0 && (st.st_mode & 0777) == 0600);
	T(fsync(fd) == 0 && fdatasync(fd) == 0);
	T(link(a, b) == 0 && lstat(b, &st) == 0 && st.st_nlink == 2 && unlink(b) == 0);
	T(symlink("there", b) == 0 && readlink(b, c, sizeof c) == 5 && unlink(b) == 0);
	T(rename(a, b) == 0 && access(b, R_OK) == 0 && faccessat(AT_FDCWD, a, R_OK, 0) == -1);
	T(utime(b, &ut) == 0 && utimes(b, tv) == 0 && futimens(fd, ts) == 0 && utimensat(AT_FDCWD, b, ts, 0) == 0);
	T((fd2 = dup(fd)) >= 0 && dup2(fd, fd2) == fd2 && fcntl(fd2, F_SETFD, FD_CLOEXEC) == 0 && close(fd2) == 0);
	T((fd2 = openat(AT_FDCWD, b, O_RDONLY | O_CLOEXEC)) >= 0 && close(fd2) == 0);
	T((fd2 = creat(a, 0600)) >= 0 && close(fd2) == 0 && unlinkat(AT_FDCWD, a, 0) == 0);
	T(mkdir(a, 0700) == 0 && rmdir(a) == 0);
	T(mkfifo(a, 0600) == 0 && unlink(a) == 0);
	T(close(fd) == 0 && unlink(b) == 0);
	T(umask(022) == 022);
}

static void
waits(void)
{
	struct timespec ts = { 0, 200000 }, none = { 0, 0 };
	struct timeval tv = { 0, 200 };
	struct pollfd p;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct msghdr m = { 0 };
	struct iovec v;
	int fds[2], s[2], l, c, a;
	fd_set r;
	sigset_t set;
	siginfo_t si;
	char ch = 'c', t = 0;

	T(pipe(fds) == 0);
	p = (struct pollfd){ fds[0], POLLIN, 0 };
	T(poll(&p, 1, 1) == 0);
	FD_ZERO(&r);
	FD_SET(fds[0], &r);
	T(select(fds[0] + 1, &r, NULL, NULL, &tv) == 0);
	T(pselect(0, NULL, NULL, NULL, &ts, NULL) == 0);
	T(write(fds[1], &ch, 1) == 1 && poll(&p, 1, -1) == 1 && read(fds[0], &t, 1) == 1 && t == 'c');
	T(close(fds[0]) == 0 && close(fds[1]) == 0);
	T(nanosleep(&ts, NULL) == 0);
	T(clock_gettime(CLOCK_MONOTONIC, &ts) == 0 && time(NULL) > 0);

	T(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	T(send(s[0], &ch, 1, 0) == 1 && recv(s[1], &t, 1, 0) == 1);
	v = (struct iovec){ &ch, 1 };
	m.msg_iov = &v;
	m.msg_iovlen = 1;
	T(sendmsg(s[0], &m, 0) == 1 && recvmsg(s[1], &m, 0) == 1);
	T(sendto(s[1], &ch, 1, 0, NULL, 0) == 1 && recvfrom(s[0], &t, 1, 0, NULL, NULL) == 1);
	T(shutdown(s[0], SHUT_WR) == 0 && read(s[1], &t, 1) == 0);
	T(close(s[0]) == 0 && close(s[1]) == 0);

	un.sun_path[1] = (char)('a' + me);
	un.sun_path[2] = (char)getpid();
	un.sun_path[3] = (char)(getpid() >> 8);
	T((l = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0 && bind(l, (struct sockaddr *)&un, sizeof un) == 0 && listen(l, 2) == 0);
	T((c = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0 && connect(c, (struct sockaddr *)&un, sizeof un) == 0);
	T((a = accept(l, NULL, NULL)) >= 0);
	T(close(a) == 0 && close(c) == 0 && close(l) == 0);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	T(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	T(raise(SIGUSR2) == 0 && sigpending(&set) == 0 && sigismember(&set, SIGUSR2));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	T(sigtimedwait(&set, &si, &none) == SIGUSR2);
	T(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
}

static __thread volatile sig_atomic_t inner;

static void
oninner(int sig)
{
	inner++;
}

static void
processes(void)
{
	struct sigaction sa, now;
	struct tms tms;
	struct utsname un;
	struct rusage ru;
	pid_t pid;
	int st, was = inner;
	char *argv[] = { (char *)"true", NULL }, *envp[] = { NULL };

	T(getpid() > 0 && getppid() > 0 && getpgrp() == getpgid(0) && getuid() == geteuid() && getgid() == getegid());
	T(times(&tms) != (clock_t)-1 && uname(&un) == 0 && getrusage(RUSAGE_SELF, &ru) == 0 && sysconf(_SC_PAGESIZE) > 0);
	T((pid = _Fork()) >= 0);
	if(pid == 0)
		_exit(me + 1);
	T(waitpid(pid, &st, 0) == pid && st == (me + 1) << 8);
	if(ran % 4 == 0) {
		T((pid = _Fork()) >= 0);
		if(pid == 0) {
			execve("/bin/true", argv, envp);
			_exit(9);
		}
		T(waitpid(pid, &st, 0) == pid && st == 0);
	}
	T(sigaction(SIGHUP, NULL, &sa) == 0 && sigaction(SIGHUP, &sa, NULL) == 0 && sigaction(SIGHUP, NULL, &now) == 0);
	T(now.sa_handler == oninner);
	T(raise(SIGHUP) == 0 && inner > was);
	T(pthread_kill(pthread_self(), SIGHUP) == 0 && kill(getpid(), 0) == 0);
	T(sem_post(&posts) == 0);
	T(alarm(0) == 0);
	T(tcgetpgrp(-1) == -1 && errno == EBADF && isatty(-1) == 0);
}

static void
handler(int sig)
{
	int e = errno;
	char text[20];

	if(me >= 0) {
		ran++;
		T(strcmp(strcpy(text, "memory"), "memory") == 0 && memcmp(text, "mem", 3) == 0 && strlen(text) == 6);
		files();
		waits();
		if(ran % 3 == 0)
			processes();
		handled[me]++;
	}
	errno = e;
}

/* ---- the threads ---- */

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static sem_t never;
static _Atomic long count;
static long locked;

static void *
leaf(void *arg)
{
	return arg;
}

static void
busy(int i, int k)
{
	struct timespec ts;
	FILE *f;

	switch(i % 6) {
	case 0:
		ts = deadline(CLOCK_REALTIME, 2 * MS);
		while(sem_timedwait(&never, &ts) != 0 && errno == EINTR)
			;
		break;
	case 1:
		for(int n = 0; n < 50; n++)
			free(malloc((size_t)(n * 100 + k)));
		break;
	case 2:
		CHECK((f = fopen("/dev/null", "w")) != NULL);
		for(int n = 0; n < 50; n++)
			fprintf(f, "%d %s\n", n, "line");
		fclose(f);
		break;
	case 3:
		OK(pthread_mutex_lock(&mu));
		locked++;
		OK(pthread_mutex_unlock(&mu));
		count++;
		break;
	case 4:
		for(volatile int n = 0; n < 5000; n++)
			;
		break;
	case 5:
		CHECK(join(spawn(leaf, &mu)) == &mu);
		break;
	}
}

static void *
work(void *arg)
{
	int i = (int)(intptr_t)arg;

	me = i;
	up++;
	for(int k = 0; !over; k++) {
		busy(i, k);
		if(bad) {
			dprintf(2, "tests/prog/sig_safe.c:%d: wrong in a handler\n", bad);
			_exit(1);
		}
	}
	me = -1;
	return NULL;
}

int
main(void)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	pthread_t t[N];
	char cmd[64];
	int v;

	umask(022);
	CHECK(mkdtemp(dir) != NULL);
	OK(sem_init(&never, 0, 0));
	OK(sem_init(&posts, 0, 0));
	OK(sigaction(SIGUSR1, &sa, NULL));
	sa.sa_handler = oninner;
	OK(sigaction(SIGHUP, &sa, NULL));
	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	while(up < N)
		sched_yield();
	for(int r = 1; r <= ROUNDS; r++) {
		for(int i = 0; i < N; i++)
			OK(pthread_kill(t[i], SIGUSR1));
		for(int i = 0; i < N; i++)
			while(handled[i] < r)
				usleep(500);
	}
	over = 1;
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(locked, count);
	OK(sem_getvalue(&posts, &v));
	CHECK(v > 0);
	snprintf(cmd, sizeof cmd, "rmdir %s", dir); /* nothing is left in it */
	EQ(system(cmd), 0);
	puts("ok");
	return 0;
}
