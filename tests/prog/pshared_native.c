/* SPDX-License-Identifier: MIT */
/*
 * Process-shared objects between this process, which may run under heddle, and one that it starts without: every kind of mutex, condition
 * variable, rwlock, barrier, semaphore, and a robust mutex whose owners die, a thread and a process.
 */
#include "shared.h"
#include <semaphore.h>

enum { N = 200, T = 4, DIED = 9 };

static struct shared {
	pthread_mutex_t plain, robust, inherit, recursive;
	pthread_cond_t cond;
	pthread_rwlock_t rw;
	pthread_barrier_t bar;
	sem_t to[2];
	long n, ninherit, nrecursive, nrw, turn;
} *s;
static int side; /* 1: without heddle */

static void
wait1(sem_t *sem)
{
	while(sem_wait(sem) != 0)
		EQ(errno, EINTR);
}

static void *
work(void *arg)
{
	for(int i = 0; i < N; i++){
		OK(pthread_mutex_lock(&s->plain));
		s->n++;
		OK(pthread_mutex_unlock(&s->plain));
		OK(pthread_mutex_lock(&s->inherit));
		s->ninherit++;
		OK(pthread_mutex_unlock(&s->inherit));
		OK(pthread_mutex_lock(&s->recursive));
		OK(pthread_mutex_lock(&s->recursive));
		s->nrecursive++;
		OK(pthread_mutex_unlock(&s->recursive));
		OK(pthread_mutex_unlock(&s->recursive));
		OK(pthread_rwlock_wrlock(&s->rw));
		s->nrw++;
		OK(pthread_rwlock_unlock(&s->rw));
		OK(pthread_rwlock_rdlock(&s->rw));
		OK(pthread_rwlock_unlock(&s->rw));
		if(i % 50 == 0){
			int r = pthread_barrier_wait(&s->bar);

			CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
		}
	}
	return arg;
}

static void
pingpong(void)
{
	for(int i = 0; i < N; i++){
		OK(pthread_mutex_lock(&s->plain));
		while(s->turn % 2 != side)
			OK(pthread_cond_wait(&s->cond, &s->plain));
		s->turn++;
		OK(pthread_cond_broadcast(&s->cond));
		OK(pthread_mutex_unlock(&s->plain));
		if(side == 1)
			wait1(&s->to[1]);
		OK(sem_post(&s->to[!side]));
		if(side == 0)
			wait1(&s->to[0]);
	}
}

static void *
dies(void *arg)
{
	OK(pthread_mutex_lock(&s->robust));
	return arg;
}

/* The owner dies as a thread; then the robust mutex is locked, and its state mended. */
static void
inherit(void)
{
	join(spawn(dies, NULL));
	EQ(pthread_mutex_lock(&s->robust), EOWNERDEAD);
	OK(pthread_mutex_consistent(&s->robust));
}

static void
both(void)
{
	pthread_t t[T];

	for(int i = 0; i < T; i++)
		t[i] = spawn(work, NULL);
	for(int i = 0; i < T; i++)
		join(t[i]);
	pingpong();
}

static struct shared *
map(int fd)
{
	void *p = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void
make(void)
{
	pthread_mutexattr_t a = sharedattr();

	OK(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE));
	OK(pthread_mutex_init(&s->recursive, &a));
	OK(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_NORMAL));
	OK(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
	OK(pthread_mutex_init(&s->inherit, &a));
	sharedmutex(&s->plain);
	sharedrobust(&s->robust);
	sharedcond(&s->cond);
	sharedrwlock(&s->rw);
	sharedbarrier(&s->bar, 2 * T);
	OK(sem_init(&s->to[0], 1, 0));
	OK(sem_init(&s->to[1], 1, 0));
}

/* Dies with the robust mutex. */
static int
native(int fd)
{
	s = map(fd);
	side = 1;
	both();
	inherit();
	_exit(DIED);
}

int
main(int argc, char **argv)
{
	int fd, st;
	char num[16];
	pid_t pid;

	if(argc > 1)
		return native(atoi(argv[1]));
	fd = memfd_create("pshared", 0);
	CHECK(fd >= 0 && ftruncate(fd, sizeof *s) == 0);
	s = map(fd);
	make();
	snprintf(num, sizeof num, "%d", fd);
	pid = fork();
	CHECK(pid >= 0);
	if(pid == 0){
		unsetenv("LD_PRELOAD");
		execl("/proc/self/exe", "pshared_native", num, (char *)NULL);
		_exit(127);
	}
	both();
	EQ(waitpid(pid, &st, 0), pid);
	EQ(st, DIED << 8);
	EQ(pthread_mutex_lock(&s->robust), EOWNERDEAD);
	OK(pthread_mutex_consistent(&s->robust));
	OK(pthread_mutex_unlock(&s->robust));
	inherit();
	OK(pthread_mutex_unlock(&s->robust));
	EQ(s->n, 2 * T * N);
	EQ(s->ninherit, 2 * T * N);
	EQ(s->nrecursive, 2 * T * N);
	EQ(s->nrw, 2 * T * N);
	puts("ok");
	return 0;
}
