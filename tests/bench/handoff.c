/* SPDX-License-Identifier: MIT */
/*
 * When a thread blocks in a system call, how soon does another thread run? With one
 * processor (HEDDLE_MAXPROCS=1, or natively one CPU) the other thread has to wait until
 * the scheduler has noticed.
 *
 *	handoff CALL ROUNDS GAP_US
 *
 *	fifo     open() of a FIFO that nobody has opened for writing
 *	flock    flock() of a file that another thread has locked
 *	unknown  read() of an empty pipe by a system call instruction of our own, which no
 *	         interposed library function sees
 *
 * Each round, GAP_US microseconds after the last: main makes the other thread runnable,
 * takes the time, blocks. The other takes the time as soon as it runs, ends main's wait,
 * and waits until main is through. Natively the kernel may run the other thread before main has blocked: such rounds
 * measure something else; they are left out, and counted as "preempted".
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One way to block. The other thread calls prepare before each round, release in it. */
struct call {
	const char *name;
	void (*setup)(void);
	void (*prepare)(void);
	void (*block)(void);     /* returns only after release() */
	void (*release)(void);
};

static char dir[] = "/tmp/handoff.XXXXXX";
static char path[64];

static int
must_open(int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if(fd < 0)
		die(errno, "%s", path);
	return fd;
}

static void
nothing_to_do(void)
{
}

/* fifo */

static void
fifo_setup(void)
{
	if(mkfifo(path, 0600) != 0)
		die(errno, "mkfifo %s", path);
}

static void
fifo_block(void)
{
	close(must_open(O_RDONLY));
}

static void
fifo_release(void)
{
	close(must_open(O_WRONLY));
}

/* flock: two open file descriptions of one file */

static int holder = -1, waiter = -1;

static void
lock(int fd, int operation)
{
	if(flock(fd, operation) != 0)
		die(errno, "flock");
}

static void
flock_setup(void)
{
	holder = must_open(O_RDWR | O_CREAT);
	waiter = must_open(O_RDWR);
}

static void
flock_prepare(void)
{
	lock(holder, LOCK_EX);
}

static void
flock_block(void)
{
	lock(waiter, LOCK_EX);
	lock(waiter, LOCK_UN);
}

static void
flock_release(void)
{
	lock(holder, LOCK_UN);
}

/* unknown */

static int pipefd[2];

/* read(2) without libc; the result, or minus the error number. */
static long
raw_read(int fd, void *buf, size_t n)
{
#if defined(__x86_64__)
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"((long)SYS_read), "D"((long)fd), "S"(buf), "d"(n)
	                 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = SYS_read, x0 __asm__("x0") = fd;
	register void *x1 __asm__("x1") = buf;
	register size_t x2 __asm__("x2") = n;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
#else
#error "raw_read: no system call instruction for this architecture"
#endif
}

static void
unknown_setup(void)
{
	if(pipe2(pipefd, O_CLOEXEC) != 0)
		die(errno, "pipe");
}

static void
unknown_block(void)
{
	char c;
	long n = raw_read(pipefd[0], &c, 1);

	if(n != 1)
		die(n < 0 ? (int)-n : 0, "read of the pipe: %ld", n);
}

static void
unknown_release(void)
{
	if(write(pipefd[1], "x", 1) != 1)
		die(errno, "write to the pipe");
}

static const struct call calls[] = {
	{"fifo", fifo_setup, nothing_to_do, fifo_block, fifo_release},
	{"flock", flock_setup, flock_prepare, flock_block, flock_release},
	{"unknown", unknown_setup, nothing_to_do, unknown_block, unknown_release},
};

/* The rounds */

static const struct call *call;
static long rounds;
static int64_t *latency;         /* written by the other thread, read after its end */
static long nlatency, npreempted;

static sem_t prepared, start, through;   /* the steps of a round, in this order */
static _Atomic(int64_t) blocked_at;      /* 0 until main is about to block in this round */

static void
await(sem_t *sem)
{
	while(sem_wait(sem) != 0) {
		if(errno != EINTR)
			die(errno, "sem_wait");
	}
}

static void *
other(void *arg)
{
	for(long i = 0; i < rounds; i++) {
		call->prepare();
		sem_post(&prepared);
		await(&start);
		int64_t since = atomic_load(&blocked_at), now = now_ns();

		if(since == 0)
			npreempted++;
		else
			latency[nlatency++] = now - since;
		call->release();
		await(&through);
	}
	return arg;
}

static void
play(long gap_us)
{
	pthread_t t;
	int err = pthread_create(&t, NULL, other, NULL);

	if(err != 0)
		die(err, "pthread_create");
	for(long i = 0; i < rounds; i++) {
		await(&prepared);
		if(gap_us > 0)
			usleep((useconds_t)gap_us);
		atomic_store(&blocked_at, 0);
		sem_post(&start);
		atomic_store(&blocked_at, now_ns());
		call->block();
		sem_post(&through);
	}
	pthread_join(t, NULL);
}

static void
remove_files(void)
{
	unlink(path);
	rmdir(dir);
}

int
main(int argc, char **argv)
{
	char name[64];

	if(argc != 4)
		die(0, "usage: handoff fifo|flock|unknown ROUNDS GAP_US");
	for(size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		if(strcmp(argv[1], calls[i].name) == 0)
			call = &calls[i];
	}
	if(call == NULL)
		die(0, "unknown call \"%s\": fifo flock unknown", argv[1]);
	rounds = number("ROUNDS", argv[2], 1, 1000000);
	long gap_us = number("GAP_US", argv[3], 0, 999999);

	if(mkdtemp(dir) == NULL)
		die(errno, "%s", dir);
	snprintf(path, sizeof path, "%s/f", dir);
	atexit(remove_files);
	latency = alloc((size_t)rounds, sizeof latency[0]);
	sem_init(&prepared, 0, 0);
	sem_init(&start, 0, 0);
	sem_init(&through, 0, 0);
	call->setup();
	play(gap_us);

	snprintf(name, sizeof name, "handoff:%s:%ld", call->name, gap_us);
	if(nlatency > 0)
		report_latencies(name, latency, nlatency);
	snprintf(name, sizeof name, "handoff:%s:%ld.preempted", call->name, gap_us);
	report(name, (double)npreempted, "rounds");
	return 0;
}
