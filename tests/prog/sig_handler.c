/* SPDX-License-Identifier: MIT */
/*
 * SIGTERM, SIGINT and others from another process, while every thread waits in
 * a call of its own: the handler runs, once for each signal, and by writing to
 * a pipe or posting a semaphore it gets the program going again.
 */
#include "io_util.h"
#include <sys/epoll.h>

static int self[2], never[2];
static sem_t dead;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cv = PTHREAD_COND_INITIALIZER;
static bool over;
static atomic_int count[65];
static volatile sig_atomic_t sender;

static void
handler(int sig, siginfo_t *si, void *uc)
{
	int e = errno;
	count[sig]++;
	sender = si->si_pid;
	if(write(self[1], &(char){ sig }, 1) != 1)
		abort();
	errno = e;
}

static void
posts(int sig)
{
	count[sig]++;
	sem_post(&dead);
}

/* Threads that wait until the program is over, each in its own kind of call. */
static void *
waiter(void *arg)
{
	char b;
	struct sockaddr_in sa;
	struct pollfd p = { never[0], POLLIN, 0 };
	switch((intptr_t)arg % 7) {
	case 0:
		EQ(read(never[0], &b, 1), 0);
		break;
	case 1:
		pthread_mutex_lock(&mu);
		while(!over)
			pthread_cond_wait(&cv, &mu);
		pthread_mutex_unlock(&mu);
		break;
	case 2:
		while(poll(&p, 1, -1) != 1)
			EQ(errno, EINTR);
		break;
	case 3: {
		int l = tcplisten(&sa, 1);
		struct timeval tv = { 20, 0 };
		struct pollfd q[2] = { { l, POLLIN, 0 }, { never[0], POLLIN, 0 } };
		OK(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
		while(poll(q, 2, -1) != 1)
			EQ(errno, EINTR);
		OK(close(l));
		break;
	}
	case 4: {
		int e = OK(epoll_create1(0));
		struct epoll_event ev = { EPOLLIN, { 0 } };
		OK(epoll_ctl(e, EPOLL_CTL_ADD, never[0], &ev));
		while(epoll_wait(e, &ev, 1, -1) != 1)
			EQ(errno, EINTR);
		OK(close(e));
		break;
	}
	case 5: {
		/* Sleeps on until told; the time left is what matters, not how often it is interrupted. */
		struct timespec ts;
		while(!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
			ts = tspec(20 * MS);
			nanosleep(&ts, NULL);
		}
		break;
	}
	case 6: {
		pthread_t t = spawn(waiter, (void *)0);
		join(t);
		break;
	}
	}
	return NULL;
}

/* A child that sends these signals, one after the other's answer. */
static pid_t
child(const int *sigs, int n, int ack)
{
	pid_t parent = getpid(), pid = forkclean();
	char b;
	if(pid != 0)
		return pid;
	for(int i = 0; i < n; i++) {
		nudge();
		if(kill(parent, sigs[i]) != 0 || read(ack, &b, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

static void
install(int sig, void (*simple)(int), int flags)
{
	struct sigaction sa = { .sa_flags = flags };
	if(simple)
		sa.sa_handler = simple;
	else {
		sa.sa_sigaction = handler;
		sa.sa_flags |= SA_SIGINFO;
	}
	OK(sigaction(sig, &sa, NULL));
}

static const int sigs[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGURG, SIGWINCH, SIGIO, SIGPROF, SIGTERM };

/* The main thread waits in read on the pipe that the handler writes to. */
static void
selfpipe(void)
{
	int ack[2];
	char b;
	OK(pipe(ack));
	for(size_t i = 0; i < nelem(sigs); i++)
		install(sigs[i], NULL, SA_RESTART);
	pid_t pid = child(sigs, nelem(sigs), ack[0]);
	for(size_t i = 0; i < nelem(sigs); i++) {
		EQ(read(self[0], &b, 1), 1);
		EQ(b, sigs[i]);
		EQ(sender, pid);
		OK(write(ack[1], "a", 1));
	}
	EQ(reap(pid), 0);
	EQ(count[SIGTERM], 2);
	EQ(count[SIGINT], 1);
	OK(close(ack[0])), OK(close(ack[1]));
	pass("self-pipe");
}

static void *
pipereader(void *arg)
{
	char b;
	EQ(read(self[0], &b, 1), 1);
	return (void *)(intptr_t)b;
}

/* Main waits in join, the thread for the pipe. */
static void
joining(void)
{
	int ack[2];
	OK(pipe(ack));
	pid_t pid = child((int[]){ SIGTERM }, 1, ack[0]);
	pthread_t t = spawn(pipereader, NULL);
	EQ((intptr_t)join(t), SIGTERM);
	OK(write(ack[1], "a", 1));
	EQ(reap(pid), 0);
	EQ(count[SIGTERM], 3);
	OK(close(ack[0])), OK(close(ack[1]));
	pass("join");
}

/* A handler may post a semaphore on which any thread waits. */
static void
semaphore(void)
{
	int ack[2];
	OK(pipe(ack));
	install(SIGINT, posts, SA_RESTART);
	pid_t pid = child((int[]){ SIGINT, SIGINT, SIGINT }, 3, ack[0]);
	for(int i = 0; i < 3; i++) {
		while(sem_wait(&dead) < 0)
			EQ(errno, EINTR);
		OK(write(ack[1], "a", 1));
	}
	EQ(reap(pid), 0);
	EQ(count[SIGINT], 4);
	OK(close(ack[0])), OK(close(ack[1]));
	pass("semaphore");
}

int
main(void)
{
	enum { N = 21 };
	OK(pipe(self));
	OK(pipe(never));
	OK(sem_init(&dead, 0, 0));
	pthread_t *t = spawnall(N, waiter);
	nudge();
	selfpipe();
	joining();
	semaphore();
	pthread_mutex_lock(&mu);
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&cv);
	pthread_mutex_unlock(&mu);
	OK(close(never[1]));
	joinall(t, N);
	pass("over");
	return 0;
}
