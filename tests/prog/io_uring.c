/* SPDX-License-Identifier: MIT */
/*
 * io_uring by its system calls: rings of threads' own, of which each submits reads of pipes and sockets and waits for them in
 * io_uring_enter, by poll of the ring's descriptor, or for an eventfd; also rings that only the thread that made them may use.
 */
#include "others.h"
#include <linux/io_uring.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

enum { ENTRIES = 8, RINGS = 12, ROUNDS = 40 };

struct uring {
	int fd, event;
	unsigned *sqtail, *sqmask, *array, *cqhead, *cqtail, *cqmask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static void *
ringmap(int fd, size_t n, off_t what)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	CHECK(p != MAP_FAILED);
	return p;
}

static bool
setup(struct uring *u, unsigned flags)
{
	struct io_uring_params p = { .flags = flags };
	char *sq, *cq;

	if((u->fd = syscall(SYS_io_uring_setup, ENTRIES, &p)) < 0)
		return false;
	sq = ringmap(u->fd, p.sq_off.array + p.sq_entries * 4, IORING_OFF_SQ_RING);
	cq = ringmap(u->fd, p.cq_off.cqes + p.cq_entries * sizeof *u->cqes, IORING_OFF_CQ_RING);
	u->sqes = ringmap(u->fd, p.sq_entries * sizeof *u->sqes, IORING_OFF_SQES);
	u->sqtail = (void *)(sq + p.sq_off.tail);
	u->sqmask = (void *)(sq + p.sq_off.ring_mask);
	u->array = (void *)(sq + p.sq_off.array);
	u->cqhead = (void *)(cq + p.cq_off.head);
	u->cqtail = (void *)(cq + p.cq_off.tail);
	u->cqmask = (void *)(cq + p.cq_off.ring_mask);
	u->cqes = (void *)(cq + p.cq_off.cqes);
	return true;
}

/* One more request in the queue; enter submits it. */
static void
queue(struct uring *u, struct io_uring_sqe e)
{
	unsigned t = *u->sqtail, i = t & *u->sqmask;

	u->sqes[i] = e;
	u->array[i] = i;
	__atomic_store_n(u->sqtail, t + 1, __ATOMIC_RELEASE);
}

static int
enter(struct uring *u, unsigned submit, unsigned wait)
{
	return syscall(SYS_io_uring_enter, u->fd, submit, wait, wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
}

/* What is complete; false if nothing is. */
static bool
complete(struct uring *u, struct io_uring_cqe *c)
{
	unsigned h = *u->cqhead;

	if(h == __atomic_load_n(u->cqtail, __ATOMIC_ACQUIRE))
		return false;
	*c = u->cqes[h & *u->cqmask];
	__atomic_store_n(u->cqhead, h + 1, __ATOMIC_RELEASE);
	return true;
}

static void
await(struct uring *u, int how, struct io_uring_cqe *c)
{
	struct pollfd p = { u->fd, POLLIN, 0 };
	uint64_t v;

	while(!complete(u, c))
		switch(how) {
		case 0:
			EQ(enter(u, 0, 1), 0);
			break;
		case 1:
			EQ(poll(&p, 1, 20000), 1);
			EQ(p.revents & POLLIN, POLLIN);
			OK(enter(u, 0, 1)); /* some rings complete only in this call */
			break;
		case 2:
			EQ(read(u->event, &v, sizeof v), 8);
			break;
		}
}

/* Bytes go to an echo and come back, read by a request that is there before them. */
static void
talks(struct uring *u, int fd, int how)
{
	unsigned char b;
	struct io_uring_cqe c;

	for(int i = 0; i < ROUNDS; i++) {
		b = 0;
		queue(u, (struct io_uring_sqe){ .opcode = IORING_OP_READ, .fd = fd, .addr = (uintptr_t)&b, .len = 1, .user_data = i });
		EQ(enter(u, 1, 0), 1);
		if(i % 16 == 0)
			nudge();
		EQ(write(fd, &(char){ i }, 1), 1);
		await(u, how, &c);
		EQ(c.user_data, i);
		EQ(c.res, 1);
		EQ(b, i);
	}
}

/* A time-out that nothing ends but itself, and a request that is taken back. */
static void
times(struct uring *u, int fd)
{
	struct __kernel_timespec ts = { 0, 20 * MS };
	struct io_uring_cqe c;
	int64_t t0 = now();
	char b;

	queue(u, (struct io_uring_sqe){ .opcode = IORING_OP_TIMEOUT, .addr = (uintptr_t)&ts, .len = 1, .user_data = 7 });
	EQ(enter(u, 1, 1), 1);
	await(u, 0, &c);
	EQ(c.res, -ETIME);
	TOOK(t0, 20 * MS, 20 * MS);
	queue(u, (struct io_uring_sqe){ .opcode = IORING_OP_READ, .fd = fd, .addr = (uintptr_t)&b, .len = 1, .user_data = 8 });
	EQ(enter(u, 1, 0), 1);
	nudge();
	queue(u, (struct io_uring_sqe){ .opcode = IORING_OP_ASYNC_CANCEL, .addr = 8, .user_data = 9 });
	EQ(enter(u, 1, 1), 1);
	for(int i = 0; i < 2; i++) {
		await(u, 0, &c);
		EQ(c.res, c.user_data == 8 ? -ECANCELED : 0);
	}
}

static void *
user(void *arg)
{
	int n = (intptr_t)arg, how = n % 3, s[2];
	struct uring u;

	if(!setup(&u, n % 2 ? IORING_SETUP_SINGLE_ISSUER | (how == 0 ? IORING_SETUP_DEFER_TASKRUN : 0) : 0))
		EQ(errno, EINVAL); /* an older kernel */
	else {
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
		pthread_t t = spawn(echofd, FDARG(s[1]));
		if(how == 2) {
			u.event = OK(eventfd(0, 0));
			OK(syscall(SYS_io_uring_register, u.fd, IORING_REGISTER_EVENTFD, &u.event, 1));
		}
		talks(&u, s[0], how);
		times(&u, s[0]);
		OK(close(u.fd));
		OK(shutdown(s[0], SHUT_WR));
		join(t);
		OK(close(s[0])), OK(close(s[1]));
		if(how == 2)
			OK(close(u.event));
	}
	return NULL;
}

int
main(void)
{
	struct uring u;
	pthread_t w;

	if(!setup(&u, 0)) {
		fprintf(stderr, "no io_uring here: %s\n", strerror(errno));
		return 77;
	}
	OK(close(u.fd));
	workpause = 1000;
	w = spawn(worker, NULL);
	joinall(spawnall(RINGS, user), RINGS);
	over = true;
	join(w);
	pass("rings");
	return 0;
}
