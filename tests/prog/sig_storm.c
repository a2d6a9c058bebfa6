/* SPDX-License-Identifier: MIT */
/* timeout: 60 */
/*
 * Signals from all sides to threads that compute, sleep, lock, write, wait in the kernel, change masks and jump out
 * of handlers: each queued one is counted once, for the thread it was sent to, and nothing else is disturbed.
 */
#include "prog.h"
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { N = 12, RT = 34 + 5 };

struct worker {
	pthread_t t;
	int id;
	_Atomic int got, sent, wrong;
	_Atomic bool up;
	long sum;
};

static struct worker w[N];
static __thread struct worker *self;
static __thread sigjmp_buf jb;
static __thread volatile sig_atomic_t canjump;
static _Atomic int over, alarms, process;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static int pipes[2], never[2];
static int rounds;

static void
onrt(int sig, siginfo_t *si, void *uc)
{
	int e = errno;

	(void)sig;
	(void)uc;
	if(self == NULL || si->si_code != SI_QUEUE || si->si_value.sival_int != self->id || si->si_pid != getpid())
		w[0].wrong++;
	else
		self->got++;
	errno = e;
}

static void
onusr(int sig UNUSED)
{
	process++;
	if(canjump){
		canjump = 0;
		siglongjmp(jb, 1);
	}
}

static void
onalarm(int sig UNUSED)
{
	alarms++;
}

/* Registers and vectors that must survive. */
static void
compute(struct worker *me, int n)
{
	double a = 1.5 + me->id, b = 0.25, c = 0;
	unsigned long x = 88172645463325252UL + (unsigned long)me->id, y = x;

	for(int i = 0; i < n; i++){
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		c = a * b + (double)i;
		a = c - (double)i - a * b + a;
	}
	for(int i = 0; i < n; i++)
		y ^= y << 13, y ^= y >> 7, y ^= y << 17;
	if(x != y || a != 1.5 + me->id)
		me->wrong++;
}

static void
jump(void)
{
	if(sigsetjmp(jb, 1) == 0){
		canjump = 1;
		for(volatile int i = 0; i < 2000; i++)
			;
		canjump = 0;
	}
}

static void *
work(void *arg)
{
	struct worker *me = arg;
	struct pollfd p = { never[0], POLLIN, 0 };
	struct timespec ts = { 0, 200000 };
	sigset_t set, old;
	char b = 0, *m;

	self = me;
	me->up = true;
	for(int i = 0; !over; i++)
		switch((i + me->id) % 8){
		case 0:
			compute(me, 3000);
			break;
		case 1:
			nanosleep(&ts, NULL);
			break;
		case 2:
			OK(pthread_mutex_lock(&mu));
			w[0].sum++;
			OK(pthread_mutex_unlock(&mu));
			break;
		case 3:
			while(write(pipes[1], &b, 1) < 0)
				EQ(errno, EINTR);
			while(read(pipes[0], &b, 1) < 0)
				EQ(errno, EINTR);
			break;
		case 4:
			sigfillset(&set);
			OK(pthread_sigmask(SIG_BLOCK, &set, &old));
			compute(me, 300);
			OK(pthread_sigmask(SIG_SETMASK, &old, NULL));
			break;
		case 5:
			jump();
			break;
		case 6:
			poll(&p, 1, 1);
			break;
		case 7:
			for(int k = 0; k < 20; k++){
				m = malloc((size_t)(k * 37 + 1));
				m[0] = 1;
				free(m);
			}
			break;
		}
	while(me->got != me->sent)
		sched_yield();
	return NULL;
}

static void *
sender(void *arg)
{
	int seed = (int)(intptr_t)arg;

	for(int i = 0; i < rounds; i++){
		struct worker *to = &w[(unsigned)(i * 7 + seed) % N];
		union sigval v = { .sival_int = to->id };
		int e;

		to->sent++;
		while((e = pthread_sigqueue(to->t, RT, v)) == EAGAIN)
			usleep(100);
		OK(e);
		if(i % 16 == 0)
			OK(pthread_kill(to->t, SIGUSR1));
		if(i % 64 == 0)
			OK(kill(getpid(), SIGUSR1));
	}
	return NULL;
}

int
main(void)
{
	struct sigaction sa = { .sa_sigaction = onrt, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerval it = { { 0, 1000 }, { 0, 1000 } };
	pthread_t s[3];

	rounds = scale(3000);
	OK(pipe(pipes));
	OK(pipe(never));
	sigaddset(&sa.sa_mask, SIGUSR1); /* which may jump away */
	OK(sigaction(RT, &sa, NULL));
	sigemptyset(&sa.sa_mask);
	sa.sa_flags = 0;
	sa.sa_handler = onusr;
	OK(sigaction(SIGUSR1, &sa, NULL));
	sa.sa_handler = onalarm;
	sa.sa_flags = SA_RESTART;
	OK(sigaction(SIGALRM, &sa, NULL));
	for(int i = 0; i < N; i++){
		w[i].id = i + 1;
		w[i].t = spawn(work, &w[i]);
	}
	for(int i = 0; i < N; i++)
		while(!w[i].up)
			sched_yield();
	OK(setitimer(ITIMER_REAL, &it, NULL));
	for(int i = 0; i < 3; i++)
		s[i] = spawn(sender, (void *)(intptr_t)i);
	for(int i = 0; i < 3; i++)
		join(s[i]);
	over = 1;
	for(int i = 0; i < N; i++)
		join(w[i].t);
	it = (struct itimerval){ { 0, 0 }, { 0, 0 } };
	OK(setitimer(ITIMER_REAL, &it, NULL));
	for(int i = 0; i < N; i++){
		EQ(w[i].wrong, 0);
		EQ(w[i].got, w[i].sent);
	}
	CHECK(alarms > 0);
	CHECK(process > 0);
	printf("ok\n");
	return 0;
}
