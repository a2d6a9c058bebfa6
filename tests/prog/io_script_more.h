/* SPDX-License-Identifier: MIT */
/*
 * Steps of io_script on descriptors that are made for the step: datagrams, eventfds, timers, ptys, epoll in epoll, descriptors that
 * travel, data that the kernel moves, urgent data, resets, locks, signals, other processes. p->extra is what the two share in it.
 */
#include <pty.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>

static void
closeextra(struct side *s, int n)
{
	meet(s);
	if(s->me == 0)
		for(int i = 0; i < n; i++)
			OK(close(s->p->extra[i]));
}

/* Messages, some of them empty, some longer than the buffer, one by one or many at once. */
static void
datagrams(struct side *s)
{
	enum { N = 6 };
	unsigned char b[N][64] = { { 0 } };
	struct iovec v[N];
	struct mmsghdr m[N] = { { .msg_len = 0 } };
	struct timespec ts = { 20, 0 };
	size_t len[N];
	int got;

	if(s->me == 0)
		OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s->p->extra));
	for(int i = 0; i < N; i++) {
		len[i] = draw(&s->common, 4) == 0 ? 0 : 1 + draw(&s->common, 63);
		v[i] = (struct iovec){ b[i], s->me == 1 ? len[i] : 40 };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
	}
	meet(s);
	if(s->me == 1) {
		for(int i = 0; i < N; i++)
			fill(b[i], len[i], s->step, i);
		if(draw(&s->own, 2))
			for(int done = 0; done < N; done += got)
				CHECK((got = sendmmsg(s->p->extra[1], m + done, N - done, 0)) > 0);
		else
			for(int i = 0; i < N; i++)
				EQ(send(s->p->extra[1], b[i], len[i], 0), len[i]);
	} else {
		for(int done = 0; done < N; done += got)
			CHECK((got = recvmmsg(s->p->extra[0], m + done, N - done, draw(&s->own, 2) ? MSG_WAITFORONE : 0, &ts)) > 0);
		for(int i = 0; i < N; i++)
			note(s, "datagram", m[i].msg_len, sum(b[i], m[i].msg_len) ^ (m[i].msg_hdr.msg_flags & MSG_TRUNC));
		note(s, "no datagram", recv(s->p->extra[0], b, 1, MSG_DONTWAIT), 0);
	}
	closeextra(s, 2);
}

/* An eventfd counts what is written; as a semaphore it gives one at a time. */
static void
events(struct side *s)
{
	bool sem = draw(&s->common, 2);
	uint64_t n, all = 0;

	if(s->me == 0)
		s->p->extra[0] = OK(eventfd(0, sem ? EFD_SEMAPHORE : 0));
	meet(s);
	for(uint64_t i = 1; i <= 4; i++)
		if(s->me == 1) {
			EQ(write(s->p->extra[0], &i, sizeof i), sizeof i);
			if(draw(&s->own, 2))
				nudge();
		}
	for(int k = 0; s->me == 0 && all < 10; all += n, k++) {
		if(draw(&s->own, 2))
			await(s, s->p->extra[0], POLLIN);
		EQ(read(s->p->extra[0], &n, sizeof n), sizeof n);
		CHECK(sem ? n == 1 : n <= 10);
	}
	note(s, "events", all, 0);
	closeextra(s, 1);
}

/* Reads of a timer wait for it; none that is not set, where reads do not wait. */
static void
timer(struct side *s)
{
	struct itimerspec it = { .it_value = { 0, 1000000 + draw(&s->own, 2000000) } };
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, 0));
	struct pollfd p = { fd, POLLIN, 0 };
	uint64_t n;

	noted(s, "not set", poll(&p, 1, 0), p.revents);
	OK(timerfd_settime(fd, 0, &it, NULL));
	if(draw(&s->own, 2))
		await(s, fd, POLLIN);
	noted(s, "timer", read(fd, &n, sizeof n), n);
	OK(fcntl(fd, F_SETFL, O_NONBLOCK));
	note(s, "once", read(fd, &n, sizeof n), 0);
	OK(close(fd));
}

/* A pipe's end travels; who gets it reads what is in the pipe, and its end. */
static void
travels(struct side *s)
{
	union { struct cmsghdr h; char b[CMSG_SPACE(sizeof(int))]; } c = { .h = { .cmsg_len = CMSG_LEN(sizeof(int)),
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	char b[16] = "";
	struct msghdr m = { .msg_iov = &(struct iovec){ b, 1 }, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c };
	int fd, p[2];

	if(s->p->kind != 1 && s->p->kind != 3)
		return;
	if(s->me == 0) {
		OK(pipe(p));
		memcpy(CMSG_DATA(&c.h), &p[0], sizeof(int));
		EQ(sendmsg(*mine(s), &m, 0), 1);
		OK(close(p[0]));
		nudge();
		EQ(write(p[1], "in it", 5), 5);
		OK(close(p[1]));
	} else {
		EQ(recvmsg(*mine(s), &m, MSG_CMSG_CLOEXEC), 1);
		memcpy(&fd, CMSG_DATA(&c.h), sizeof fd);
		note(s, "cloexec", fcntl(fd, F_GETFD), 0);
		noted(s, "travelled", read(fd, b, 5), sum((void *)b, 5));
		note(s, "its end", read(fd, b, 5), 0);
		OK(close(fd));
	}
}

/* A file's bytes, by a pipe or not, into the channel, by the kernel. */
static void
moved(struct side *s)
{
	int from = issock(s) ? (int)draw(&s->common, 2) : 1, how = draw(&s->own, 3), f, p[2];
	size_t n = 1 + draw(&s->common, 3000), done = 0;
	unsigned char b[3000];
	off_t o = 0;
	ssize_t r;

	if(!isstream(s))
		return;
	if(s->me == from) {
		fill(b, n, s->p->id, s->step);
		f = OK(memfd_create("moved", 0));
		EQ(write(f, b, n), n);
		OK(pipe(p));
		for(; done < n; done += r) {
			if(how == 0)
				r = OK(sendfile(*mine(s), f, &o, n - done));
			else if(how == 1) {
				r = OK(splice(f, &o, p[1], NULL, n - done, 0));
				for(ssize_t k = 0, q; k < r; k += q)
					q = OK(splice(p[0], NULL, *mine(s), NULL, r - k, 0));
			} else {
				r = OK(vmsplice(p[1], &(struct iovec){ b + done, n - done }, 1, 0));
				for(ssize_t k = 0, q; k < r; k += q)
					q = OK(splice(p[0], NULL, *mine(s), NULL, r - k, 0));
			}
			CHECK(r > 0);
		}
		OK(close(f)), OK(close(p[0])), OK(close(p[1]));
		meet(s); /* the pages are read by then */
	} else {
		for(; done < n; done += r)
			CHECK((r = get1(s, *mine(s), b + done, n - done)) > 0);
		note(s, "moved", n, sum(b, n));
		meet(s);
	}
}

/* A byte that is urgent, and the mark it leaves. */
static void
urgent(struct side *s)
{
	struct pollfd p = { *mine(s), POLLPRI, 0 };
	char b[8] = "";
	int mark = -1;

	if(s->p->kind != 2)
		return;
	if(s->me == 0) {
		EQ(send(*mine(s), "abc", 3, MSG_OOB), 3);
		EQ(send(*mine(s), "de", 2, 0), 2);
	} else {
		noted(s, "urgent", poll(&p, 1, -1), p.revents);
		noted(s, "before it", recv(p.fd, b, 2, MSG_WAITALL), b[1]);
		noted(s, "mark", ioctl(p.fd, SIOCATMARK, &mark), mark);
		noted(s, "it", recv(p.fd, b, 1, MSG_OOB), b[0]);
		noted(s, "behind it", recv(p.fd, b, 2, MSG_WAITALL), b[1]);
		note(s, "no more", recv(p.fd, b, 1, MSG_OOB), 0);
	}
}

/* A connection that is reset: who reads is told, in whatever call it waits. */
static void
reset(struct side *s)
{
	struct linger l = { 1, 0 };
	struct pollfd p = { *mine(s), POLLIN | POLLRDHUP, 0 };
	char b[4];

	if(s->p->kind != 2)
		return;
	if(s->me == 0) {
		if(draw(&s->own, 2))
			nudge();
		OK(setsockopt(*mine(s), SOL_SOCKET, SO_LINGER, &l, sizeof l));
		OK(close(*mine(s)));
		*mine(s) = -1;
	} else {
		if(draw(&s->own, 2))
			await(s, p.fd, POLLIN);
		note(s, "reset", draw(&s->own, 2) ? read(p.fd, b, 4) : recv(p.fd, b, 4, MSG_WAITALL), 0);
		noted(s, "poll after it", poll(&p, 1, 0), p.revents);
		note(s, "read after it", read(p.fd, b, 4), 0);
		note(s, "write after it", send(p.fd, b, 4, MSG_NOSIGNAL), 0);
	}
	renew(s);
}

/* A terminal without line discipline; when its other side has gone reads fail. */
static void
terminal(struct side *s)
{
	struct termios t;
	char b[8] = "";

	if(s->me == 0) {
		OK(openpty(&s->p->extra[0], &s->p->extra[1], NULL, NULL, NULL));
		OK(tcgetattr(s->p->extra[1], &t));
		cfmakeraw(&t);
		OK(tcsetattr(s->p->extra[1], TCSANOW, &t));
	}
	meet(s);
	if(s->me == 0) {
		EQ(write(s->p->extra[0], "typed", 5), 5);
		for(ssize_t n = 0, r; n < 5; n += r)
			r = OK(read(s->p->extra[0], b + n, 5 - n));
		note(s, "shown", 5, sum((void *)b, 5));
		note(s, "hung up", read(s->p->extra[0], b, 1), 0);
		OK(close(s->p->extra[0]));
	} else {
		for(ssize_t n = 0, r; n < 5; n += r)
			r = OK(read(s->p->extra[1], b + n, 5 - n));
		note(s, "typed", 5, sum((void *)b, 5));
		if(draw(&s->own, 2))
			nudge();
		EQ(write(s->p->extra[1], "shown", 5), 5);
		OK(close(s->p->extra[1]));
	}
}

/* An instance in another, by edges or once: one event for each message that is there before the wait. */
static void
nested(struct side *s)
{
	uint32_t how = draw(&s->common, 3) == 0 ? EPOLLONESHOT : draw(&s->common, 2) ? EPOLLET : 0;
	struct epoll_event ev = { EPOLLIN | how, { .u32 = 7 } };
	int in, out;
	char b;

	if(s->me == 0)
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s->p->extra));
	meet(s);
	if(s->me == 1) {
		if(draw(&s->own, 2))
			nudge();
		EQ(write(s->p->extra[1], "n", 1), 1);
	} else {
		in = OK(epoll_create1(0)), out = OK(epoll_create1(EPOLL_CLOEXEC));
		OK(epoll_ctl(in, EPOLL_CTL_ADD, s->p->extra[0], &ev));
		OK(epoll_ctl(out, EPOLL_CTL_ADD, in, &(struct epoll_event){ EPOLLIN, { .u32 = 8 } }));
		noted(s, "outer", epoll_wait(out, &ev, 1, draw(&s->own, 2) ? -1 : 60000), ev.data.u32);
		noted(s, "inner", epoll_wait(in, &ev, 1, 0), ev.data.u32 ^ ev.events);
		note(s, "again", epoll_wait(in, &ev, 1, 0), 0);
		EQ(read(s->p->extra[0], &b, 1), 1);
		note(s, "outer after it", epoll_wait(out, &ev, 1, 0), 0);
		note(s, "a loop", epoll_ctl(in, EPOLL_CTL_ADD, out, &ev), 0);
		OK(close(in)), OK(close(out));
	}
	closeextra(s, 2);
}

/* Locks on one file by two descriptions, of two kinds. */
static void
locks(struct side *s)
{
	bool record = draw(&s->common, 2);
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET }, u = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	char path[40];
	int fd;

	if(s->me == 0) {
		s->p->extra[0] = OK(memfd_create("locks", 0));
		OK(record ? fcntl(s->p->extra[0], F_OFD_SETLK, &l) : flock(s->p->extra[0], LOCK_EX));
	}
	meet(s);
	if(s->me == 1) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", s->p->extra[0]);
		fd = OK(open(path, O_RDWR));
		note(s, "locked", record ? fcntl(fd, F_OFD_SETLK, &l) : flock(fd, LOCK_EX | LOCK_NB), 0);
		meet(s);
		note(s, "mine", record ? fcntl(fd, F_OFD_SETLKW, &l) : flock(fd, LOCK_EX), 0);
		OK(close(fd));
	} else {
		meet(s);
		if(draw(&s->own, 2))
			nudge();
		OK(record ? fcntl(s->p->extra[0], F_OFD_SETLK, &u) : flock(s->p->extra[0], LOCK_UN));
	}
	closeextra(s, 1);
}

/* What happens to a file is told in order. */
static void
watched(struct side *s)
{
	union { struct inotify_event e; char b[512]; } u;
	char path[64];

	snprintf(path, sizeof path, "/tmp/io_script.%d.%d", getpid(), s->p->id);
	if(s->me == 0) {
		OK(close(OK(open(path, O_CREAT | O_WRONLY, 0600))));
		if((s->p->extra[0] = inotify_init1(0)) < 0)
			EQ(errno, EMFILE); /* other processes of the user have all there may be */
		else
			OK(inotify_add_watch(s->p->extra[0], path, IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF));
	}
	meet(s);
	if(s->p->extra[0] < 0) {
		if(s->me == 0)
			OK(unlink(path));
		return;
	}
	if(s->me == 1) {
		int fd = OK(open(path, O_WRONLY));
		if(draw(&s->own, 2))
			nudge();
		EQ(write(fd, "x", 1), 1);
		OK(fchmod(fd, 0400));
		OK(close(fd));
	} else {
		uint32_t seen = 0;
		while(seen != (IN_MODIFY | IN_ATTRIB)) {
			if(draw(&s->own, 2))
				await(s, s->p->extra[0], POLLIN);
			ssize_t n = OK(read(s->p->extra[0], &u, sizeof u));
			for(char *c = u.b; c < u.b + n; c += sizeof u.e + ((struct inotify_event *)c)->len)
				seen |= ((struct inotify_event *)c)->mask;
		}
	}
	meet(s);
	if(s->me == 0)
		OK(unlink(path));
	closeextra(s, 1);
}

/* A signal whose handler ends a read, sent until it has; or one whose handler does not. */
static atomic_int interruptions[NPAIR];

static void
interrupts(struct side *s)
{
	bool restart = draw(&s->common, 2);
	char b;

	if(s->me == 0) {
		OK(pipe(s->p->extra));
		s->p->reader = pthread_self();
		interruptions[s->p->id] = 0;
	}
	meet(s);
	if(s->me == 0) {
		note(s, "interrupted", read(s->p->extra[0], &b, 1), 0);
		interruptions[s->p->id] = 1;
	} else if(restart) {
		OK(pthread_kill(s->p->reader, SIGUSR2));
		nudge();
		EQ(write(s->p->extra[1], "r", 1), 1);
	} else
		while(!interruptions[s->p->id]) {
			OK(pthread_kill(s->p->reader, SIGUSR1));
			usleep(200);
		}
	closeextra(s, 2);
}

/* Another process has the pipe for a while; the end of it is waited for by a pidfd. Then O_NONBLOCK, and back. */
static void
elsewhere(struct side *s)
{
	char *argv[] = { "sh", "-c", "exit 7", NULL }, b;
	int fl, st, pfd;
	pid_t pid;

	if(s->me == 0) {
		OK(pipe(s->p->extra));
		posix_spawn_file_actions_t fa;
		OK(posix_spawn_file_actions_init(&fa));
		OK(posix_spawn_file_actions_adddup2(&fa, s->p->extra[1], 9));
		EQ(posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, environ), 0);
		OK(posix_spawn_file_actions_destroy(&fa));
		pfd = OK(syscall(SYS_pidfd_open, pid, 0));
		await(s, pfd, POLLIN);
		EQ(waitpid(pid, &st, 0), pid);
		note(s, "child", st, 0);
		OK(close(pfd));
		fl = OK(fcntl(s->p->extra[0], F_GETFL));
		OK(fcntl(s->p->extra[0], F_SETFL, fl | O_NONBLOCK));
		note(s, "nothing", read(s->p->extra[0], &b, 1), 0);
		OK(fcntl(s->p->extra[0], F_SETFL, fl));
	}
	meet(s);
	if(s->me == 0)
		noted(s, "something", read(s->p->extra[0], &b, 1), b);
	else
		EQ(write(s->p->extra[1], "s", 1), 1);
	closeextra(s, 2);
}

/* A connection made in the usual way; one that is refused before. */
static void
dial(struct side *s)
{
	static struct sockaddr_in sas[NPAIR];
	static int ls[NPAIR];
	struct sockaddr_in *sa = &sas[s->p->id];
	int fd;

	if(s->me == 0) {
		ls[s->p->id] = tcplisten(sa, 2);
		OK(close(s->p->fd[0]));
		OK(close(s->p->fd[1]));
		s->p->fd[0] = s->p->fd[1] = -1;
	}
	meet(s);
	if(s->me == 0) {
		fd = accept(ls[s->p->id], NULL, NULL);
		note(s, "accept", fd < 0 ? -1 : 0, 0);
		s->p->fd[0] = fd;
		OK(close(ls[s->p->id]));
	} else {
		fd = OK(socket(AF_INET, SOCK_STREAM, 0));
		note(s, "connect", connect(fd, (struct sockaddr *)sa, sizeof *sa), 0);
		note(s, "connected", connect(fd, (struct sockaddr *)sa, sizeof *sa), 0);
		s->p->fd[1] = fd;
	}
	meet(s);
	s->p->kind = 2;
	if(s->me == 1) {
		fd = OK(socket(AF_INET, SOCK_STREAM, 0));
		*sa = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = loopback() };
		OK(bind(fd, (struct sockaddr *)sa, sizeof *sa));
		socklen_t n = sizeof *sa;
		OK(getsockname(fd, (struct sockaddr *)sa, &n));
		int c = OK(socket(AF_INET, SOCK_STREAM, 0));
		note(s, "refused", connect(c, (struct sockaddr *)sa, sizeof *sa), 0);
		OK(close(c));
		OK(close(fd));
	}
}

static void (*const steps[])(struct side *) = { datagrams, events, timer, travels, moved, urgent, reset, terminal, nested, locks, watched,
	interrupts, elsewhere };

static void
ignoreit(int sig)
{
}

static void
stepsinit(void)
{
	struct sigaction sa = { .sa_handler = ignoreit };
	sigset_t child;

	/*
	 * One that is ignored may wake a thread, of all those who let it through, and end its call: if the child has ended before the thread that
	 * made it is back from posix_spawn, where it has it blocked.
	 */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	OK(pthread_sigmask(SIG_BLOCK, &child, NULL));

	OK(sigaction(SIGUSR1, &sa, NULL));
	sa.sa_flags = SA_RESTART;
	OK(sigaction(SIGUSR2, &sa, NULL));
}
