/* SPDX-License-Identifier: MIT */
/*
 * Signals handled by threads that wait for each other: the handler runs while the thread waits, the wait goes on, and no
 * wake-up is lost. Handlers may leave a wait by siglongjmp.
 */
#include "prog.h"
#include <linux/futex.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>

enum { N = 8, ROUNDS = 200 };

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t bar;
static sem_t sem;
static uint32_t word;
static _Atomic long handled, posted;
static _Atomic int over;
static long rounds, entered, turn;

static void
onusr1(int sig)
{
	int e = errno;

	handled++;
	/* sem_post is one of the few calls that a handler may make. */
	if(sem_post(&sem) == 0)
		posted++;
	errno = e;
	(void)sig;
}

static void *
work(void *arg)
{
	long me = (intptr_t)arg;

	for(int i = 0; i < rounds; i++){
		OK(pthread_mutex_lock(&m));
		long was = entered;
		if(i % 8 == 0)
			sched_yield();
		entered = was + 1;
		while(turn % N != me)
			OK(pthread_cond_wait(&c, &m));
		turn++;
		OK(pthread_cond_broadcast(&c));
		OK(pthread_mutex_unlock(&m));

		if(i % 4 == me % 4){
			OK(pthread_rwlock_wrlock(&rw));
			sched_yield();
		}else{
			OK(pthread_rwlock_rdlock(&rw));
		}
		OK(pthread_rwlock_unlock(&rw));

		int rc = pthread_barrier_wait(&bar);
		if(rc == PTHREAD_BARRIER_SERIAL_THREAD){
			__atomic_store_n(&word, i + 1, __ATOMIC_SEQ_CST);
			syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, N, NULL, NULL, 0);
		}else{
			OK(rc);
			while(__atomic_load_n(&word, __ATOMIC_SEQ_CST) == (uint32_t)i)
				if(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, i, NULL, NULL, 0) != 0)
					CHECK(errno == EAGAIN || errno == EINTR);
		}
		rc = pthread_barrier_wait(&bar); /* the word is not changed before all have seen it */
		CHECK(rc == 0 || rc == PTHREAD_BARRIER_SERIAL_THREAD);
	}
	return arg;
}

static void *
pester(void *arg)
{
	pthread_t *t = arg;
	uint64_t seed = 42;

	while(!over){
		OK(pthread_kill(t[rnd(&seed) % N], SIGUSR1));
		if(rnd(&seed) % 4 == 0)
			sched_yield();
		else
			usleep(rnd(&seed) % 200);
	}
	return NULL;
}

/* ---- leaving a wait by siglongjmp ---- */

static __thread sigjmp_buf back;
static _Atomic int waiting;

static void
onusr2(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void *
jumper(void *arg)
{
	sem_t never;

	EQ(sem_init(&never, 0, 0), 0);
	if(sigsetjmp(back, 1) == 0){
		waiting = 1;
		switch((intptr_t)arg){
		case 0:
			pthread_mutex_lock(&held);
			break;
		case 1:
			while(sem_wait(&never) != 0)
				;
			break;
		case 2:
			syscall(SYS_futex, &waiting, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
			break;
		}
		CHECK(!"came back");
	}
	/* What it has left is as if it had never come. */
	EQ(pthread_mutex_trylock(&held), EBUSY);
	EQ(sem_post(&never), 0);
	EQ(sem_trywait(&never), 0);
	return NULL;
}

int
main(void)
{
	struct sigaction sa = {.sa_handler = onusr1};
	pthread_t t[N], p;
	int val;

	rounds = scale(ROUNDS);
	sa.sa_flags = SA_RESTART;
	OK(sigaction(SIGUSR1, &sa, NULL));
	sa.sa_handler = onusr2;
	OK(sigaction(SIGUSR2, &sa, NULL));
	EQ(sem_init(&sem, 0, 0), 0);
	OK(pthread_barrier_init(&bar, NULL, N));
	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	p = spawn(pester, t);
	for(int i = 0; i < N; i++)
		OK(pthread_kill(t[i], 0)); /* none has ended: they are joined later */
	while(1){
		OK(pthread_mutex_lock(&m));
		long now = turn;
		OK(pthread_mutex_unlock(&m));
		if(now >= N * rounds)
			break;
		usleep(500);
	}
	over = 1;
	join(p);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(entered, N * rounds);
	EQ(turn, N * rounds);
	OK(pthread_barrier_destroy(&bar));
	CHECK(handled > 0);
	OK(sem_getvalue(&sem, &val));
	EQ(val, posted);

	OK(pthread_mutex_lock(&held));
	for(intptr_t k = 0; k < 3; k++){
		waiting = 0;
		t[0] = spawn(jumper, (void *)k);
		while(!waiting)
			sched_yield();
		msleep(5); /* now it waits, most likely; the outcome is the same if not */
		OK(pthread_kill(t[0], SIGUSR2));
		join(t[0]);
	}
	OK(pthread_mutex_unlock(&held));
	OK(pthread_mutex_destroy(&held));
	puts("ok");
	return 0;
}
