/* SPDX-License-Identifier: MIT */
/*
 * Cancellation points that are glibc's and Linux's own, beside those of cancel_points: cancelled while they wait, and with the request
 * pending before. The cleanup handler runs once, no descriptor is left open; of system() no child is left.
 */
#include "prog.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>

#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static int empty[2], full[2], other[2], pair[2], file, ep;
static pid_t child;
static char buf[1 << 16];
static struct iovec iov = { buf, 1 }, much = { buf, sizeof buf };
static const struct timespec longtime = { 1000, 0 };
static mtx_t cm;
static cnd_t cc;
static struct file_handle *handle;

#define POINT(name, ...) static void in_##name(void) { __VA_ARGS__; }

/* these wait */
POINT(sigpause, sigpause(SIGUSR1))
POINT(system, system("sleep 1000"))
POINT(wait3, wait3(NULL, 0, NULL))
POINT(splice, splice(empty[0], NULL, other[1], NULL, 1, 0))
POINT(tee, tee(empty[0], other[1], 1, 0))
POINT(vmsplice, vmsplice(full[1], &much, 1, 0))
POINT(preadv2, preadv2(empty[0], &iov, 1, -1, 0))
POINT(pwritev2, pwritev2(full[1], &much, 1, -1, 0))
POINT(epoll_pwait2, struct epoll_event e; epoll_pwait2(ep, &e, 1, NULL, NULL))
POINT(recvmsg_dgram, struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 }; recvmsg(pair[0], &h, MSG_WAITALL))
POINT(nanosleep_abs, struct timespec ts = deadline(CLOCK_MONOTONIC, 1000 * SEC); clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
POINT(thrd_sleep, struct timespec ts; thrd_sleep(&longtime, &ts))
POINT(poll2, struct pollfd p[2] = { { empty[0], POLLIN, 0 }, { pair[0], POLLIN, 0 } }; poll(p, 2, 1000000))
POINT(open_rdwr, int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY); char c; read(fd, &c, 0); close(fd); pause())

static void
cunlock(void *arg UNUSED)
{
	EQ(mtx_trylock(&cm), thrd_busy);
	EQ(mtx_unlock(&cm), thrd_success);
}

POINT(cnd_timedwait, struct timespec ts = deadline(CLOCK_REALTIME, 1000 * SEC); mtx_lock(&cm);
    pthread_cleanup_push(cunlock, NULL); cnd_timedwait(&cc, &cm, &ts); pthread_cleanup_pop(1))

/* these do not: only a request that is there before counts */
POINT(copy_file_range, loff_t o = 0; copy_file_range(file, NULL, file, &o, 1, 0))
POINT(fallocate, fallocate(file, 0, 0, 10))
POINT(posix_fallocate, posix_fallocate(file, 0, 10))
POINT(sync_file_range, sync_file_range(file, 0, 1, SYNC_FILE_RANGE_WRITE))
POINT(getrandom, getrandom(buf, 1, 0))
POINT(open_by_handle_at, int fd = open_by_handle_at(AT_FDCWD, handle, O_RDONLY); if(fd >= 0) close(fd))
POINT(openat, close(openat(AT_FDCWD, "/dev/null", O_RDONLY)))
POINT(open64, close(open64("/dev/null", O_RDONLY)))
POINT(creat64, close(creat64("/dev/null", 0600)))
POINT(pread64, pread64(file, buf, 1, 0))
POINT(pwrite64, pwrite64(file, buf, 1, 0))
POINT(preadv64, preadv64(file, &iov, 1, 0))
POINT(pwritev64, pwritev64(file, &iov, 1, 0))
POINT(sendfile_none, fsync(file))
POINT(lockf64, lockf64(file, F_TEST, 1); lockf64(file, F_LOCK, 1))
POINT(waitpid_nohang, waitpid(child, NULL, WNOHANG))
POINT(wait4_nohang, wait4(child, NULL, WNOHANG, NULL))
POINT(usleep0, usleep(0))
POINT(sem_ready, sem_t s; sem_init(&s, 0, 1); sem_wait(&s))

enum { QUICK = 1 };
static const struct point {
	const char *name;
	void (*fn)(void);
	int flags;
} points[] = {
#define P(name, flags) { #name, in_##name, flags }
	P(sigpause, 0), P(system, 0), P(wait3, 0), P(splice, 0), P(tee, 0), P(vmsplice, 0), P(preadv2, 0), P(pwritev2, 0),
	P(epoll_pwait2, 0), P(recvmsg_dgram, 0), P(nanosleep_abs, 0), P(thrd_sleep, 0), P(poll2, 0), P(open_rdwr, 0), P(cnd_timedwait, 0),
	P(copy_file_range, QUICK), P(fallocate, QUICK), P(posix_fallocate, QUICK), P(sync_file_range, QUICK), P(getrandom, QUICK),
	P(open_by_handle_at, QUICK), P(openat, QUICK), P(open64, QUICK), P(creat64, QUICK), P(pread64, QUICK), P(pwrite64, QUICK),
	P(preadv64, QUICK), P(pwritev64, QUICK), P(sendfile_none, QUICK), P(lockf64, QUICK), P(waitpid_nohang, QUICK),
	P(wait4_nohang, QUICK), P(usleep0, QUICK), P(sem_ready, QUICK),
};
enum { N = sizeof points / sizeof points[0] };

struct run {
	const struct point *p;
	int before;
	sem_t begun, requested;
	atomic_int cleaned, returned;
};

static void
clean(void *arg)
{
	((struct run *)arg)->cleaned++;
}

static void *
runner(void *arg)
{
	struct run *r = arg;

	pthread_cleanup_push(clean, r);
	OK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL));
	OK(sem_post(&r->begun));
	if(r->before)
		OK(sem_wait(&r->requested));
	OK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL));
	r->p->fn();
	r->returned = 1;
	for(;;)
		pause();
	pthread_cleanup_pop(0);
	return NULL;
}

static int
nextfd(void)
{
	int fd = dup(0);

	CHECK(fd >= 0);
	OK(close(fd));
	return fd;
}

static void
one(const struct point *p, int before)
{
	struct run r = { .p = p, .before = before };
	int fd = nextfd();
	pthread_t t;

	OK(sem_init(&r.begun, 0, 0));
	OK(sem_init(&r.requested, 0, 0));
	t = spawn(runner, &r);
	while(sem_wait(&r.begun) != 0)
		;
	if(!before)
		msleep(5);
	OK(pthread_cancel(t));
	OK(sem_post(&r.requested));
	if(join(t) != PTHREAD_CANCELED || r.cleaned != 1)
		CHECK(!"cancelled");
	EQ(nextfd(), fd);
	printf("%s, %s: %s\n", p->name, before ? "pending before" : "waiting", r.returned ? "acted later" : "cancelled");
}

int
main(void)
{
	char path[] = "/tmp/cancel_glibcXXXXXX";
	struct epoll_event ev = { .events = EPOLLIN };
	int mount, st, lead;

	OK(pipe(empty));
	OK(pipe(full));
	OK(pipe(other));
	EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	CHECK((ep = epoll_create1(0)) >= 0);
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, empty[0], &ev));
	OK(fcntl(full[1], F_SETFL, O_NONBLOCK));
	while(write(full[1], buf, sizeof buf) > 0)
		;
	while(write(full[1], buf, 1) > 0)
		;
	OK(fcntl(full[1], F_SETFL, 0));
	CHECK((file = mkstemp(path)) >= 0);
	EQ(write(file, buf, 100), 100);
	handle = calloc(1, sizeof *handle + 128);
	handle->handle_bytes = 128;
	name_to_handle_at(AT_FDCWD, path, handle, &mount, 0);
	unlink(path);
	mtx_init(&cm, mtx_plain);
	cnd_init(&cc);
	CHECK((child = fork()) >= 0);
	if(child == 0) {
		lead = getppid();
		while(getppid() == lead)
			msleep(100);
		_exit(0);
	}
	for(int i = 0; i < N; i++) {
		if(!(points[i].flags & QUICK))
			for(int k = 0; k < 3; k++)
				one(&points[i], 0);
		one(&points[i], 1);
	}
	/* system's shells have been killed and reaped */
	OK(kill(child, SIGKILL));
	EQ(wait(&st), child);
	EQ(wait(NULL), -1);
	EQ(errno, ECHILD);
	EQ(mtx_trylock(&cm), thrd_success);
	puts("ok");
	return 0;
}
