/* SPDX-License-Identifier: MIT */
/*
 * io_uring through liburing, which makes its system calls by itself: many threads that wait in it, in all its ways, for what other
 * threads do; rings that only the thread may use that made them, also main's, made before there was another; signals that end a wait; and
 * descriptors that a ring closes and makes.
 */
/* build: -luring */
#include "others.h"
#include <dlfcn.h>
#include <liburing.h>

enum { ENTRIES = 8, THREADS = 24, ROUNDS = 25 };

/* One thread's, or anyone's. */
static const unsigned kinds[] = { 0, IORING_SETUP_COOP_TASKRUN, IORING_SETUP_SINGLE_ISSUER,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };

static bool
made(struct io_uring *r, unsigned flags)
{
	int e = io_uring_queue_init(ENTRIES, r, flags);

	if(e != 0)
		EQ(e, -EINVAL); /* an older kernel */
	return e == 0;
}

static struct io_uring_sqe *
request(struct io_uring *r, uint64_t data)
{
	struct io_uring_sqe *e = io_uring_get_sqe(r);

	CHECK(e != NULL);
	memset(e, 0, sizeof *e);
	io_uring_sqe_set_data64(e, data);
	return e;
}

/* Submits what there is and waits for one that is complete. */
static struct io_uring_cqe *
await(struct io_uring *r, int how)
{
	struct __kernel_timespec ts = { 20, 0 };
	struct io_uring_cqe *c = NULL;

	switch(how % 6) {
	case 0:
		OK(io_uring_submit(r) < 0);
		EQ(io_uring_wait_cqe(r, &c), 0);
		break;
	case 1:
		EQ(io_uring_submit_and_wait(r, 1), 1);
		EQ(io_uring_peek_cqe(r, &c), 0);
		break;
	case 2:
		OK(io_uring_submit(r) < 0);
		EQ(io_uring_wait_cqe_timeout(r, &c, &ts), 0);
		break;
	case 3:
		CHECK(io_uring_submit_and_wait_timeout(r, &c, 1, &ts, NULL) >= 0);
		break;
	case 4:
		OK(io_uring_submit(r) < 0);
		EQ(io_uring_wait_cqes(r, &c, 1, NULL, NULL), 0);
		break;
	case 5:
		OK(io_uring_submit(r) < 0);
		EQ(io_uring_wait_cqe_nr(r, &c, 1), 0);
		break;
	}
	CHECK(c != NULL);
	return c;
}

static int
done(struct io_uring *r, struct io_uring_cqe *c, uint64_t data)
{
	int res = c->res;

	EQ(c->user_data, data);
	io_uring_cqe_seen(r, c);
	return res;
}

/* Bytes to an echo and back, read by a request; between them the thread waits elsewhere. */
static void
talks(struct io_uring *r, int fd, int n)
{
	for(int i = 0; i < ROUNDS; i++) {
		char b = 0, o = (char)(i + n);
		io_uring_prep_read(request(r, 0), fd, &b, 1, 0);
		r->sq.sqes[(r->sq.sqe_tail - 1) & *r->sq.kring_mask].user_data = i;
		EQ(write(fd, &o, 1), 1);
		if(i % 8 == 0)
			usleep(100);
		EQ(done(r, await(r, i + n), i), 1);
		EQ(b, o);
		if(i % 5 == 0)
			nudge();
	}
}

static void *
user(void *arg)
{
	int n = (intptr_t)arg, s[2];
	struct io_uring r;

	if(!made(&r, kinds[n % 4]))
		return NULL;
	if(n / 4 % 2 && io_uring_register_ring_fd(&r) != 1)
		CHECK(false);
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pthread_t t = spawn(echofd, FDARG(s[1]));
	talks(&r, s[0], n);
	if(n / 4 % 2)
		EQ(io_uring_unregister_ring_fd(&r), 1);
	io_uring_queue_exit(&r);
	OK(shutdown(s[0], SHUT_WR));
	join(t);
	OK(close(s[0])), OK(close(s[1]));
	return NULL;
}

/* ---- one ring of many threads ---- */

static struct io_uring common;
static pthread_mutex_t commonlock = PTHREAD_MUTEX_INITIALIZER;

static void *
submitter(void *arg)
{
	for(int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&commonlock);
		io_uring_prep_nop(request(&common, 0));
		io_uring_sqe_set_data64(&common.sq.sqes[(common.sq.sqe_tail - 1) & *common.sq.kring_mask], 1);
		EQ(io_uring_submit(&common), 1);
		pthread_mutex_unlock(&commonlock);
		if(i % 4 == 0)
			nudge();
	}
	return NULL;
}

static void
shared(void)
{
	struct io_uring_cqe *c;
	pthread_t *t;

	EQ(io_uring_queue_init(256, &common, 0), 0);
	t = spawnall(THREADS, submitter);
	for(int i = 0; i < THREADS * ROUNDS; i++) {
		EQ(io_uring_wait_cqe(&common, &c), 0);
		io_uring_cqe_seen(&common, c);
	}
	joinall(t, THREADS);
	io_uring_queue_exit(&common);
	pass("a ring of all");
}

/* ---- a signal ends a wait; a thread's end and what it has asked for ---- */

static atomic_int handled, waiting;
static struct io_uring left;
static int unwritten[2];

static void
handler(int sig)
{
	handled++;
}

static void *
waits(void *arg)
{
	struct io_uring r;
	struct io_uring_cqe *c;

	EQ(io_uring_queue_init(ENTRIES, &r, 0), 0);
	waiting = 1;
	EQ(io_uring_wait_cqe(&r, &c), -EINTR);
	EQ(handled > 0, true);
	waiting = 2;
	io_uring_queue_exit(&r);
	return NULL;
}

static void *
leaves(void *arg)
{
	static char b;

	if(!made(&left, IORING_SETUP_COOP_TASKRUN))
		return (void *)1;
	io_uring_prep_read(request(&left, 0), unwritten[0], &b, 1, 0);
	EQ(io_uring_submit(&left), 1);
	return NULL;
}

static void
interruptions(void)
{
	struct io_uring_cqe *c;
	void *skipped;
	pthread_t t;

	signal(SIGUSR1, handler);
	t = spawn(waits, NULL);
	while(waiting < 2) {
		if(waiting == 1)
			pthread_kill(t, SIGUSR1);
		usleep(1000);
	}
	join(t);
	OK(pipe(unwritten));
	t = spawn(leaves, NULL);
	OK(pthread_join(t, &skipped));
	if(skipped == NULL) {
		EQ(write(unwritten[1], "x", 1), 1);
		EQ(io_uring_wait_cqe(&left, &c), 0);
		CHECK(c->res == 1 || c->res == -ECANCELED); /* is the kernel done with the thread? */
		io_uring_queue_exit(&left);
	}
	OK(close(unwritten[0])), OK(close(unwritten[1]));
	pass("interruptions");
}

/* ---- descriptors ---- */

/* The ring closes a socket that does not block, and makes another, which does, with its number. */
static void
numbers(void)
{
	struct sockaddr_in a;
	struct io_uring r;
	int l = tcplisten(&a, 4), fd, peer, got;
	pthread_t t;
	char b;

	EQ(io_uring_queue_init(ENTRIES, &r, 0), 0);
	for(int i = 0; i < 20; i++) {
		peer = OK(socket(AF_INET, SOCK_STREAM, 0));
		OK(connect(peer, (struct sockaddr *)&a, sizeof a));
		fd = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
		EQ(read(fd, &b, 1), -1);
		io_uring_prep_close(request(&r, 0), fd);
		EQ(done(&r, await(&r, i), 0), 0);
		io_uring_prep_accept(request(&r, 0), l, NULL, NULL, 0);
		got = done(&r, await(&r, i), 0);
		EQ(got, fd);
		t = spawn(kickfd, FDARG(peer));
		EQ(read(got, &b, 1), 1);
		join(t);
		OK(close(got)), OK(close(peer));
	}
	io_uring_queue_exit(&r);
	OK(close(l));
	pass("numbers");
}

/* Who has the functions by dlsym has the same ones. */
static void
names(void)
{
	void *lib = dlopen("liburing.so.2", RTLD_NOW);

	if(lib != NULL)
		CHECK(dlsym(lib, "io_uring_submit") == (void *)io_uring_submit);
	pass("names");
}

int
main(void)
{
	struct io_uring mine, first;
	bool single;
	pthread_t w;
	int e, s[2];

	if((e = io_uring_queue_init(ENTRIES, &first, 0)) != 0) {
		fprintf(stderr, "no io_uring here: %s\n", strerror(-e));
		return 77;
	}
	io_uring_queue_exit(&first);
	single = made(&mine, IORING_SETUP_SINGLE_ISSUER);
	workpause = 1000;
	w = spawn(worker, NULL);
	joinall(spawnall(THREADS, user), THREADS);
	pass("rings");
	if(single) {
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
		pthread_t t = spawn(echofd, FDARG(s[1]));
		talks(&mine, s[0], 1);
		io_uring_queue_exit(&mine);
		OK(shutdown(s[0], SHUT_WR));
		join(t);
	}
	pass("main's");
	shared();
	interruptions();
	numbers();
	names();
	over = true;
	join(w);
	return 0;
}
