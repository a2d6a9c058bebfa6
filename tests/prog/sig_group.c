/* SPDX-License-Identifier: MIT */
/*
 * A signal that a thread sends to its own process, or to its process group, is delivered before the call returns, as no other
 * thread lets it through. Others compute, wait, and come and go meanwhile.
 */
#include "prog.h"
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { ROUNDS = 300 };

static volatile sig_atomic_t got;
static _Atomic int stop;
static sem_t never;

static void
handler(int sig)
{
	got++;
}

static void *
busy(void *arg)
{
	while(!stop)
		;
	return NULL;
}

static void *
parked(void *arg)
{
	sem_wait(&never);
	return NULL;
}

static void *
brief(void *arg)
{
	return NULL;
}

static void *
spawner(void *arg)
{
	while(!stop)
		join(spawn(brief, NULL));
	return NULL;
}

static void
send(int how, int sig)
{
	switch(how){
	case 0: OK(kill(0, sig)); break;
	case 1: OK(kill(getpid(), sig)); break;
	case 2: OK(killpg(0, sig)); break;
	case 3: OK(killpg(getpgrp(), sig)); break;
	case 4: OK(kill(-getpgrp(), sig)); break;
	case 5: OK(sigqueue(getpid(), sig, (union sigval){0})); break;
	case 6: OK(syscall(SYS_kill, 0, sig)); break;
	case 7: OK(raise(sig)); break;
	}
}

static void
all(int sig, bool through)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, sig);
	for(int i = 0; i < ROUNDS; i++) {
		int before = got;

		if(!through)
			pthread_sigmask(SIG_BLOCK, &set, &old);
		send(i % 8, sig);
		EQ(got, before + through);
		if(!through)
			pthread_sigmask(SIG_SETMASK, &old, NULL);
		EQ(got, before + 1);
		if(i % 16 == 0)
			sched_yield();
	}
}

int
main(void)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
	pthread_t t[6];
	sigset_t set;
	int st;

	/* a group of its own, with another process in it, which is left alone by its mask */
	setpgid(0, 0);
	OK(sem_init(&never, 0, 0));
	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(sigaction(SIGRTMIN + 3, &sa, NULL));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 3);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pid_t parent = getpid(), child = fork();
	if(child == 0) {
		while(getppid() == parent)
			msleep(100);
		_exit(0);
	}
	t[0] = spawn(busy, NULL);
	t[1] = spawn(busy, NULL);
	t[2] = spawn(spawner, NULL);
	for(int i = 3; i < 6; i++)
		t[i] = spawn(parked, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	all(SIGUSR1, true);
	all(SIGRTMIN + 3, true);
	all(SIGUSR1, false);
	stop = 1;
	for(int i = 3; i < 6; i++)
		sem_post(&never);
	for(int i = 0; i < 6; i++)
		join(t[i]);
	OK(kill(child, SIGKILL));
	EQ(waitpid(child, &st, 0), child);
	EQ(kill(-1000000, SIGUSR1), -1);
	EQ(errno, ESRCH);
	EQ(killpg(-1, SIGUSR1), -1);
	EQ(errno, EINVAL);
	puts("ok");
	return 0;
}
