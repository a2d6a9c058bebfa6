/* SPDX-License-Identifier: MIT */
/* A wait on another process, in each process-shared kind, lets the other threads of the process run; the waits time out rightly. */
#include "shared.h"
#include <semaphore.h>

struct shared {
	pthread_mutex_t m;
	pthread_cond_t c;
	sem_t sem, go, finish;
	pthread_rwlock_t rw;
	int flag;
};

static struct shared *s;
static _Atomic long beats;
static _Atomic int stop, done, timedout;

static void *
beat(void *arg)
{
	while(!stop) {
		beats++;
		sched_yield();
	}
	return arg;
}

static void *
onmutex(void *arg)
{
	struct timespec ts = deadline(CLOCK_REALTIME, 10 * MS);

	EQ(pthread_mutex_timedlock(&s->m, &ts), ETIMEDOUT);
	timedout++;
	OK(pthread_mutex_lock(&s->m));
	while(!s->flag)
		OK(pthread_cond_wait(&s->c, &s->m));
	OK(pthread_mutex_unlock(&s->m));
	done++;
	return arg;
}

static void *
onsem(void *arg)
{
	struct timespec ts = deadline(CLOCK_REALTIME, 10 * MS);

	EQ(sem_timedwait(&s->sem, &ts), -1);
	EQ(errno, ETIMEDOUT);
	timedout++;
	while(sem_wait(&s->sem) != 0)
		;
	done++;
	return arg;
}

static void *
onrw(void *arg)
{
	struct timespec ts = deadline(CLOCK_REALTIME, 10 * MS);

	EQ(pthread_rwlock_timedrdlock(&s->rw, &ts), ETIMEDOUT);
	timedout++;
	OK(pthread_rwlock_rdlock(&s->rw));
	OK(pthread_rwlock_unlock(&s->rw));
	done++;
	return arg;
}

static void
child(void)
{
	OK(pthread_mutex_lock(&s->m));
	OK(pthread_rwlock_wrlock(&s->rw));
	EQ(sem_post(&s->go), 0);
	while(sem_wait(&s->finish) != 0)
		;
	s->flag = 1;
	OK(pthread_cond_broadcast(&s->c));
	OK(pthread_mutex_unlock(&s->m));
	OK(pthread_rwlock_unlock(&s->rw));
	for(int i = 0; i < 3; i++)
		EQ(sem_post(&s->sem), 0);
	_exit(0);
}

int
main(void)
{
	pthread_t t[9], b;
	pid_t pid;
	long was;
	int st;

	s = sharedmem(sizeof *s);
	sharedmutex(&s->m);
	sharedcond(&s->c);
	sharedrwlock(&s->rw);
	EQ(sem_init(&s->sem, 1, 0), 0);
	EQ(sem_init(&s->go, 1, 0), 0);
	EQ(sem_init(&s->finish, 1, 0), 0);
	pid = fork();
	CHECK(pid >= 0);
	if(pid == 0)
		child();
	b = spawn(beat, NULL);
	while(sem_wait(&s->go) != 0)
		;
	for(int i = 0; i < 9; i++)
		t[i] = spawn(i % 3 == 0 ? onmutex : i % 3 == 1 ? onsem : onrw, NULL);
	while(timedout < 9)
		msleep(1);
	msleep(30);
	was = beats;
	for(int64_t t0 = nowns(); beats == was;) {
		/* nine threads wait in the kernel, this one runs */
		CHECK(nowns() - t0 < 20 * SEC);
		msleep(1);
	}
	EQ(done, 0);
	EQ(sem_post(&s->finish), 0);
	for(int i = 0; i < 9; i++)
		join(t[i]);
	EQ(done, 9);
	stop = 1;
	join(b);
	EQ(waitpid(pid, &st, 0), pid);
	EQ(st, 0);
	puts("ok");
	return 0;
}
