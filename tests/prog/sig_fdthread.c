/* SPDX-License-Identifier: MIT */
/*
 * signalfds of threads: each reads what was sent to it alone, and nobody else does, though one and the same descriptor is used by all, and other threads
 * let the signal through; by read, readv, poll, select, epoll (with and without a mask), the sender being a thread or the reader itself; with the
 * right code, sender and value. What is sent to the process can be read by any.
 */
#include "prog.h"
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { N = 5, ROUNDS = 40, READ = 0, READV, POLL, SELECT, EPOLL, EPWAIT, SPIN, CALLS };

static struct reader {
	pthread_t t;
	int id, tid, ep;
	_Atomic int turn; /* rounds begun */
	_Atomic int done;
} rd[N];
static int sfd, sfdnb;
static sigset_t set;
static _Atomic int astray, over;
static sem_t never;

static void
handler(int sig, siginfo_t *si, void *uc)
{
	astray++;
}

static void
await(struct reader *r, int call)
{
	struct pollfd p = { sfd, POLLIN, 0 };
	struct epoll_event ev;
	sigset_t all;
	fd_set f;

	sigfillset(&all);
	switch(call) {
	case POLL:
		EQ(poll(&p, 1, -1), 1);
		EQ(p.revents, POLLIN);
		break;
	case SELECT:
		FD_ZERO(&f);
		FD_SET(sfd, &f);
		EQ(select(sfd + 1, &f, NULL, NULL, NULL), 1);
		break;
	case EPOLL:
		EQ(epoll_wait(r->ep, &ev, 1, -1), 1);
		break;
	case EPWAIT:
		EQ(epoll_pwait(r->ep, &ev, 1, -1, &all), 1);
		break;
	case SPIN:
		while(poll(&p, 1, 0) == 0)
			sched_yield();
		break;
	}
}

static void
take(struct reader *r, int call, int round)
{
	struct signalfd_siginfo si, more;
	struct iovec v[2] = { { &si, 40 }, { (char *)&si + 40, sizeof si - 40 } };
	struct pollfd p = { sfd, POLLIN, 0 };

	await(r, call);
	if(call == READV)
		EQ(readv(sfd, v, 2), sizeof si);
	else
		EQ(read(sfd, &si, sizeof si), sizeof si);
	EQ(si.ssi_pid, getpid());
	EQ(si.ssi_uid, getuid());
	if(round % 3 == 0) {
		EQ(si.ssi_signo, SIGUSR1);
		EQ(si.ssi_code, SI_TKILL);
	} else {
		EQ(si.ssi_signo, SIGRTMIN + 2);
		EQ(si.ssi_code, SI_QUEUE);
		EQ(si.ssi_int, r->id * 1000 + round);
	}
	EQ(poll(&p, 1, 0), 0);
	EQ(read(sfdnb, &more, sizeof more), -1);
	EQ(errno, EAGAIN);
}

static void
send(struct reader *r, int round)
{
	if(round % 3 == 0)
		OK(round % 2 ? pthread_kill(r->t, SIGUSR1) : (int)syscall(SYS_tgkill, getpid(), r->tid, SIGUSR1));
	else
		OK(pthread_sigqueue(r->t, SIGRTMIN + 2, (union sigval){ .sival_int = r->id * 1000 + round }));
}

static void *
reads(void *arg)
{
	struct reader *r = arg;
	struct epoll_event ev = { .events = EPOLLIN };

	r->tid = gettid();
	OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
	CHECK((r->ep = epoll_create1(EPOLL_CLOEXEC)) >= 0);
	OK(epoll_ctl(r->ep, EPOLL_CTL_ADD, sfd, &ev));
	for(int i = 1; i <= ROUNDS; i++) {
		int call = (i + r->id) % CALLS;

		r->turn = i;
		if(i % 5 == 0) { /* to itself, before */
			r->t = pthread_self();
			send(r, i);
		}
		take(r, call, i);
		r->done = i;
	}
	close(r->ep);
	return arg;
}

/* Lets all through; what comes to it is astray. */
static void *
open1(void *arg)
{
	while(!over) {
		sched_yield();
		if(sem_trywait(&never) == 0)
			CHECK(!"posted");
	}
	return arg;
}

/* One for any of those that read. */
static void *
any(void *arg)
{
	struct signalfd_siginfo si;

	EQ(read(sfd, &si, sizeof si), sizeof si);
	EQ(si.ssi_signo, SIGUSR1);
	EQ(si.ssi_code, SI_USER);
	return arg;
}

static void
process(void)
{
	pthread_t t[N];

	OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
	for(int i = 0; i < N; i++)
		t[i] = spawn(any, NULL);
	for(int i = 0; i < N; i++) {
		OK(kill(getpid(), SIGUSR1));
		while(1) { /* standard signals do not queue */
			struct pollfd p = { sfd, POLLIN, 0 };

			if(poll(&p, 1, 0) == 0)
				break;
			sched_yield();
		}
	}
	for(int i = 0; i < N; i++)
		join(t[i]);
}

/* Pending before there is any descriptor for it, unblocked after, and waited for. */
static void *
before(void *arg)
{
	struct signalfd_siginfo si;
	struct timespec now = { 0, 0 };
	siginfo_t info;
	sigset_t s;
	int fd, was;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
	OK(pthread_kill(pthread_self(), SIGUSR2));
	CHECK((fd = signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK)) >= 0);
	EQ(read(fd, &si, sizeof si), sizeof si);
	EQ(si.ssi_signo, SIGUSR2);
	EQ(si.ssi_code, SI_TKILL);
	for(int i = 0; i < 10; i++) {
		OK(pthread_sigqueue(pthread_self(), SIGUSR2, (union sigval){ .sival_int = i }));
		sched_yield();
		EQ(sigtimedwait(&s, &info, &now), SIGUSR2);
		EQ(info.si_code, SI_QUEUE);
		EQ(info.si_value.sival_int, i);
		EQ(read(fd, &si, sizeof si), -1);
		was = astray;
		OK(pthread_sigqueue(pthread_self(), SIGUSR2, (union sigval){ .sival_int = i }));
		sched_yield();
		OK(pthread_sigmask(SIG_UNBLOCK, &s, NULL));
		EQ(astray, was + 1); /* here and now */
		OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
	}
	OK(raise(SIGUSR2));
	close(fd);
	return arg; /* it is pending for nobody else */
}

int
main(void)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };
	int sent[N] = { 0 };
	pthread_t o[2];

	OK(sem_init(&never, 0, 0));
	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(sigaction(SIGUSR2, &sa, NULL));
	OK(sigaction(SIGRTMIN + 2, &sa, NULL));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 2);
	join(spawn(before, NULL));
	EQ(astray, 10);
	astray = 0;
	CHECK((sfd = signalfd(-1, &set, SFD_CLOEXEC)) >= 0);
	CHECK((sfdnb = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) >= 0);
	for(int i = 0; i < 2; i++)
		o[i] = spawn(open1, NULL);
	for(int i = 0; i < N; i++) {
		rd[i].id = i;
		rd[i].t = spawn(reads, &rd[i]);
	}
	for(int left = 1; left > 0; sched_yield()) {
		left = N * ROUNDS;
		for(int i = 0; i < N; i++) {
			int turn = rd[i].turn;

			left -= rd[i].done;
			if(turn == sent[i])
				continue;
			sent[i] = turn;
			if((turn + i) % 4 == 0)
				usleep(300); /* it waits by then */
			if(turn % 5 != 0)
				send(&rd[i], turn);
		}
	}
	for(int i = 0; i < N; i++)
		join(rd[i].t);
	EQ(astray, 0);
	over = 1;
	for(int i = 0; i < 2; i++)
		join(o[i]);
	process();
	puts("ok");
	return 0;
}
