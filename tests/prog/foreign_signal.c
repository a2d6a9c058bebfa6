/* SPDX-License-Identifier: MIT */
/*
 * Threads that are none of pthread_create's (libc's helper for SIGEV_THREAD runs them) and their signal handlers: sem_post in a handler,
 * while the thread posts, waits, locks and signals.
 */
#include "foreign.h"
#include <semaphore.h>

enum { ROUNDS = 3000 };

static sem_t a, b, fromhandler, done;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static _Atomic long handled, posted;
static _Atomic int tid, over;
static long turn;

static void
onusr(int sig)
{
	int e = errno;

	handled++;
	if(sem_post(&fromhandler) == 0 && sem_post(&a) == 0)
		posted++;
	errno = e;
}

static void
wait1(sem_t *s)
{
	while(sem_wait(s) != 0)
		EQ(errno, EINTR);
}

/* On a thread of libc's own. */
static void
foreign(union sigval v)
{
	foreignmask(SIG_UNBLOCK, SIGUSR1);
	tid = (int)syscall(SYS_gettid);
	for(int i = 0; i < ROUNDS; i++){
		wait1(&a);
		OK(sem_post(&b));
		OK(pthread_mutex_lock(&mu));
		while(turn % 2 == 0)
			OK(pthread_cond_wait(&cond, &mu));
		turn++;
		OK(pthread_cond_signal(&cond));
		OK(pthread_mutex_unlock(&mu));
	}
	foreignmask(SIG_BLOCK, SIGUSR1);
	over = 1;
	OK(sem_post(&done));
}

static void *
partner(void *arg)
{
	for(int i = 0; i < ROUNDS; i++){
		OK(sem_post(&a));
		wait1(&b);
		OK(pthread_mutex_lock(&mu));
		while(turn % 2 == 1)
			OK(pthread_cond_wait(&cond, &mu));
		turn++;
		OK(pthread_cond_signal(&cond));
		OK(pthread_mutex_unlock(&mu));
	}
	return arg;
}

static void *
pester(void *arg)
{
	while(tid == 0)
		usleep(100);
	while(!over){
		syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
		if(handled % 8 == 0)
			usleep(20);
	}
	return arg;
}

int
main(void)
{
	struct sigaction sa = {.sa_handler = onusr, .sa_flags = SA_RESTART};
	pthread_t p, q;
	int n = 0;

	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(sem_init(&a, 0, 0));
	OK(sem_init(&b, 0, 0));
	OK(sem_init(&fromhandler, 0, 0));
	OK(sem_init(&done, 0, 0));
	foreignthreads(foreign, 1, 0);
	p = spawn(partner, NULL);
	q = spawn(pester, NULL);
	wait1(&done);
	join(p);
	join(q);
	EQ(handled, posted);
	while(sem_trywait(&fromhandler) == 0)
		n++;
	EQ(n, posted);
	EQ(turn, 2 * ROUNDS);
	puts("ok");
	return 0;
}
