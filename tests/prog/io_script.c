/* SPDX-License-Identifier: MIT */
/*
 * Random scripts whose every result is determined: natively and under any scheduler they print the same digests.
 *
 * A pair of threads has a channel of its own. Both draw the same script from a generator (TEST_SEED), step by step,
 * with a barrier before each step; in a step each plays its part. All that a step's calls return (result, errno,
 * data, revents, flags) goes into the digest of the thread that made them, in order. What the kernel leaves open,
 * as how much a full buffer holds or whether a blocked call has begun when its descriptor is closed, is
 * checked and not digested. With TEST_TRACE=pair each result of that pair, of all with -2, is written to stderr.
 */
#include "io_util.h"
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

enum { NPAIR = 12, STEPS = 150, BIG = 1 << 18 };

struct pair {
	int id, kind, fd[2], extra[2];
	pthread_t reader;
	pthread_barrier_t bar;
	size_t filled;
	uint64_t digest[2];
};

/* One of the two threads: its number, what both draw alike, what it draws alone. */
struct side {
	struct pair *p;
	int me, step;
	uint64_t common, own;
};

static struct pair pairs[NPAIR];
static unsigned seed = 1;
static int trace = -1;
static const char *const kindnames[] = { "pipe", "unix", "tcp", "seqpacket" };

static uint32_t
draw(uint64_t *x, uint32_t n)
{
	*x = *x * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*x >> 33) % n;
}

static void
note(struct side *s, const char *what, long r, long more)
{
	uint64_t *d = &s->p->digest[s->me];
	int e = r < 0 ? errno : 0;

	for(const char *c = what; *c; c++)
		*d = (*d ^ (unsigned char)*c) * 1099511628211ull;
	*d = (*d ^ (uint64_t)r) * 1099511628211ull;
	*d = (*d ^ (uint64_t)e) * 1099511628211ull;
	*d = (*d ^ (uint64_t)more) * 1099511628211ull;
	if(trace == s->p->id || trace == -2)
		dprintf(2, "%d.%d step %d %s %s: %ld errno %d, %lx\n", s->p->id, s->me, s->step, kindnames[s->p->kind], what, r, e, more);
}

/* The call's result, and then what it has left in a variable. */
#define noted(s, what, call, more)                  \
	do {                                        \
		long r_ = (call);                   \
		note(s, what, r_, (long)(more));    \
	} while(0)

static uint64_t
sum(const unsigned char *b, size_t n)
{
	uint64_t h = 14695981039346656037ull;

	for(size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 1099511628211ull;
	return h;
}

static void
meet(struct side *s)
{
	pthread_barrier_wait(&s->p->bar);
}

static int *mine(struct side *s) { return &s->p->fd[s->me]; }
static bool issock(struct side *s) { return s->p->kind != 0; }
static bool isstream(struct side *s) { return s->p->kind != 3; }

/* ---- making and ending the channel; by side 0, between barriers ---- */

static void
make(struct pair *p, int kind)
{
	p->kind = kind;
	switch(kind) {
	case 0:
		OK(pipe(p->fd)); /* side 0 reads */
		break;
	case 1:
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p->fd));
		break;
	case 2:
		tcppair(p->fd);
		break;
	case 3:
		OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p->fd));
		break;
	}
}

static void
renew(struct side *s)
{
	int kind = draw(&s->common, 4);

	meet(s);
	if(s->me == 0) {
		for(int i = 0; i < 2; i++)
			if(s->p->fd[i] >= 0)
				OK(close(s->p->fd[i]));
		make(s->p, kind);
	}
	meet(s);
}

/* ---- the ways to wait, read and write; any of them gives the same ---- */

static void
await(struct side *s, int fd, short ev)
{
	struct pollfd p[2] = { { -1, POLLIN, 0 }, { fd, ev, 0 } };
	struct epoll_event e = { ev == POLLIN ? EPOLLIN : EPOLLOUT, { 0 } };
	fd_set set;
	int ep;

	switch(draw(&s->own, 4)) {
	case 0:
		EQ(poll(p + 1, 1, -1), 1);
		break;
	case 1:
		EQ(poll(p, 2, 60000), 1);
		break;
	case 2:
		FD_ZERO(&set);
		FD_SET(fd, &set);
		EQ(select(fd + 1, ev == POLLIN ? &set : NULL, ev == POLLIN ? NULL : &set, NULL, NULL), 1);
		break;
	case 3:
		ep = OK(epoll_create1(EPOLL_CLOEXEC));
		OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
		EQ(epoll_wait(ep, &e, 1, -1), 1);
		OK(close(ep));
		break;
	}
}

static ssize_t
get1(struct side *s, int fd, unsigned char *b, size_t n)
{
	struct iovec v[2] = { { b, n / 2 }, { b + n / 2, n - n / 2 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	ssize_t r;

	switch(draw(&s->own, issock(s) ? 7 : 3)) {
	case 0: return read(fd, b, n);
	case 1: return readv(fd, v, 2);
	case 2: await(s, fd, POLLIN); return read(fd, b, n);
	case 3: return recv(fd, b, n, 0);
	case 4: return recvmsg(fd, &m, 0);
	case 5: return recv(fd, b, n, isstream(s) ? MSG_WAITALL : 0);
	default:
		while((r = recv(fd, b, n, MSG_DONTWAIT)) < 0) {
			EQ(errno, EAGAIN);
			await(s, fd, POLLIN);
		}
		return r;
	}
}

static ssize_t
put1(struct side *s, int fd, unsigned char *b, size_t n)
{
	struct iovec v[2] = { { b, n / 3 }, { b + n / 3, n - n / 3 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

	switch(draw(&s->own, issock(s) ? 5 : 3)) {
	case 0: return write(fd, b, n);
	case 1: return writev(fd, v, 2);
	case 2: await(s, fd, POLLOUT); return write(fd, b, n);
	case 3: return send(fd, b, n, MSG_NOSIGNAL);
	default: return sendmsg(fd, &m, MSG_NOSIGNAL);
	}
}

/* ---- steps ---- */

/* n bytes from one side to the other. A blocking write takes all, which is digested; how reads cut it is not. */
static void
transfer(struct side *s, size_t n, size_t piece)
{
	int from = issock(s) ? (int)draw(&s->common, 2) : 1;
	unsigned char *b = malloc(n);
	size_t done = 0;
	ssize_t r;

	if(s->me == from) {
		fill(b, n, s->p->id, s->step);
		for(; done < n; done += r) {
			size_t k = n - done < piece ? n - done : piece;
			r = put1(s, *mine(s), b + done, k);
			EQ(r, k);
		}
		note(s, "sent", done, 0);
	} else {
		while(done < n) {
			size_t k = 1 + draw(&s->own, 4000);
			if(!isstream(s))
				k = piece;
			if(k > n - done)
				k = n - done;
			r = get1(s, *mine(s), b + done, k);
			if(r <= 0)
				die(__FILE__, __LINE__, "pair %d step %d: %zd after %zu", s->p->id, s->step, r, done);
			done += r;
		}
		note(s, "received", done, sum(b, done));
	}
	free(b);
}

/* Nothing is there, and whoever asks is told so. */
static void
empty(struct side *s)
{
	struct pollfd p = { *mine(s), POLLIN | POLLRDHUP, 0 };
	struct timeval tv = { 0, 2000 }, zero = { 0, 0 };
	int left = -1, fl;
	char c;

	if(!issock(s) && s->me == 1)
		return;
	noted(s, "poll of nothing", poll(&p, 1, draw(&s->own, 3)), p.revents);
	noted(s, "FIONREAD", ioctl(p.fd, FIONREAD, &left), left);
	fl = OK(fcntl(p.fd, F_GETFL));
	OK(fcntl(p.fd, F_SETFL, fl | O_NONBLOCK));
	note(s, "O_NONBLOCK", read(p.fd, &c, 1), fcntl(p.fd, F_GETFL));
	OK(fcntl(p.fd, F_SETFL, fl));
	if(!issock(s))
		return;
	note(s, "MSG_DONTWAIT", recv(p.fd, &c, 1, MSG_DONTWAIT | MSG_PEEK), 0);
	OK(setsockopt(p.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	note(s, "SO_RCVTIMEO", recv(p.fd, &c, 1, 0), 0);
	OK(setsockopt(p.fd, SOL_SOCKET, SO_RCVTIMEO, &zero, sizeof zero));
}

/* Another number for the same file. */
static void
renumber(struct side *s)
{
	int *fd = mine(s), old = *fd, other;

	switch(draw(&s->own, 3)) {
	case 0:
		*fd = OK(dup(old));
		OK(close(old));
		break;
	case 1:
		*fd = OK(fcntl(old, F_DUPFD_CLOEXEC, 50));
		OK(close(old));
		break;
	case 2:
		other = OK(open("/dev/null", O_RDWR));
		EQ(dup2(old, other), other);
		OK(close(old));
		*fd = other;
		break;
	}
	note(s, "renumbered", 0, fcntl(*fd, F_GETFL));
}

/* Peeked at and then read, in one piece. */
static void
peek(struct side *s)
{
	unsigned char b[100] = { 0 }, c[100] = { 0 };
	struct msghdr m = { .msg_iov = &(struct iovec){ c, 40 }, .msg_iovlen = 1 };
	int left;

	if(!issock(s))
		return;
	if(s->me == 0) {
		fill(b, 64, s->step, 0);
		note(s, "send", send(*mine(s), b, 64, 0), 0);
	}
	meet(s);
	if(s->me == 1) {
		ssize_t r = recv(*mine(s), b, sizeof b, MSG_PEEK);
		note(s, "peek", r, sum(b, r));
		noted(s, "FIONREAD", ioctl(*mine(s), FIONREAD, &left), left);
		r = recvmsg(*mine(s), &m, 0);
		note(s, "part", r, sum(c, r) ^ (m.msg_flags & MSG_TRUNC));
		if(isstream(s))
			noted(s, "rest", recv(*mine(s), b, 24, MSG_WAITALL), b[23]);
	}
}

/* One side fills its buffers, the other empties them. */
static void
fillup(struct side *s)
{
	static const unsigned char zeros[4096];
	unsigned char b[8192];
	ssize_t r;

	if(s->me == 1) {
		int fl = OK(fcntl(*mine(s), F_GETFL));
		OK(fcntl(*mine(s), F_SETFL, fl | O_NONBLOCK));
		s->p->filled = 0;
		while((r = write(*mine(s), zeros, sizeof zeros)) > 0)
			s->p->filled += r;
		note(s, "full", r, 0);
		OK(fcntl(*mine(s), F_SETFL, fl));
	}
	meet(s);
	if(s->me == 0)
		for(size_t n = 0; n < s->p->filled; n += r)
			CHECK((r = get1(s, *mine(s), b, s->p->filled - n < 4096 ? s->p->filled - n : 4096)) > 0);
	else if(s->p->kind != 2) {
		/* there is room again, and this waits for it (TCP's kernel counts differently) */
		await(s, *mine(s), POLLOUT);
		note(s, "room", 1, 0);
	}
}

/* One side ends the stream; what the other one sees, in turn. */
static void
ending(struct side *s, int how)
{
	struct pollfd p = { *mine(s), POLLIN | POLLRDHUP, 0 };
	int who = issock(s) ? (int)draw(&s->common, 2) : 1, err = 0;
	socklen_t n = sizeof err;
	char b[16];

	if(how == 2 && issock(s)) {
		/* what the one that closes has not read makes it a reset */
		if(s->me != who)
			note(s, "unread", send(*mine(s), "unread", 6, 0), 0);
		meet(s);
		if(s->me == who)
			await(s, *mine(s), POLLIN); /* the kernel delivers in its own time */
	}
	if(s->me == who) {
		if(how == 0 && issock(s))
			note(s, "shutdown", shutdown(*mine(s), SHUT_WR), 0);
		else {
			OK(close(*mine(s)));
			*mine(s) = -1;
		}
	} else if(how != 2) {
		/* waits, most likely, while that happens */
		note(s, "end", read(p.fd, b, sizeof b), 0);
	}
	meet(s);
	if(s->me != who) {
		noted(s, "poll at the end", poll(&p, 1, 1000), p.revents);
		note(s, "read at the end", read(p.fd, b, sizeof b), 0);
		note(s, "read once more", read(p.fd, b, sizeof b), 0);
		if(issock(s)) {
			noted(s, "SO_ERROR", getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &err, &n), err);
			if(how == 0)
				note(s, "the other way", send(p.fd, "other", 5, MSG_NOSIGNAL), 0);
			else if(how == 2)
				note(s, "to nobody", send(p.fd, "other", 5, MSG_NOSIGNAL), 0);
		}
	}
	meet(s);
	if(s->me == who && how == 0 && issock(s))
		noted(s, "the other way", recv(*mine(s), b, 5, MSG_WAITALL), b[4]);
	renew(s);
}

/*
 * Replaced while a read may wait: the file's data or, had it not begun, nothing. (Closed, the number could be
 * another pair's before it began: the mx_ programs do that.)
 */
static void
closed(struct side *s)
{
	char b[8] = "";
	ssize_t r;
	int w;

	if(s->me == 0) {
		meet(s);
		r = read(s->p->fd[0], b, 4);
		CHECK((r == 4 && memcmp(b, "last", 4) == 0) || r == 0);
	} else {
		meet(s);
		if(draw(&s->own, 2))
			usleep(draw(&s->own, 2000));
		w = OK(open("/dev/null", O_RDONLY));
		EQ(dup2(w, s->p->fd[0]), s->p->fd[0]);
		OK(close(w));
		w = write(s->p->fd[1], "last", 4);
		CHECK(w == 4 || errno == EPIPE || errno == ECONNRESET);
		OK(close(s->p->fd[1])); /* whatever has become of it, the reader comes back */
		s->p->fd[1] = -1;
	}
	renew(s);
}

#include "io_script_more.h"

static void
play(struct side *s)
{
	uint32_t k = draw(&s->common, 42);

	if(k < 8)
		transfer(s, 1 + draw(&s->common, 3000), 1 + draw(&s->common, 1000));
	else if(k < 10)
		transfer(s, BIG + draw(&s->common, 1000), 3000 + draw(&s->common, 9000));
	else if(k < 14)
		empty(s);
	else if(k < 18)
		renumber(s);
	else if(k < 20)
		peek(s);
	else if(k < 22)
		fillup(s);
	else if(k < 26)
		ending(s, (int)k % 3);
	else if(k < 28)
		closed(s);
	else if(k < 30)
		dial(s);
	else
		steps[draw(&s->common, nelem(steps))](s);
}

static void *
player(void *arg)
{
	int n = (intptr_t)arg, steps = scale(STEPS);
	struct side s = { .p = &pairs[n / 2], .me = n % 2 };

	s.common = seed * 1000003ull + n / 2;
	s.own = seed * 7777ull + n + 99;
	for(s.step = 0; s.step < steps; s.step++) {
		meet(&s);
		play(&s);
		if(draw(&s.own, 8) == 0)
			sched_yield();
	}
	return NULL;
}

int
main(void)
{
	if(getenv("TEST_SEED"))
		seed = atoi(getenv("TEST_SEED"));
	if(getenv("TEST_TRACE"))
		trace = atoi(getenv("TEST_TRACE"));
	signal(SIGPIPE, SIG_IGN);
	stepsinit();
	for(int i = 0; i < NPAIR; i++) {
		pairs[i].id = i;
		pthread_barrier_init(&pairs[i].bar, NULL, 2);
		make(&pairs[i], i % 4);
	}
	joinall(spawnall(NPAIR * 2, player), NPAIR * 2);
	for(int i = 0; i < NPAIR; i++)
		printf("pair %d: %016lx %016lx\n", i, pairs[i].digest[0], pairs[i].digest[1]);
	return 0;
}
