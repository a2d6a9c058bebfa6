/* SPDX-License-Identifier: MIT */
/* A thread has changed its own ids, so that setresuid can change those of some threads only: libc aborts, and SIGABRT's handler runs. */
#include "prog.h"
#include <signal.h>
#include <sys/syscall.h>

static pthread_barrier_t bar;

static void *
other(void *arg UNUSED)
{
	OK(syscall(SYS_setresuid, 60201, 60202, 60203));
	pthread_barrier_wait(&bar);
	for(;;)
		pause();
}

static void
aborted(int sig)
{
	EQ(sig, SIGABRT);
	EQ(write(1, "aborted\n", 8), 8);
	_exit(0);
}

int
main(void)
{
	if(getuid() != 0)
		SKIP("must be root");
	signal(SIGABRT, aborted);
	OK(pthread_barrier_init(&bar, NULL, 2));
	spawn(other, NULL);
	pthread_barrier_wait(&bar);
	setresuid(60301, 60302, 60303);
	return 1;
}
