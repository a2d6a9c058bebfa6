/* SPDX-License-Identifier: MIT */
/* Signal masks are per thread and inherited; pthread_kill reaches the thread meant; sigwait; a handler runs in its thread. */
#include "prog.h"
#include <signal.h>

#define N 12

static pthread_t ids[N];
static _Atomic int hits[N], wrong;
static __thread int me = -1;
static _Atomic int ready, stop;

static void
onusr1(int sig)
{
	int saved = errno;

	if(me < 0 || !pthread_equal(pthread_self(), ids[me]))
		wrong++;
	else
		hits[me]++;
	errno = saved;
}

static void *
work(void *arg)
{
	sigset_t s;

	me = (intptr_t)arg;
	OK(pthread_sigmask(SIG_BLOCK, NULL, &s));
	EQ(sigismember(&s, SIGUSR2), 1);	/* inherited */
	EQ(sigismember(&s, SIGUSR1), 0);
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 1 + me % 3);
	OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
	ids[me] = pthread_self();
	ready++;
	while(!stop) {
		switch(me % 4) {
		case 0: sched_yield(); break;
		case 1: usleep(100); break;
		case 2: for(volatile int i = 0; i < 1000; i++) ; break;
		case 3: free(malloc(100)); break;
		}
		sigset_t now;
		OK(pthread_sigmask(SIG_BLOCK, NULL, &now));
		for(int k = 0; k < 3; k++)
			EQ(sigismember(&now, SIGRTMIN + 1 + k), k == me % 3);
		EQ(sigismember(&now, SIGUSR2), 1);
	}
	return NULL;
}

static void *
waits(void *arg)
{
	sigset_t s;
	int sig;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	ready++;
	for(int i = 0; i < 5; i++) {
		OK(sigwait(&s, &sig));
		EQ(sig, SIGUSR2);
		(*(_Atomic int *)arg)++;
	}
	return NULL;
}

int
main(void)
{
	pthread_t t[N], w;
	struct sigaction sa;
	sigset_t s;
	static _Atomic int waited;

	memset(&sa, 0, sizeof sa);
	sa.sa_handler = onusr1;
	sa.sa_flags = SA_RESTART;
	EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	while(ready < N)
		sched_yield();
	for(int r = 1; r <= 10; r++) {
		for(int i = 0; i < N; i++)
			OK(pthread_kill(t[i], SIGUSR1));
		for(int i = 0; i < N; i++)
			while(hits[i] < r)
				sched_yield();
	}
	EQ(wrong, 0);
	for(int i = 0; i < N; i++)
		EQ(hits[i], 10);

	w = spawn(waits, (void *)&waited);
	while(ready < N + 1)
		sched_yield();
	for(int i = 0; i < 5; i++) {
		if(i % 2)
			OK(pthread_kill(w, SIGUSR2));
		else
			EQ(kill(getpid(), SIGUSR2), 0);
		while(waited <= i)
			sched_yield();
	}
	join(w);
	stop = 1;
	for(int i = 0; i < N; i++)
		join(t[i]);
	puts("ok");
	return 0;
}
