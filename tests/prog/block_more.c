/* SPDX-License-Identifier: MIT */
/*
 * Calls that wait without the program's descriptors being ready or not: asynchronous I/O, the state of file systems,
 * terminals. As many threads wait as there are, and others must go on.
 */
#include "prog.h"

#include <aio.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/swap.h>
#include <termios.h>

enum { WAITERS = 12 };

static int pipes[WAITERS][2];
static int waiting;

/* Waits in aio_suspend for a byte of its pipe. */
static void *
suspender(void *arg)
{
	int i = (int)(long)arg;
	char c = 0;
	struct aiocb cb;
	const struct aiocb *list[1] = {&cb};

	memset(&cb, 0, sizeof cb);
	cb.aio_fildes = pipes[i][0];
	cb.aio_buf = &c;
	cb.aio_nbytes = 1;
	cb.aio_sigevent.sigev_notify = SIGEV_NONE;
	CHECK(aio_read(&cb) == 0);
	__atomic_fetch_add(&waiting, 1, __ATOMIC_SEQ_CST);
	while(aio_error(&cb) == EINPROGRESS)
		CHECK(aio_suspend(list, 1, NULL) == 0 || errno == EINTR);
	CHECK(aio_return(&cb) == 1);
	return (void *)(long)c;
}

static void
suspend(void)
{
	pthread_t th[WAITERS];
	struct aiocb cb;
	const struct aiocb *list[1] = {&cb};
	struct timespec soon = {0, 20 * 1000 * 1000};
	int p[2];
	char c;
	void *r;
	long sum = 0;

	for(int i = 0; i < WAITERS; i++){
		CHECK(pipe(pipes[i]) == 0);
		CHECK(pthread_create(&th[i], NULL, suspender, (void *)(long)i) == 0);
	}
	while(__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) < WAITERS)
		sched_yield();
	for(int i = WAITERS - 1; i >= 0; i--){
		c = (char)(i + 1);
		CHECK(write(pipes[i][1], &c, 1) == 1);
	}
	for(int i = 0; i < WAITERS; i++){
		CHECK(pthread_join(th[i], &r) == 0);
		sum += (long)r;
	}
	printf("suspended: sum %ld\n", sum);

	CHECK(pipe(p) == 0);
	memset(&cb, 0, sizeof cb);
	cb.aio_fildes = p[0];
	cb.aio_buf = &c;
	cb.aio_nbytes = 1;
	cb.aio_sigevent.sigev_notify = SIGEV_NONE;
	CHECK(aio_read(&cb) == 0);
	CHECK(aio_suspend(list, 1, &soon) == -1 && errno == EAGAIN);
	CHECK(write(p[1], "x", 1) == 1);
	while(aio_error(&cb) == EINPROGRESS)
		CHECK(aio_suspend(list, 1, NULL) == 0 || errno == EINTR);
	printf("after the time-out: %zd\n", aio_return(&cb));
}

static void *
files(void *arg)
{
	char name[] = "/tmp/block_more.XXXXXX", text[] = "0123456789";
	struct statfs fs;
	struct statvfs vfs;
	struct aiocb cb[2], *list[2] = {&cb[0], &cb[1]};
	int fd = mkstemp(name);

	CHECK(fd >= 0);
	memset(cb, 0, sizeof cb);
	for(int i = 0; i < 2; i++){
		cb[i].aio_fildes = fd;
		cb[i].aio_buf = text + 5 * i;
		cb[i].aio_offset = 5 * i;
		cb[i].aio_nbytes = 5;
		cb[i].aio_lio_opcode = LIO_WRITE;
	}
	CHECK(lio_listio(LIO_WAIT, list, 2, NULL) == 0);
	CHECK(lseek(fd, 0, SEEK_END) == 10);
	CHECK(truncate(name, 3) == 0 && lseek(fd, 0, SEEK_END) == 3);
	CHECK(statfs(name, &fs) == 0 && fs.f_bsize > 0);
	CHECK(fstatfs(fd, &fs) == 0 && fs.f_bsize > 0);
	CHECK(statvfs(name, &vfs) == 0 && vfs.f_namemax > 0);
	CHECK(fstatvfs(fd, &vfs) == 0 && vfs.f_namemax > 0);
	CHECK(unlink(name) == 0);
	CHECK(truncate(name, 3) == -1 && errno == ENOENT);
	CHECK(statfs(name, &fs) == -1 && errno == ENOENT);
	CHECK(umount("/block_more") == -1 && umount2("/block_more", 0) == -1);
	close(fd);
	return NULL;
}

/* The names that libraries of old use, imported as they do: with the first version. */
#ifdef __x86_64__
#define OLD(name) __asm__(".symver " #name "," #name "@GLIBC_2.2.5")
#else
#define OLD(name)
#endif
extern int __sched_getscheduler(pid_t);
extern int __pthread_mutex_lock(pthread_mutex_t *), __pthread_mutex_unlock(pthread_mutex_t *);
extern int __pthread_mutex_trylock(pthread_mutex_t *), __pthread_once(pthread_once_t *, void (*)(void));
extern int __pthread_rwlock_wrlock(pthread_rwlock_t *), __pthread_rwlock_unlock(pthread_rwlock_t *);
extern int __pthread_rwlock_rdlock(pthread_rwlock_t *);
OLD(__sched_getscheduler);
OLD(__pthread_mutex_lock);
OLD(__pthread_mutex_unlock);
OLD(__pthread_mutex_trylock);
OLD(__pthread_once);
OLD(__pthread_rwlock_wrlock);
OLD(__pthread_rwlock_unlock);
OLD(__pthread_rwlock_rdlock);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long counted, inside;

/* Old and new names of the same locks exclude each other. */
static void *
counter(void *arg)
{
	int old = arg != NULL;

	for(int i = 0; i < 2000; i++){
		CHECK((old ? __pthread_mutex_lock(&mutex) : pthread_mutex_lock(&mutex)) == 0);
		CHECK(inside++ == 0);
		counted++;
		if(i % 16 == 0)
			sched_yield();
		inside--;
		CHECK((old ? __pthread_mutex_unlock(&mutex) : pthread_mutex_unlock(&mutex)) == 0);
		CHECK((old ? __pthread_rwlock_wrlock(&rwlock) : pthread_rwlock_wrlock(&rwlock)) == 0);
		counted++;
		CHECK((old ? __pthread_rwlock_unlock(&rwlock) : pthread_rwlock_unlock(&rwlock)) == 0);
	}
	return NULL;
}

static int initialised;

static void
initialise(void)
{
	initialised++;
}

static void
oldnames(void)
{
	pthread_once_t control = PTHREAD_ONCE_INIT;
	pthread_t th[6];

	CHECK(__sched_getscheduler(0) == SCHED_OTHER);
	CHECK(__pthread_mutex_trylock(&mutex) == 0 && __pthread_mutex_trylock(&mutex) == EBUSY);
	CHECK(__pthread_mutex_unlock(&mutex) == 0);
	CHECK(__pthread_rwlock_rdlock(&rwlock) == 0 && __pthread_rwlock_rdlock(&rwlock) == 0);
	CHECK(__pthread_rwlock_unlock(&rwlock) == 0 && __pthread_rwlock_unlock(&rwlock) == 0);
	CHECK(__pthread_once(&control, initialise) == 0 && __pthread_once(&control, initialise) == 0 && initialised == 1);
	for(long i = 0; i < 6; i++)
		CHECK(pthread_create(&th[i], NULL, counter, (void *)(i % 2)) == 0);
	for(int i = 0; i < 6; i++)
		CHECK(pthread_join(th[i], NULL) == 0);
	printf("counted\n");
}

/* Calls that few may make, with what is refused to everybody. */
static void
administration(void)
{
	struct file_handle *h = calloc(1, sizeof *h + MAX_HANDLE_SZ);
	struct statfs64 fs;
	struct statvfs64 vfs;
	int old;

	CHECK(mount("none", "/block_more", "no such type", 0, NULL) == -1);
	CHECK(swapon("/block_more", 0) == -1 && swapoff("/block_more") == -1);
	CHECK(klogctl(99, NULL, 0) == -1);
	CHECK(open_by_handle_at(-1, h, O_RDONLY) == -1);
	CHECK(readahead(-1, 0, 1) == -1 && errno == EBADF);
	CHECK(tcsendbreak(-1, 0) == -1 && errno == EBADF);
	CHECK(pthread_mutex_setprioceiling(&mutex, 1, &old) == EINVAL);
	CHECK(statfs64("/", &fs) == 0 && fstatfs64(-1, &fs) == -1 && errno == EBADF);
	CHECK(statvfs64("/", &vfs) == 0 && fstatvfs64(-1, &vfs) == -1 && errno == EBADF);
	CHECK(truncate64("/block_more", 0) == -1 && errno == ENOENT);
	free(h);
}

static void
terminal(void)
{
	int m = posix_openpt(O_RDWR | O_NOCTTY), s;
	struct termios t;

	CHECK(m >= 0 && grantpt(m) == 0 && unlockpt(m) == 0);
	s = open(ptsname(m), O_RDWR | O_NOCTTY);
	CHECK(s >= 0 && tcgetattr(s, &t) == 0);
	t.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
	CHECK(tcsetattr(s, TCSANOW, &t) == 0);
	CHECK(write(s, "out", 3) == 3);
	memset(&t, 0, sizeof t);
	CHECK(tcgetattr(s, &t) == 0 && !(t.c_lflag & ECHO));
	CHECK(tcflow(s, TCOOFF) == 0 && tcflow(s, TCOON) == 0);
	CHECK(tcsetattr(0x7ffffff0, TCSADRAIN, &t) == -1 && errno == EBADF);
	close(s);
	close(m);
}

static void *
resolve(void *arg)
{
	struct gaicb req = {.ar_name = "127.0.0.1"}, *list[1] = {&req};
	const struct gaicb *wait[1] = {&req};
	int e;

	CHECK(getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) == 0);
	while((e = gai_error(&req)) == EAI_INPROGRESS)
		gai_suspend(wait, 1, NULL);
	CHECK(e == 0 && req.ar_result != NULL);
	freeaddrinfo(req.ar_result);
	return NULL;
}

int
main(void)
{
	pthread_t th[4];

	suspend();
	for(int i = 0; i < 4; i++)
		CHECK(pthread_create(&th[i], NULL, i < 2 ? files : resolve, NULL) == 0);
	for(int i = 0; i < 4; i++)
		CHECK(pthread_join(th[i], NULL) == 0);
	sync();
	terminal();
	oldnames();
	administration();
	printf("done\n");
	return 0;
}
