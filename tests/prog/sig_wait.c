/* SPDX-License-Identifier: MIT */
/* A thread that takes signals with sigwait and its kin while all others block them; signalfd. */
#include "io_util.h"
#include <sys/signalfd.h>

static sigset_t set;
static int out[2];

/* The usual server's signal thread: tells what came. */
static void *
sigthread(void *arg)
{
	siginfo_t si;
	struct timespec ts = { 20, 0 };
	for(int k = 0;; k++) {
		int sig = -1;
		switch(k % 3) {
		case 0: EQ(sigwait(&set, &sig), 0); break;
		case 1: sig = OK(sigwaitinfo(&set, &si)); EQ(si.si_signo, sig); CHECK(si.si_pid > 0); break;
		case 2: sig = OK(sigtimedwait(&set, &si, &ts)); EQ(si.si_signo, sig); break;
		}
		EQ(write(out[1], &(char){ sig }, 1), 1);
		if(sig == SIGTERM)
			return NULL;
	}
}

static int never[2];

static void *
worker(void *arg)
{
	char b;
	EQ(read(never[0], &b, 1), 0);
	return NULL;
}

static void
thread(void)
{
	static const int sigs[] = { SIGUSR1, SIGHUP, SIGINT, SIGUSR2, SIGCHLD, SIGHUP, SIGALRM, SIGURG, SIGTERM };
	pthread_t t = spawn(sigthread, NULL), *w = spawnall(20, worker);
	pid_t pid = forkclean();
	if(pid == 0)
		_exit(0);
	/* SIGCHLD of that child is one signal more, and comes first. */
	char b;
	EQ(read(out[0], &b, 1), 1);
	EQ(b, SIGCHLD);
	EQ(reap(pid), 0);
	for(size_t i = 0; i < nelem(sigs); i++) {
		OK(kill(getpid(), sigs[i]));
		EQ(read(out[0], &b, 1), 1);
		EQ(b, sigs[i]);
	}
	join(t);
	OK(close(never[1]));
	joinall(w, 20);
	pass("signal thread");
}

static void
pending(void)
{
	sigset_t s;
	siginfo_t si;
	struct timespec z = { 0, 0 }, ts = { 0, 20 * MS };
	int64_t t0 = now();
	FAILS(sigtimedwait(&set, NULL, &z), EAGAIN);
	FAILS(sigtimedwait(&set, NULL, &ts), EAGAIN);
	TOOK(t0, 20 * MS, 20 * MS);
	EQ(raise(SIGUSR1), 0);
	OK(kill(getpid(), SIGUSR2));
	OK(sigpending(&s));
	CHECK(sigismember(&s, SIGUSR1) && sigismember(&s, SIGUSR2) && !sigismember(&s, SIGHUP));
	EQ(sigtimedwait(&set, &si, &z), SIGUSR1);
	EQ(sigtimedwait(&set, &si, &z), SIGUSR2);
	EQ(si.si_pid, getpid());
	OK(sigpending(&s));
	CHECK(!sigismember(&s, SIGUSR1) && !sigismember(&s, SIGUSR2));
	/* A real-time signal queues, with its value, in order. */
	for(int i = 0; i < 5; i++)
		OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = i * 11 }));
	for(int i = 0; i < 5; i++) {
		EQ(sigwaitinfo(&set, &si), SIGRTMIN + 1);
		EQ(si.si_value.sival_int, i * 11);
		EQ(si.si_code, SI_QUEUE);
	}
	pass("pending");
}

static int sfd;

static void *
sfdreader(void *arg)
{
	struct signalfd_siginfo si;
	EQ(read(sfd, &si, sizeof si), sizeof si);
	return (void *)(intptr_t)si.ssi_signo;
}

static void
descriptor(void)
{
	sfd = OK(signalfd(-1, &set, SFD_CLOEXEC));
	pthread_t t = spawn(sfdreader, NULL);
	nudge();
	OK(kill(getpid(), SIGUSR1));
	EQ((intptr_t)join(t), SIGUSR1);
	struct pollfd p = { sfd, POLLIN, 0 };
	EQ(poll(&p, 1, 10), 0);
	OK(kill(getpid(), SIGHUP));
	EQ(poll(&p, 1, -1), 1);
	EQ((intptr_t)sfdreader(NULL), SIGHUP);
	OK(fcntl(sfd, F_SETFL, O_NONBLOCK));
	struct signalfd_siginfo si;
	FAILS(read(sfd, &si, sizeof si), EAGAIN);
	OK(close(sfd));
	pass("signalfd");
}

int
main(void)
{
	OK(pipe(out));
	OK(pipe(never));
	sigemptyset(&set);
	static const int sigs[] = { SIGUSR1, SIGUSR2, SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGALRM, SIGURG };
	for(size_t i = 0; i < nelem(sigs); i++)
		sigaddset(&set, sigs[i]);
	sigaddset(&set, SIGRTMIN + 1);
	EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	thread();
	pending();
	descriptor();
	return 0;
}
