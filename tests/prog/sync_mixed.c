/* SPDX-License-Identifier: MIT */
/* Private condition variables with process-shared and robust mutexes, and the reverse. */
#include "prog.h"

enum { N = 6 };

static pthread_mutex_t m;
static pthread_cond_t c;
static int turn, laps;

static void *
work(void *arg)
{
	int me = (intptr_t)arg;
	struct timespec ts;

	OK(pthread_mutex_lock(&m));
	for(int i = 0; i < laps; i++){
		while(turn % N != me){
			if(me % 2){
				OK(pthread_cond_wait(&c, &m));
			}else{
				ts = deadline(CLOCK_REALTIME, 20 * SEC);
				OK(pthread_cond_timedwait(&c, &m, &ts));
			}
		}
		turn++;
		OK(pthread_cond_broadcast(&c));
	}
	OK(pthread_mutex_unlock(&m));
	return arg;
}

static void *
die(void *arg)
{
	OK(pthread_mutex_lock(&m));
	turn = -1;
	OK(pthread_cond_signal(&c));
	return arg;
}

static void
run(int mshared, int robust, int type, int cshared)
{
	pthread_mutexattr_t ma;
	pthread_condattr_t ca;
	pthread_t t[N];

	OK(pthread_mutexattr_init(&ma));
	OK(pthread_mutexattr_setpshared(&ma, mshared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE));
	OK(pthread_mutexattr_setrobust(&ma, robust ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED));
	OK(pthread_mutexattr_settype(&ma, type));
	OK(pthread_mutex_init(&m, &ma));
	OK(pthread_condattr_init(&ca));
	OK(pthread_condattr_setpshared(&ca, cshared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE));
	OK(pthread_cond_init(&c, &ca));
	turn = 0;
	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(turn, N * laps);
	if(robust){
		/* The owner dies after it has woken us: the wait ends with that news. */
		OK(pthread_mutex_lock(&m));
		t[0] = spawn(die, NULL);
		while(turn != -1){
			int rc = pthread_cond_wait(&c, &m);

			if(turn == -1)
				EQ(rc, EOWNERDEAD);
			else
				EQ(rc, 0);
		}
		OK(pthread_mutex_consistent(&m));
		OK(pthread_mutex_unlock(&m));
		join(t[0]);
	}
	OK(pthread_cond_destroy(&c));
	OK(pthread_mutex_destroy(&m));
}

int
main(void)
{
	static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_RECURSIVE};

	laps = scale(20);
	for(int k = 0; k < 8; k++)
		for(int i = 0; i < 3; i++)
			run(k & 1, k & 2, types[i], k & 4);
	puts("ok");
	return 0;
}
