/* SPDX-License-Identifier: MIT */
/* SIGCHLD: handlers that reap, SA_NOCLDWAIT and SIG_IGN, children of threads, while others wait for other things. */
#include "io_util.h"

static int self[2];
static atomic_int reaped, sumstatus;

static void
reaper(int sig)
{
	int e = errno, st;
	pid_t pid;
	while((pid = waitpid(-1, &st, WNOHANG)) > 0) {
		reaped++;
		sumstatus += WEXITSTATUS(st);
		if(write(self[1], "c", 1) != 1)
			abort();
	}
	errno = e;
}

static void *
forker(void *arg)
{
	for(int i = 0; i < 5; i++) {
		pid_t pid = OK(fork());
		if(pid == 0)
			_exit((intptr_t)arg);
	}
	return NULL;
}

static int never[2];

static void *
waiter(void *arg)
{
	return waiteof(FDARG(never[0]));
}

static void
handler(int flags)
{
	enum { N = 8 };
	struct sigaction sa = { .sa_handler = reaper, .sa_flags = flags };
	char b;
	reaped = 0;
	sumstatus = 0;
	OK(sigaction(SIGCHLD, &sa, NULL));
	pthread_t *t = spawnall(N, forker);
	for(int i = 0; i < N * 5; i++) {
		ssize_t n;
		while((n = read(self[0], &b, 1)) == -1)
			EQ(errno, EINTR);
		EQ(n, 1);
	}
	joinall(t, N);
	EQ(reaped, N * 5);
	EQ(sumstatus, (0 + 1 + 2 + 3 + 4 + 5 + 6 + 7) * 5);
	FAILS(waitpid(-1, NULL, WNOHANG), ECHILD);
	signal(SIGCHLD, SIG_DFL);
}

static void
nowait(bool ignore)
{
	struct sigaction sa = { .sa_handler = ignore ? SIG_IGN : SIG_DFL, .sa_flags = ignore ? 0 : SA_NOCLDWAIT };
	OK(sigaction(SIGCHLD, &sa, NULL));
	joinall(spawnall(4, forker), 4);
	/* No zombies: this waits until all are gone, and then says so. */
	int st;
	FAILS(waitpid(-1, &st, 0), ECHILD);
	sa = (struct sigaction){ .sa_handler = SIG_DFL };
	OK(sigaction(SIGCHLD, &sa, NULL));
}

static atomic_int stops;

static void
onstop(int sig, siginfo_t *si, void *uc)
{
	int e = errno;
	if(si->si_code == CLD_STOPPED)
		stops++;
	errno = e;
}

static void
nocldstop(void)
{
	struct sigaction sa = { .sa_sigaction = onstop, .sa_flags = SA_SIGINFO | SA_RESTART };
	int st;
	for(int k = 0; k < 2; k++) {
		stops = 0;
		OK(sigaction(SIGCHLD, &sa, NULL));
		pid_t pid = forkclean();
		if(pid == 0)
			for(;;)
				pause();
		OK(kill(pid, SIGSTOP));
		EQ(waitpid(pid, &st, WUNTRACED), pid);
		CHECK(WIFSTOPPED(st));
		OK(kill(pid, SIGKILL));
		reap(pid);
		EQ(stops, k == 0);
		sa.sa_flags |= SA_NOCLDSTOP;
	}
	signal(SIGCHLD, SIG_DFL);
}

int
main(void)
{
	OK(pipe(self));
	OK(pipe(never));
	pthread_t *t = spawnall(10, waiter);
	handler(SA_RESTART);
	pass("handler that reaps, SA_RESTART");
	handler(0);
	pass("handler that reaps");
	nowait(true);
	pass("SIG_IGN");
	nowait(false);
	pass("SA_NOCLDWAIT");
	nocldstop();
	pass("SA_NOCLDSTOP");
	OK(close(never[1]));
	joinall(t, 10);
	return 0;
}
