/* SPDX-License-Identifier: MIT */
/* Process-shared mutex, condition, semaphore, barrier, rwlock and spin lock between forked processes with threads in each. */
#include "shared.h"
#include <semaphore.h>

#define PROCS 3
#define THREADS 4

struct shared {
	pthread_mutex_t m, robust;
	pthread_cond_t c;
	pthread_barrier_t bar;
	pthread_rwlock_t rw;
	pthread_spinlock_t spin;
	sem_t sem;
	long count, spun, x, y;
	int turn, serial;
	_Atomic int inside;
};

static struct shared *s;
static int proc, loops;

static void *
work(void *arg)
{
	int me = proc * THREADS + (intptr_t)arg, all = PROCS * THREADS;
	struct timespec ts;

	for(int i = 0; i < loops; i++) {
		OK(pthread_mutex_lock(&s->m));
		long was = s->count;
		if(i % 16 == 0)
			sched_yield();
		s->count = was + 1;
		OK(pthread_mutex_unlock(&s->m));
		OK(pthread_spin_lock(&s->spin));
		s->spun++;
		OK(pthread_spin_unlock(&s->spin));
		if(i % 8 == me % 8) {
			OK(pthread_rwlock_wrlock(&s->rw));
			s->x++;
			sched_yield();
			s->y++;
		} else {
			OK(pthread_rwlock_rdlock(&s->rw));
			EQ(s->x, s->y);
		}
		OK(pthread_rwlock_unlock(&s->rw));
		while(sem_wait(&s->sem) != 0)
			;
		CHECK(++s->inside <= 3);
		s->inside--;
		EQ(sem_post(&s->sem), 0);
	}
	for(int i = 0; i < 10; i++) {
		int rc = pthread_barrier_wait(&s->bar);

		if(rc == PTHREAD_BARRIER_SERIAL_THREAD)
			s->serial++;
		else
			OK(rc);
	}
	/* In turn, across processes. */
	for(int lap = 0; lap < 5; lap++) {
		OK(pthread_mutex_lock(&s->m));
		while(s->turn != lap * all + me) {
			ts = deadline(CLOCK_REALTIME, 20 * SEC);
			OK(pthread_cond_timedwait(&s->c, &s->m, &ts));
		}
		s->turn++;
		OK(pthread_cond_broadcast(&s->c));
		OK(pthread_mutex_unlock(&s->m));
	}
	return NULL;
}

static void
child(void)
{
	pthread_t t[THREADS];

	for(intptr_t i = 0; i < THREADS; i++)
		t[i] = spawn(work, (void *)i);
	for(int i = 0; i < THREADS; i++)
		join(t[i]);
	_exit(10 + proc);
}

static void
setup(void)
{
	sharedmutex(&s->m);
	sharedrobust(&s->robust);
	sharedcond(&s->c);
	sharedbarrier(&s->bar, PROCS * THREADS);
	sharedrwlock(&s->rw);
	OK(pthread_spin_init(&s->spin, PTHREAD_PROCESS_SHARED));
	EQ(sem_init(&s->sem, 1, 3), 0);
}

static void *
nothing(void *arg)
{
	return arg;
}

/* A process that dies with the robust mutex: the other is told. */
static void
ownerdies(void)
{
	pid_t pid = fork();
	int st;

	CHECK(pid >= 0);
	if(pid == 0) {
		OK(pthread_mutex_lock(&s->robust));
		_exit(0);
	}
	EQ(waitpid(pid, &st, 0), pid);
	EQ(pthread_mutex_lock(&s->robust), EOWNERDEAD);
	OK(pthread_mutex_consistent(&s->robust));
	OK(pthread_mutex_unlock(&s->robust));
	OK(pthread_mutex_lock(&s->robust));
	OK(pthread_mutex_unlock(&s->robust));
}

int
main(void)
{
	pid_t pid[PROCS];
	int st;

	loops = scale(200);
	s = sharedmem(sizeof *s);
	for(int round = 0; round < 2; round++) {
		/* In the second round the forking process has had threads itself. */
		memset(s, 0, sizeof *s);
		setup();
		for(proc = 0; proc < PROCS; proc++) {
			pid[proc] = fork();
			CHECK(pid[proc] >= 0);
			if(pid[proc] == 0)
				child();
		}
		for(int i = 0; i < PROCS; i++) {
			EQ(waitpid(pid[i], &st, 0), pid[i]);
			CHECK(WIFEXITED(st));
			EQ(WEXITSTATUS(st), 10 + i);
		}
		EQ(s->count, (long)PROCS * THREADS * loops);
		EQ(s->spun, s->count);
		EQ(s->x, s->y);
		EQ(s->serial, 10);
		EQ(s->turn, 5 * PROCS * THREADS);
		ownerdies();
		join(spawn(nothing, NULL));
	}
	puts("ok");
	return 0;
}
