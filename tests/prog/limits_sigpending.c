/* SPDX-License-Identifier: MIT */
/*
 * A user who may have no signals queued (ulimit -i 0), or none for a while. Standard signals come all the same, without what
 * is told of the sender; real-time ones are refused, but for those of kill(2). Signals for threads in calls that block in the kernel,
 * that wait, that compute; a handler for SIGSTKFLT, and what it does without.
 */
#include "prog.h"
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Atomic int handled, in;
static __thread volatile int mine;

static void
onsignal(int sig)
{
	mine++;
	handled++;
}

static void
catch(int sig, int flags)
{
	struct sigaction sa = { .sa_handler = onsignal, .sa_flags = flags };

	EQ(sigaction(sig, &sa, NULL), 0);
}

static void
limit(rlim_t n)
{
	struct rlimit lim;

	EQ(getrlimit(RLIMIT_SIGPENDING, &lim), 0);
	lim.rlim_cur = n;
	EQ(setrlimit(RLIMIT_SIGPENDING, &lim), 0);
}

/* ---- threads that get a signal each ---- */

static int msgs, sems;
static sem_t never;

static void
intr(int r)
{
	CHECK(r == -1 && errno == EINTR);
}

static void *
pauses(void *arg)
{
	in++;
	while(mine == 0)
		pause();
	return NULL;
}

static void *
receives(void *arg)
{
	char b[32];

	in++;
	intr(msgrcv(msgs, b, 8, 0, 0));
	return NULL;
}

static void *
waits(void *arg)
{
	in++;
	intr(sem_wait(&never));
	return NULL;
}

static void *
sleeps(void *arg)
{
	struct timespec ts = { 1000, 0 };

	in++;
	intr(nanosleep(&ts, NULL));
	return NULL;
}

static void *
semops(void *arg)
{
	in++;
	intr(semop(sems, &(struct sembuf){ 0, -1, 0 }, 1));
	return NULL;
}

static void *
computes(void *arg)
{
	in++;
	while(mine == 0)
		;
	return NULL;
}

static void
each(int sig)
{
	void *(*const fn[])(void *) = { pauses, receives, waits, sleeps, semops, computes };
	pthread_t t;

	for(size_t i = 0; i < sizeof fn / sizeof fn[0]; i++) {
		in = 0;
		t = spawn(fn[i], NULL);
		while(in == 0)
			sched_yield();
		do { /* one that comes before the call does not end it */
			EQ(pthread_kill(t, sig), 0);
			msleep(2);
		} while(pthread_tryjoin_np(t, NULL) != 0);
	}
}

/* ---- no room from the start ---- */

static void
realtime(void)
{
	int sig = SIGRTMIN + 3, n = handled;

	EQ(pthread_kill(pthread_self(), sig), EAGAIN);
	EQ(pthread_sigqueue(pthread_self(), sig, (union sigval){ .sival_int = 1 }), EAGAIN);
	CHECK(sigqueue(getpid(), sig, (union sigval){ .sival_int = 1 }) == -1 && errno == EAGAIN);
	EQ(handled, n);
	EQ(kill(getpid(), sig), 0);
	while(handled == n)
		sched_yield();
}

static void
forbidden(void)
{
	limit(0);
	catch(SIGUSR1, 0);
	catch(SIGRTMIN + 3, 0);
	each(SIGUSR1);
	realtime();
	catch(SIGSTKFLT, 0);
	each(SIGSTKFLT);
	signal(SIGSTKFLT, SIG_DFL);
	each(SIGUSR1);
	raise(SIGSTKFLT);
}

/* ---- none for a while ---- */

static void *
late(void *arg)
{
	msleep(50);
	limit(1000);
	return NULL;
}

static void
later(void)
{
	pthread_t t, l;

	limit(2000);
	catch(SIGUSR1, 0);
	each(SIGUSR1);
	in = handled = 0;
	t = spawn(semops, NULL);
	while(in == 0)
		sched_yield();
	msleep(20);
	limit(0);
	l = spawn(late, NULL);
	EQ(pthread_kill(t, SIGUSR1), 0);
	while(pthread_tryjoin_np(t, NULL) != 0) {
		msleep(2);
		if(handled != 0) /* before the call, on a busy machine */
			EQ(pthread_kill(t, SIGUSR1), 0);
	}
	join(l);
	_exit(0);
}

static int
statusof(void (*f)(void))
{
	pid_t pid = fork();
	int st;

	CHECK(pid >= 0);
	if(pid == 0) {
		f();
		_exit(100);
	}
	EQ(waitpid(pid, &st, 0), pid);
	return st;
}

int
main(void)
{
	int st;

	CHECK((msgs = msgget(IPC_PRIVATE, 0600)) >= 0);
	CHECK((sems = semget(IPC_PRIVATE, 1, 0600)) >= 0);
	EQ(sem_init(&never, 0, 0), 0);
	st = statusof(forbidden);
	EQ(statusof(later), 0);
	EQ(msgctl(msgs, IPC_RMID, NULL), 0);
	EQ(semctl(sems, 0, IPC_RMID), 0);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGSTKFLT);
	puts("ok");
	return 0;
}
