/* SPDX-License-Identifier: MIT */
/*
 * pidfd_send_signal to oneself, by a pidfd or by /proc/PID, from main, wherever it runs: the handler has run when the call returns, with the
 * right siginfo; a blocked signal stays pending; errors are the kernel's.
 */
#include "prog.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>

static volatile sig_atomic_t got, value;
static volatile int stop;

static void
handler(int sig, siginfo_t *info, void *uc)
{
	CHECK(info->si_pid == getpid());
	CHECK(info->si_code == SI_USER || info->si_code == SI_QUEUE);
	value = info->si_value.sival_int;
	got++;
}

static void *
busy(void *arg)
{
	while(!stop)
		sched_yield();
	return NULL;
}

static long
sendfd(int fd, int sig, siginfo_t *info)
{
	return syscall(SYS_pidfd_send_signal, fd, sig, info, 0);
}

int
main(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
	sigset_t set;
	pthread_t t[4];
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0), dir, sig;

	if(fd < 0)
		SKIP("no pidfd_open");
	OK(sigaction(SIGUSR1, &sa, NULL));
	for(int i = 0; i < 4; i++)
		t[i] = spawn(busy, NULL);
	for(int i = 1; i <= 1000; i++) {
		EQ(sendfd(fd, SIGUSR1, NULL), 0);
		EQ(got, i);
		sched_yield();
	}
	dir = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dir >= 0);
	for(int i = 1; i <= 1000; i++) {
		EQ(sendfd(dir, SIGUSR1, NULL), 0);
		EQ(got, 1000 + i);
		sched_yield();
	}
	got = 1000;
	info.si_pid = getpid();
	info.si_value.sival_int = 42;
	EQ(sendfd(fd, SIGUSR1, &info), 0);
	EQ(got, 1001);
	EQ(value, 42);
	EQ(sendfd(fd, 0, NULL), 0);
	EQ(pidfd_send_signal(fd, SIGUSR1, NULL, 0), 0);
	EQ(got, 1002);
	info.si_signo = SIGUSR2;
	EQ(sendfd(fd, SIGUSR1, &info), -1);
	EQ(errno, EINVAL);
	EQ(sendfd(0, SIGUSR1, NULL), -1);
	EQ(errno, EBADF);
	stop = 1;
	for(int i = 0; i < 4; i++)
		join(t[i]);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
	EQ(sendfd(fd, SIGUSR1, NULL), 0);
	EQ(got, 1002);
	OK(sigwait(&set, &sig));
	EQ(sig, SIGUSR1);
	puts("ok");
	return 0;
}
