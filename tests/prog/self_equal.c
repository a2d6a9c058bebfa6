/* SPDX-License-Identifier: MIT */
/* pthread_self is one's own wherever one runs, differs from all others, and equals what create gave. */
#include "prog.h"

#define N 64

static pthread_t ids[N], own[N];
static pthread_barrier_t bar;

static void *
work(void *arg)
{
	intptr_t i = (intptr_t)arg;

	own[i] = pthread_self();
	pthread_barrier_wait(&bar);
	for(int k = 0; k < 500; k++) {
		CHECK(pthread_equal(pthread_self(), own[i]));
		if(k % 50 == 49)
			msleep(1);
		else
			sched_yield();
	}
	return NULL;
}

int
main(void)
{
	pthread_t me = pthread_self();

	OK(pthread_barrier_init(&bar, NULL, N + 1));
	for(intptr_t i = 0; i < N; i++)
		ids[i] = spawn(work, (void *)i);
	pthread_barrier_wait(&bar);
	for(int i = 0; i < N; i++) {
		CHECK(pthread_equal(ids[i], own[i]));
		CHECK(!pthread_equal(ids[i], me));
		for(int k = 0; k < i; k++)
			CHECK(!pthread_equal(ids[i], ids[k]));
	}
	for(int i = 0; i < N; i++)
		join(ids[i]);
	CHECK(pthread_equal(pthread_self(), me));
	puts("ok");
	return 0;
}
