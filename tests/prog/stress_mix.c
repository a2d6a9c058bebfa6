/* SPDX-License-Identifier: MIT */
/* Everything at once: locks, conditions, semaphores, rwlocks, barriers, sleeps, hogs, pipes and short threads in one process. */
#include "prog.h"
#include <semaphore.h>

#define N 32

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static sem_t s;
static long a, b, credit, counted;
static int fds[2];
static _Atomic long leaves;

static void *
leaf(void *arg)
{
	leaves++;
	return arg;
}

static void *
work(void *arg)
{
	uint64_t seed = (intptr_t)arg + 1;
	struct timespec ts;
	int n = scale(300);
	char ch = 'x';

	for(int i = 0; i < n; i++) {
		switch(rnd(&seed) % 10) {
		case 0:
			OK(pthread_mutex_lock(&m));
			credit++;
			OK(pthread_cond_signal(&c));
			OK(pthread_mutex_unlock(&m));
			break;
		case 1:
			ts = deadline(CLOCK_REALTIME, 100000);
			OK(pthread_mutex_lock(&m));
			while(credit == 0)
				if(pthread_cond_timedwait(&c, &m, &ts) == ETIMEDOUT)
					break;
			if(credit > 0)
				credit--;
			OK(pthread_mutex_unlock(&m));
			break;
		case 2:
			while(sem_wait(&s) != 0)
				;
			sched_yield();
			EQ(sem_post(&s), 0);
			break;
		case 3:
			OK(pthread_rwlock_wrlock(&rw));
			a++;
			sched_yield();
			b++;
			OK(pthread_rwlock_unlock(&rw));
			break;
		case 4:
			OK(pthread_rwlock_rdlock(&rw));
			EQ(a, b);
			OK(pthread_rwlock_unlock(&rw));
			break;
		case 5:
			usleep(rnd(&seed) % 100);
			break;
		case 6:
			for(volatile int k = 0; k < (int)(rnd(&seed) % 50000); k++)
				;
			break;
		case 7:
			CHECK(join(spawn(leaf, (void *)(intptr_t)i)) == (void *)(intptr_t)i);
			break;
		case 8:
			EQ(write(fds[1], &ch, 1), 1);
			EQ(read(fds[0], &ch, 1), 1);
			break;
		case 9:
			free(malloc(rnd(&seed) % 100000));
			break;
		}
		__atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

int
main(void)
{
	pthread_t t[N];

	sem_init(&s, 0, 2);
	EQ(pipe(fds), 0);
	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(counted, (long)N * scale(300));
	EQ(a, b);
	puts("ok");
	return 0;
}
