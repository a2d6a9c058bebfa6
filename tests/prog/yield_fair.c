/* SPDX-License-Identifier: MIT */
/* sched_yield lets every other runnable thread run: threads that only yield all get on, and none runs away. */
#include "prog.h"

#define N 20

static _Atomic long turns[N];
static _Atomic int stop, started;

static void *
work(void *arg)
{
	started++;
	while(started < N)
		sched_yield();
	while(!stop) {
		turns[(intptr_t)arg]++;
		sched_yield();
	}
	return NULL;
}

int
main(void)
{
	pthread_t t[N];
	long least;

	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	for(int64_t t0 = nowns();;) {
		least = turns[0];
		for(int i = 1; i < N; i++)
			if(turns[i] < least)
				least = turns[i];
		if(least >= 500)
			break;
		CHECK(nowns() - t0 < 20 * SEC);
		sched_yield();	/* main too must come round */
	}
	stop = 1;
	for(int i = 0; i < N; i++)
		join(t[i]);
	puts("ok");
	return 0;
}
