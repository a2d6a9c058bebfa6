/* SPDX-License-Identifier: MIT */
/*
 * I/O signals to a thread (F_SETOWN_EX with F_OWNER_TID), as profilers and servers use them: each descriptor's signal reaches the thread it
 * was given to, whatever that is doing, with the descriptor's number in it; the owner can be asked for.
 */
#include "untilhit.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

enum { FLOCKS = NHIT, N };
static const char *const names[] = { "sleeps", "waits", "polls", "runs", "flocks" };
enum { SIG = 42 };

static struct thread {
	pthread_t t;
	int state, fds[2];
	atomic_int tid, hits, wrong, code, fd, done;
} th[N];
static __thread struct thread *self;
static char path[64];

static void
onsig(int sig, siginfo_t *si, void *uc)
{
	CHECK(self != NULL && gettid() == self->tid);
	self->code = si->si_code;
	self->fd = sig == SIG ? si->si_fd : -1;
	self->hits++;
}

static void *
target(void *arg)
{
	struct thread *t = self = arg;
	int fd;

	CHECK((fd = open(path, O_RDWR)) >= 0);
	t->tid = gettid();
	if(t->state == FLOCKS)
		interrupted(flock(fd, LOCK_EX));
	else
		untilhit(t->state, &t->hits);
	EQ(t->hits, 1);
	close(fd);
	t->done = 1;
	while(t->hits < 2)
		usleep(1000); /* the second one: SIGIO itself */
	EQ(t->hits, 2);
	return NULL;
}

int
main(void)
{
	struct sigaction sa = { .sa_sigaction = onsig, .sa_flags = SA_SIGINFO };
	struct f_owner_ex own;
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	OK(sigaction(SIG, &sa, NULL));
	OK(sigaction(SIGIO, &sa, NULL));
	snprintf(path, sizeof path, "/tmp/sig_owner.XXXXXX");
	CHECK((fd = mkstemp(path)) >= 0);
	OK(flock(fd, LOCK_EX));
	for(int i = 0; i < N; i++) {
		th[i].state = i;
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, th[i].fds));
		th[i].t = spawn(target, &th[i]);
		while(th[i].tid == 0)
			sched_yield();
	}
	unlink(path);
	msleep(10);
	for(int i = 0; i < N; i++) {
		own = (struct f_owner_ex){ F_OWNER_TID, th[i].tid };
		OK(fcntl(th[i].fds[0], F_SETOWN_EX, &own));
		memset(&own, 0, sizeof own);
		OK(fcntl(th[i].fds[0], F_GETOWN_EX, &own));
		EQ(own.type, F_OWNER_TID);
		EQ(own.pid, th[i].tid);
		OK(fcntl(th[i].fds[0], F_SETSIG, SIG));
		OK(fcntl(th[i].fds[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	}
	own = (struct f_owner_ex){ F_OWNER_TID, 0x1ffffff0 };
	EQ(fcntl(th[0].fds[0], F_SETOWN_EX, &own), -1);
	EQ(errno, ESRCH);
	for(int i = 0; i < N; i++) {
		EQ(write(th[i].fds[1], "x", 1), 1);
		while(!th[i].done)
			usleep(500);
		EQ(th[i].code, POLL_IN);
		EQ(th[i].fd, th[i].fds[0]);
		for(int k = i + 1; k < N; k++)
			EQ(th[k].hits, 0);
		OK(fcntl(th[i].fds[0], F_SETSIG, 0));
		EQ(write(th[i].fds[1], "x", 1), 1);
		join(th[i].t);
		printf("%s: ok\n", names[i]);
	}
	return 0;
}
