/* SPDX-License-Identifier: MIT */
/* Spin locks: exclusion even when the holder yields, sleeps or is preempted, with more threads than processors. */
#include "prog.h"

#define N 12

static pthread_spinlock_t s;
static long count;
static int loops;

static void *
work(void *arg)
{
	for(int i = 0; i < loops; i++) {
		if(i % 3 == 0)
			while(pthread_spin_trylock(&s) == EBUSY)
				;
		else
			OK(pthread_spin_lock(&s));
		long was = count;
		if(i % 50 == 0 && (intptr_t)arg % 4 == 0)
			sched_yield();
		if(i == 77)
			usleep(200);
		count = was + 1;
		OK(pthread_spin_unlock(&s));
	}
	return NULL;
}

int
main(void)
{
	pthread_t t[N];

	loops = scale(400);
	OK(pthread_spin_init(&s, PTHREAD_PROCESS_PRIVATE));
	OK(pthread_spin_lock(&s));
	EQ(pthread_spin_trylock(&s), EBUSY);
	OK(pthread_spin_unlock(&s));
	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(count, (long)N * loops);
	OK(pthread_spin_destroy(&s));
	puts("ok");
	return 0;
}
