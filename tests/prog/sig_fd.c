/* SPDX-License-Identifier: MIT */
/*
 * signalfd: what is sent to the reader's thread alone, by pthread_kill, raise, tgkill and pthread_sigqueue, is read, and seen
 * by poll and epoll, as what is sent to the process; before the descriptor is made, while its reader waits, and not.
 */
#include "prog.h"
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

enum { N = 6, RT = 40 };

static sigset_t set;
static int sfd;
static pthread_t reader;
static int readertid;
static sem_t ask;

static void
send(int how)
{
	switch(how % N){
	case 0: OK(pthread_kill(reader, SIGUSR1)); break;
	case 1: OK(kill(getpid(), SIGUSR1)); break;
	case 2: OK(tgkill(getpid(), readertid, SIGUSR1)); break;
	case 3: OK(syscall(SYS_tgkill, getpid(), readertid, SIGUSR1)); break;
	case 4: EQ(pthread_sigqueue(reader, SIGUSR1, (union sigval){.sival_int = 9}), 0); break;
	case 5: OK(syscall(SYS_tkill, readertid, SIGUSR1)); break;
	}
}

static void *
sender(void *arg)
{
	for(int i = 0; i < 4 * N; i++) {
		sem_wait(&ask);
		msleep(i % 3);
		send(i);
	}
	return NULL;
}

static void
take(int how, int ep)
{
	struct pollfd p = {sfd, POLLIN, 0};
	struct epoll_event ev;
	struct signalfd_siginfo si;

	switch(how){
	case 1:
		EQ(poll(&p, 1, -1), 1);
		break;
	case 2:
		EQ(epoll_wait(ep, &ev, 1, -1), 1);
		break;
	case 3:
		while(poll(&p, 1, 0) == 0)
			sched_yield();
		break;
	}
	EQ(read(sfd, &si, sizeof si), sizeof si);
	EQ(si.ssi_signo, SIGUSR1);
	EQ(si.ssi_pid, getpid());
	EQ(poll(&p, 1, 0), 0);
}

/* Real-time signals to itself: none is lost, their values are in order. */
static void
values(void)
{
	struct signalfd_siginfo si[RT];
	ssize_t n;

	for(int i = 0; i < RT; i++)
		EQ(pthread_sigqueue(pthread_self(), SIGRTMIN + 1, (union sigval){.sival_int = i}), 0);
	for(int i = 0; i < RT; i += n) {
		n = read(sfd, si, sizeof si) / sizeof *si;
		CHECK(n > 0);
		for(int k = 0; k < n; k++) {
			EQ(si[k].ssi_int, i + k);
			EQ(si[k].ssi_code, SI_QUEUE);
		}
	}
}

int
main(void)
{
	struct signalfd_siginfo si;
	struct epoll_event ev = {.events = EPOLLIN};
	pthread_t t;
	int ep;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 1);
	OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
	OK(sem_init(&ask, 0, 0));
	reader = pthread_self();
	readertid = gettid();
	t = spawn(sender, NULL);
	OK(pthread_kill(reader, SIGUSR1)); /* before there is a descriptor */
	CHECK((sfd = signalfd(-1, &set, SFD_CLOEXEC)) >= 0);
	EQ(read(sfd, &si, sizeof si), sizeof si);
	EQ(si.ssi_signo, SIGUSR1);
	CHECK((ep = epoll_create1(EPOLL_CLOEXEC)) >= 0);
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, sfd, &ev));
	for(int how = 0; how < 4; how++)
		for(int i = 0; i < N; i++) {
			sem_post(&ask);
			take(how, ep);
		}
	values();
	OK(raise(SIGUSR1));
	EQ(read(sfd, &si, sizeof si), sizeof si);
	OK(fcntl(sfd, F_SETFL, O_NONBLOCK));
	EQ(read(sfd, &si, sizeof si), -1);
	EQ(errno, EAGAIN);
	join(t);
	puts("ok");
	return 0;
}
