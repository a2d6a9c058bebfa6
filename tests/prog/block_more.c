/* SPDX-License-Identifier: MIT */
/*
 * Calls that wait without the program's descriptors being ready or not: asynchronous I/O, the state of file systems,
 * terminals. As many threads wait as there are, and others must go on.
 */
#include "prog.h"

#include <aio.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
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

/* The names that libraries of old use, as they find them: at run time. */
static void
oldnames(void)
{
	int (*getsched)(pid_t) = (int (*)(pid_t))dlsym(RTLD_DEFAULT, "__sched_getscheduler");

	CHECK(getsched != NULL && getsched(0) == SCHED_OTHER);
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
	printf("done\n");
	return 0;
}
