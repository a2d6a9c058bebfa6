/* SPDX-License-Identifier: MIT */
/*
 * Event loops that have a kernel thread each for themselves pass the turn to and fro without a pause: threads that sleep, that wait for
 * a pipe and that compute all get theirs meanwhile, and the loops see time-outs, signals and cancellation.
 */
#include "io_util.h"
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

enum { LOOPS = 3, TIMES = 20 };

static int turn[LOOPS], pipes[2];
static _Atomic int done, turns;

static int
instance(int fd)
{
	struct epoll_event ev = { EPOLLIN, { .fd = fd } };
	int ep = OK(epoll_create1(EPOLL_CLOEXEC));
	if(fd >= 0)
		OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	return ep;
}

/* From here on the kernel thread has what no other need have. */
static void
own(void)
{
	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void *
loop(void *arg)
{
	intptr_t me = (intptr_t)arg;
	int ep = instance(turn[me]);
	struct epoll_event ev[4];
	eventfd_t v;

	own();
	while(done < 3) {
		EQ(epoll_wait(ep, ev, 4, me == 0 ? -1 : 20000), 1);
		OK(eventfd_read(ev[0].data.fd, &v));
		turns++;
		OK(eventfd_write(turn[(me + 1) % LOOPS], 1));
	}
	OK(eventfd_write(turn[(me + 1) % LOOPS], 1)); /* so that the next one sees it, too */
	OK(close(ep));
	return NULL;
}

static void *
sleeps(void *arg)
{
	for(int i = 0; i < TIMES; i++) {
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
		writen(pipes[1], "x", 1);
	}
	done++;
	return arg;
}

static void *
reads(void *arg)
{
	char c;
	for(int i = 0; i < TIMES; i++)
		readn(pipes[0], &c, 1);
	done++;
	return arg;
}

static void *
computes(void *arg)
{
	volatile unsigned x = 0;
	for(int i = 0; i < 20000000; i++)
		x += i;
	done++;
	return arg;
}

static void
together(void)
{
	pthread_t *l, t[3];

	OK(pipe(pipes));
	for(int i = 0; i < LOOPS; i++)
		turn[i] = OK(eventfd(0, EFD_NONBLOCK));
	l = spawnall(LOOPS, loop);
	OK(eventfd_write(turn[0], 1));
	while(turns <= LOOPS) /* all are in their loops */
		sched_yield();
	t[0] = spawn(sleeps, NULL);
	t[1] = spawn(reads, NULL);
	t[2] = spawn(computes, NULL);
	for(int i = 0; i < 3; i++)
		join(t[i]);
	joinall(l, LOOPS);
	pass("loops, and others beside them");
}

static _Atomic int handled, waiting;

static void
handler(int sig)
{
	handled++;
}

static void *
ends(void *arg)
{
	int ep = instance(-1);
	struct epoll_event ev;

	own();
	EQ(epoll_wait(ep, &ev, 1, 20), 0);
	waiting = 1;
	EQ(epoll_wait(ep, &ev, 1, -1), -1);
	EQ(errno, EINTR);
	EQ(handled, 1);
	waiting = 2;
	epoll_wait(ep, &ev, 1, -1);
	CHECK(!"cancelled");
	return arg;
}

static void
until(int n)
{
	while(waiting != n)
		sched_yield();
	nudge();
}

static void
endings(void)
{
	pthread_t t = spawn(ends, NULL);
	void *result;

	OK(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = handler, .sa_flags = SA_RESTART }, NULL));
	until(1);
	EQ(pthread_kill(t, SIGUSR1), 0);
	until(2);
	EQ(pthread_cancel(t), 0);
	EQ(pthread_join(t, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	pass("time-out, signal, cancellation");
}

int
main(void)
{
	together();
	endings();
	return 0;
}
