/* SPDX-License-Identifier: MIT */
/*
 * Handlers that run while a thread is in sigwait, and move it, or jump out of it: after that the thread takes the signals that it
 * has waited for by handlers, and others are preempted wherever it has been.
 */
#include "prog.h"
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>

enum { N = 6, ROUNDS = 30 };

static __thread sigjmp_buf out;
static __thread volatile sig_atomic_t jumps, taken;
static _Atomic int entered, hogs, stop;
static sem_t turn;

/* Yields, so that the thread goes on elsewhere, and leaves sigwait if it is to. */
static void
onusr2(int sig)
{
	sem_post(&turn);
	while(sem_wait(&turn) != 0)
		;
	sched_yield();
	if(jumps)
		siglongjmp(out, 1);
}

static void
onusr1(int sig)
{
	taken++;
}

static void *
waiter(void *arg)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	for(int i = 0; i < ROUNDS; i++) {
		OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
		/* SIGUSR2 comes first, and moves it; then SIGUSR1 */
		jumps = 0;
		entered++;
		EQ(sigwait(&set, &sig), 0);
		EQ(sig, SIGUSR1);
		if(sigsetjmp(out, 1) == 0) {
			jumps = 1;
			entered++;
			sigwait(&set, &sig);
			CHECK(!"sigwait returned");
		}
		OK(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
		taken = 0;
		OK(pthread_kill(pthread_self(), SIGUSR1));
		EQ(taken, 1);
	}
	return NULL;
}

/* They share the processors only if they are preempted. */
static void *
hog(void *arg)
{
	hogs++;
	while(!stop)
		;
	return NULL;
}

int
main(void)
{
	struct sigaction sa = {.sa_handler = onusr2, .sa_flags = SA_RESTART};
	pthread_t w, h[N];

	OK(sem_init(&turn, 0, 0));
	OK(sigaction(SIGUSR2, &sa, NULL));
	sa.sa_handler = onusr1;
	OK(sigaction(SIGUSR1, &sa, NULL));
	w = spawn(waiter, NULL);
	for(int i = 0; i < ROUNDS; i++) {
		while(entered < 2 * i + 1)
			sched_yield();
		for(int k = 0; k < 3; k++) {
			OK(pthread_kill(w, SIGUSR2));
			sched_yield();
		}
		OK(pthread_kill(w, SIGUSR1));
		while(entered < 2 * i + 2)
			sched_yield();
		OK(pthread_kill(w, SIGUSR2));
	}
	join(w);
	for(int i = 0; i < N; i++)
		h[i] = spawn(hog, NULL);
	while(hogs < N)
		msleep(1);
	stop = 1;
	for(int i = 0; i < N; i++)
		join(h[i]);
	puts("ok");
	return 0;
}
