/* SPDX-License-Identifier: MIT */
/*
 * signal(7): what SIGSTOP and SIGCONT end although no handler runs, and what goes on as if nothing had been. A process with a thread in
 * each call is stopped and continued by its parent, again and again, until all those calls have ended that are to; the others must
 * not have. Then the same beside threads that compute. A transfer of which a part is done ends in both cases, and by a handler
 * with SA_RESTART.
 */
#include "io_util.h"
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/timerfd.h>

static const struct timespec LONG = {1000, 0};
static sem_t never;
static int ends[2]; /* nothing is ever written, nor closed */

static struct shared {
	_Atomic int stage, rounds;
} *sh;
enum { STARTS, TOBESTOPPED };

/* ---- descriptors that wait ---- */

static void
settimeo(int fd, int name)
{
	struct timeval tv = {1000, 0};

	OK(setsockopt(fd, SOL_SOCKET, name, &tv, sizeof tv));
}

static int
unixend(int name)
{
	int s[2];

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	if(name != 0)
		settimeo(s[0], name);
	return s[0];
}

static int
tcpend(int name)
{
	int s[2];

	tcppair(s);
	if(name != 0)
		settimeo(s[0], name);
	return s[0];
}

static int
udp(int name)
{
	int s = OK(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = loopback()};

	OK(bind(s, (struct sockaddr *)&sa, sizeof sa));
	if(name != 0)
		settimeo(s, name);
	return s;
}

static int
listener(int name)
{
	struct sockaddr_in sa;
	int l = tcplisten(&sa, 8);

	if(name != 0)
		settimeo(l, name);
	return l;
}

/* One whose buffers are full. */
static int
stuffed(int fd)
{
	static char b[4096];
	int fl = OK(fcntl(fd, F_GETFL));

	OK(fcntl(fd, F_SETFL, fl | O_NONBLOCK));
	while(write(fd, b, sizeof b) > 0)
		;
	OK(fcntl(fd, F_SETFL, fl));
	return fd;
}

static int
fullpipe(void)
{
	int p[2];

	OK(pipe(p));
	return stuffed(p[1]);
}

/* ---- calls; errno as a negative number if that is what they return ---- */

#define CALLS(CALL)                                                                                                    \
	CALL(epoll_wait, 1, epoll_wait(ep, &ev, 1, 1000000))                                                           \
	CALL(epoll_wait_for_ever, 1, epoll_wait(ep, &ev, 1, -1))                                                       \
	CALL(epoll_pwait, 1, epoll_pwait(ep, &ev, 1, 1000000, &none))                                                  \
	CALL(sigtimedwait, 1, sigtimedwait(&usr2, NULL, &LONG))                                                        \
	CALL(sigwaitinfo, 1, sigwaitinfo(&usr2, NULL))                                                                 \
	CALL(semop, 1, semop(sysv, &down, 1))                                                                          \
	CALL(semtimedop, 1, semtimedop(sysv, &down, 1, &LONG))                                                         \
	CALL(io_getevents, 1, syscall(SYS_io_getevents, aio, 1L, 1L, b, NULL))                                         \
	CALL(unix_read, 1, read(unixend(SO_RCVTIMEO), b, 1))                                                           \
	CALL(unix_recv, 1, recv(unixend(SO_RCVTIMEO), b, 1, 0))                                                        \
	CALL(unix_recvmsg, 1, recvmsg(unixend(SO_RCVTIMEO), &m, 0))                                                    \
	CALL(unix_recvmmsg, 1, recvmmsg(unixend(SO_RCVTIMEO), &mm, 1, 0, NULL))                                        \
	CALL(unix_write, 1, write(stuffed(unixend(SO_SNDTIMEO)), b, 1))                                                \
	CALL(unix_send, 1, send(stuffed(unixend(SO_SNDTIMEO)), b, 1, 0))                                               \
	CALL(tcp_read, 1, read(tcpend(SO_RCVTIMEO), b, 1))                                                             \
	CALL(tcp_readv, 1, readv(tcpend(SO_RCVTIMEO), &v, 1))                                                          \
	CALL(tcp_recv, 1, recv(tcpend(SO_RCVTIMEO), b, 1, 0))                                                          \
	CALL(tcp_send, 1, send(stuffed(tcpend(SO_SNDTIMEO)), b, sizeof b, 0))                                          \
	CALL(udp_recv, 1, recv(udp(SO_RCVTIMEO), b, 1, 0))                                                             \
	CALL(udp_recvfrom, 1, recvfrom(udp(SO_RCVTIMEO), b, 1, 0, NULL, NULL))                                         \
	CALL(accept, 1, accept(listener(SO_RCVTIMEO), NULL, NULL))                                                     \
	CALL(accept4, 1, accept4(listener(SO_RCVTIMEO), NULL, NULL, 0))                                                \
	CALL(pipe_write_part, 1, write(room, big, sizeof big))                                                         \
	CALL(unix_waitall_part, 1, (write(s[1], b, 3), recv(s[0], b, 10, MSG_WAITALL)))                                \
	CALL(tcp_waitall_part, 1, (write(t[1], b, 3), recv(t[0], b, 10, MSG_WAITALL)))                                 \
	CALL(poll, 0, poll(&pfd, 1, 1000000))                                                                          \
	CALL(poll_for_ever, 0, poll(&pfd, 1, -1))                                                                      \
	CALL(ppoll, 0, ppoll(&pfd, 1, &LONG, &none))                                                                   \
	CALL(select, 0, select(ends[0] + 1, &fds, NULL, NULL, NULL))                                                   \
	CALL(pselect, 0, pselect(ends[0] + 1, &fds, NULL, NULL, &LONG, &none))                                         \
	CALL(nanosleep, 0, nanosleep(&LONG, NULL))                                                                     \
	CALL(clock_nanosleep, 0, clock_nanosleep(CLOCK_MONOTONIC, 0, &LONG, NULL))                                     \
	CALL(pause, 0, pause())                                                                                        \
	CALL(sigsuspend, 0, sigsuspend(&none))                                                                         \
	CALL(sigwait, 0, sigwait(&usr2, &sig))                                                                         \
	CALL(msgrcv, 0, msgrcv(queue, b, sizeof b - 8, 0, 0))                                                          \
	CALL(futex, 0, syscall(SYS_futex, b, FUTEX_WAIT, 0, NULL))                                                     \
	CALL(futex_timed, 0, syscall(SYS_futex, b, FUTEX_WAIT_PRIVATE, 0, &LONG))                                      \
	CALL(sem_wait, 0, sem_wait(&never))                                                                            \
	CALL(pipe_read, 0, read(ends[0], b, 1))                                                                        \
	CALL(pipe_write, 0, write(fullpipe(), b, 1))                                                                   \
	CALL(eventfd_read, 0, read(eventfd(0, 0), b, 8))                                                               \
	CALL(timerfd_read, 0, read(timerfd_create(CLOCK_MONOTONIC, 0), b, 8))                                          \
	CALL(plain_unix_read, 0, read(unixend(0), b, 1))                                                               \
	CALL(plain_unix_write, 0, write(stuffed(unixend(SO_RCVTIMEO)), b, 1))                                          \
	CALL(plain_tcp_recv, 0, recv(tcpend(SO_SNDTIMEO), b, 1, 0))                                                    \
	CALL(plain_udp_recv, 0, recv(udp(0), b, 1, 0))                                                                 \
	CALL(plain_accept, 0, accept(listener(0), NULL, NULL))

struct call {
	const char *name;
	int ends;
	void *(*run)(void *);
	_Atomic int over;
	long result;
};

static int sysv, queue;

#define CALL(name, e, c)                                                                                                 \
	static void *run_##name(void *arg)                                                                             \
	{                                                                                                              \
		struct call *me = arg;                                                                                 \
		static char b[64], big[1 << 18];                                                                       \
		struct iovec v = {b, 1};                                                                               \
		struct mmsghdr mm = {.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}};                                     \
		struct msghdr m = mm.msg_hdr;                                                                          \
		struct sembuf down = {0, -1, 0};                                                                       \
		struct pollfd pfd = {ends[0], POLLIN, 0};                                                              \
		struct epoll_event ev;                                                                                 \
		int ep = OK(epoll_create1(0)), s[2], t[2], p[2], room, sig;                                            \
		aio_context_t aio = 0;                                                                                 \
		sigset_t none, usr2;                                                                                   \
		fd_set fds;                                                                                            \
                                                                                                                       \
		(void)big, (void)m, (void)down, (void)pfd, (void)ev, (void)ep, (void)sig, (void)aio, (void)room;       \
		OK(pipe(p));                                                                                           \
		room = p[1];                                                                                           \
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));                                                            \
		tcppair(t);                                                                                            \
		if(e)                                                                                                  \
			OK(syscall(SYS_io_setup, 1, &aio));                                                            \
		sigemptyset(&none);                                                                                    \
		sigemptyset(&usr2);                                                                                    \
		sigaddset(&usr2, SIGUSR2);                                                                             \
		FD_ZERO(&fds);                                                                                         \
		FD_SET(ends[0], &fds);                                                                                 \
		me->result = (c);                                                                                      \
		if(me->result < 0)                                                                                     \
			me->result = -errno;                                                                           \
		me->over = 1;                                                                                          \
		return NULL;                                                                                           \
	}
CALLS(CALL)
#undef CALL

static struct call calls[] = {
#define CALL(name, e, c) {#name, e, run_##name, 0, 0},
	CALLS(CALL)
#undef CALL
};

/* ---- the process that is stopped ---- */

static void
untilover(struct call *c)
{
	int64_t t0 = now();

	while(!c->over) {
		usleep(1000);
		if(now() - t0 > 4 * LATE)
			die(__FILE__, __LINE__, "%s goes on after %d stops", c->name, sh->rounds);
	}
}

static void
tell(struct call *c)
{
	if(c->result < 0)
		pass("%s: %s", c->name, strerrorname_np(-c->result));
	else
		pass("%s: %ld", c->name, c->result);
}

/* Three more times. */
static void
stopsmore(void)
{
	int want = sh->rounds + 3;

	while(sh->rounds < want)
		usleep(1000);
}

static void *
computes(void *arg)
{
	for(;;)
		*(volatile int *)arg = 0;
	return NULL;
}

static void
busy(void)
{
	static int word;
	struct call *c;

	for(int i = 0; i < 3; i++)
		spawn(computes, &word);
	sh->stage = TOBESTOPPED;
	for(size_t i = 0; i < nelem(calls); i++) {
		c = &calls[i];
		if(strcmp(c->name, "tcp_recv") != 0 && strcmp(c->name, "pipe_write_part") != 0)
			continue;
		c->over = 0;
		pthread_t w = spawn(c->run, c);
		untilover(c);
		join(w);
		tell(c);
	}
	pass("beside threads that compute");
}

static void
nothing(int sig)
{
}

/* A handler ends what is half done, whatever SA_RESTART says; what has not begun goes on. */
static void
handled(void)
{
	struct sigaction sa = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	struct call *c;

	OK(sigaction(SIGUSR1, &sa, NULL));
	for(size_t i = 0; i < nelem(calls); i++) {
		c = &calls[i];
		if(strstr(c->name, "_part") == NULL)
			continue;
		c->over = 0;
		pthread_t w = spawn(c->run, c);
		while(!c->over) {
			EQ(pthread_kill(w, SIGUSR1), 0);
			usleep(1000);
		}
		join(w);
		tell(c);
	}
}

static void
stopped(void)
{
	sigset_t usr2;

	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	EQ(pthread_sigmask(SIG_BLOCK, &usr2, NULL), 0);
	handled();
	sh->stage = TOBESTOPPED;
	for(size_t i = 0; i < nelem(calls); i++) {
		calls[i].over = 0;
		spawn(calls[i].run, &calls[i]);
	}
	for(size_t i = 0; i < nelem(calls); i++)
		if(calls[i].ends) {
			untilover(&calls[i]);
			tell(&calls[i]);
		}
	stopsmore();
	for(size_t i = 0; i < nelem(calls); i++)
		if(!calls[i].ends && calls[i].over)
			die(__FILE__, __LINE__, "%s has returned %ld", calls[i].name, calls[i].result);
	pass("the others wait");
}

/* ---- its parent ---- */

static void
stops(void (*job)(void))
{
	pid_t pid;
	int st = 0;

	sh->stage = STARTS;
	sh->rounds = 0;
	if((pid = forkclean()) == 0) {
		OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
		job();
		_exit(0);
	}
	while(sh->stage == STARTS && OK(waitpid(pid, &st, WNOHANG)) == 0)
		usleep(1000);
	while(sh->stage == TOBESTOPPED) {
		usleep(10000 + 1000 * sh->rounds); /* for a busy machine, it comes to its calls in between */
		OK(kill(pid, SIGSTOP));
		EQ(waitpid(pid, &st, WUNTRACED), pid);
		if(!WIFSTOPPED(st))
			break;
		OK(kill(pid, SIGCONT));
		sh->rounds++;
	}
	EQ(st, 0);
}

int
main(void)
{
	sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	OK(pipe(ends));
	OK(sem_init(&never, 0, 0));
	sysv = OK(semget(IPC_PRIVATE, 1, 0600));
	queue = OK(msgget(IPC_PRIVATE, 0600));
	stops(stopped);
	stops(busy);
	OK(semctl(sysv, 0, IPC_RMID));
	OK(msgctl(queue, IPC_RMID, NULL));
	return 0;
}
