/* SPDX-License-Identifier: MIT */
/*
 * Threads count under a mutex, as fast as they can; now and then one sleeps in a call of the kernel's that nobody but
 * it knows of, or computes for long, also with the mutex locked. A thread of libc's own (SIGEV_THREAD) comes to the same
 * mutex when they have been at it for a while. No count is lost, and nobody is in twice.
 */
#include "foreign.h"

enum { THREADS = 4, ROUNDS = 40, BURST = 20000, TICKS = 100 };

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static long count;              /* m */
static _Atomic long total;
static _Atomic int inside, ticks;

static void
nap(long ns)
{
	struct timespec ts = {.tv_nsec = ns};
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(SYS_nanosleep), "D"(&ts), "S"(NULL) : "rcx", "r11", "memory");
}

static void
compute(int n)
{
	for(volatile int i = 0; i < n; i++)
		continue;
}

static void
enter(void)
{
	EQ(inside++, 0);
	count++;
	total++;
}

static void
once(int pause)
{
	OK(pthread_mutex_lock(&m));
	enter();
	if(pause == 1)
		nap(12000000);
	if(pause == 2)
		compute(1000000);
	EQ(--inside, 0);
	OK(pthread_mutex_unlock(&m));
}

static void *
counter(void *arg)
{
	for(int i = 0; i < ROUNDS; i++){
		for(int k = 0; k < BURST; k++)
			once(0);
		once(i % 20 == (int)(intptr_t)arg * 4 ? 1 : i % 10 == 3 ? 2 : 0);
		if(i % 2 == 0)
			nap(12000000);
		if(pthread_mutex_trylock(&m) == 0){
			enter();
			EQ(--inside, 0);
			OK(pthread_mutex_unlock(&m));
		}else{
			once(0);
		}
	}
	return NULL;
}

/* On a thread of libc's. */
static void
tick(union sigval v)
{
	(void)v;
	if(ticks >= TICKS)
		return;
	for(int i = 0; i < 100; i++)
		once(0);
	ticks++;
}

int
main(void)
{
	pthread_t t[THREADS];
	timer_t timer;

	for(long i = 0; i < THREADS; i++)
		OK(pthread_create(&t[i], NULL, counter, (void *)i));
	timer = foreignthreads(tick, 30 * MS, 1 * MS);
	for(int i = 0; i < THREADS; i++)
		OK(pthread_join(t[i], NULL));
	while(ticks < TICKS)
		nap(1000000);
	EQ(timer_delete(timer), 0);
	OK(pthread_mutex_lock(&m));
	EQ(count, total);
	CHECK(count >= (long)THREADS * ROUNDS * (BURST + 2) + TICKS * 100L);
	OK(pthread_mutex_unlock(&m));
	puts("ok");
	return 0;
}
