/* SPDX-License-Identifier: MIT */
/* Main is alone after it had others: timers, signals and descriptors end its waits all the same. */
#include "prog.h"
#include "alone.h"
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

static volatile sig_atomic_t got;

static void
count(int sig)
{
	(void)sig;
	got++;
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
alarmin(long us)
{
	struct itimerval it = {.it_value = {us / 1000000, us % 1000000}};

	OK(setitimer(ITIMER_REAL, &it, NULL));
}

static void
timers(void)
{
	struct timespec ts = {0, 3000000};
	struct pollfd p = {.fd = -1};
	struct epoll_event ev;
	double t = now();
	int ep = epoll_create1(0);

	for(int i = 0; i < 5; i++) {
		OK(nanosleep(&ts, NULL));
		EQ(poll(&p, 1, 3), 0);
		EQ(epoll_wait(ep, &ev, 1, 3), 0);
	}
	CHECK(now() - t >= 0.045);
	close(ep);
}

/* A signal's handler ends each of these, as natively; it may come at any moment. */
static void
signals(void)
{
	struct timespec ts = {10, 0};
	sigset_t set, none;
	siginfo_t info;
	sem_t sem;
	int ep = epoll_create1(0);

	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	OK(sem_init(&sem, 0, 0));
	for(int i = 0; i < 40; i++) {
		got = 0;
		OK(sigprocmask(SIG_BLOCK, &set, NULL));
		alarmin(1 + i * 37);
		while(!got) {
			if(i % 4 == 0)
				EQ(sigsuspend(&none), -1);
			else if(i % 4 == 1)
				EQ(ppoll(NULL, 0, &ts, &none), -1);
			else if(i % 4 == 2)
				got = sigwaitinfo(&set, &info) == SIGALRM;
			else
				EQ(epoll_pwait(ep, &(struct epoll_event){0}, 1, 10000, &none), -1);
		}
		OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
		if(i % 4 == 3)
			continue;
		got = 0;
		alarmin(2000 + i * 37);
		if(i % 4 == 0)
			while(!got)
				EQ(nanosleep(&ts, NULL), -1);
		else if(i % 4 == 1)
			while(sem_wait(&sem) != 0)
				if(got)
					sem_post(&sem);
		while(!got) /* computes */
			;
	}
	close(ep);
}

static void
sockets(void)
{
	char buf[64] = "";
	int fds[2], status;
	pid_t pid;

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	fflush(stdout);
	if((pid = fork()) == 0) {
		close(fds[0]);
		for(int i = 0; i < 20; i++) {
			usleep(500);
			CHECK(write(fds[1], "x", 1) == 1);
			CHECK(read(fds[1], buf, 1) == 1);
		}
		_exit(kthreads() == 1 ? 7 : 1);
	}
	close(fds[1]);
	for(int i = 0; i < 20; i++) {
		EQ(read(fds[0], buf, 1), 1);
		EQ(write(fds[0], buf, 1), 1);
	}
	EQ(read(fds[0], buf, 1), 0);
	EQ(waitpid(pid, &status, 0), pid);
	EQ(WEXITSTATUS(status), 7);
	close(fds[0]);
}

/* Another process's signals come however main waits. */
static void
sent(void)
{
	pid_t pid;
	int status;

	got = 0;
	fflush(stdout);
	if((pid = fork()) == 0) {
		for(int i = 0; i < 300; i++) {
			kill(getppid(), SIGUSR1);
			usleep(20);
		}
		for(;;) { /* the last one may come just before its pause */
			usleep(1000);
			kill(getppid(), SIGUSR1);
		}
	}
	for(int i = 0; i < 300; i++)
		pause();
	OK(kill(pid, SIGKILL));
	EQ(waitpid(pid, &status, 0), pid);
	CHECK(got >= 300);
}

int
main(void)
{
	struct sigaction sa = {.sa_handler = count};

	OK(sigaction(SIGALRM, &sa, NULL));
	OK(sigaction(SIGUSR1, &sa, NULL));
	for(int i = 0; i < 4; i++) {
		someend(3, naps);
		if(i % 2)
			waitalone();
		else
			askalone();
		timers();
		signals();
		sockets();
		sent();
		EQ(kthreads(), 1);
	}
	printf("done\n");
	return 0;
}
