/* SPDX-License-Identifier: MIT */
/* Ends that race with joins, time-outs of joins, tries and detaches: each result is seen once, none is lost, none hangs. */
#include "prog.h"

#define N 12

static _Atomic long ended, joined;

static void *
work(void *arg)
{
	intptr_t i = (intptr_t)arg;

	for(volatile int k = 0; k < i * 37 % 2000; k++)
		;
	if(i % 5 == 0)
		sched_yield();
	if(i % 11 == 0)
		usleep(i % 60);
	ended++;
	if(i % 2)
		pthread_exit((void *)(i + 1));
	return (void *)(i + 1);
}

static void *
joiner(void *arg)
{
	uint64_t seed = (intptr_t)arg + 1;
	int n = scale(400);

	for(int k = 0; k < n; k++) {
		intptr_t i = rnd(&seed) % 10000;
		pthread_t t = spawn(work, (void *)i);
		struct timespec ts;
		void *r = NULL;

		for(volatile int d = 0; d < (int)(rnd(&seed) % 2000); d++)
			;
		switch(rnd(&seed) % 4) {
		case 0:
			OK(pthread_join(t, &r));
			break;
		case 1:
			while(pthread_tryjoin_np(t, &r) == EBUSY)
				sched_yield();
			break;
		case 2:
			do
				ts = deadline(CLOCK_MONOTONIC, rnd(&seed) % 50000);
			while(pthread_clockjoin_np(t, &r, CLOCK_MONOTONIC, &ts) == ETIMEDOUT);
			break;
		case 3:
			OK(pthread_detach(t));
			joined++;
			continue;
		}
		CHECK(r == (void *)(i + 1));
		joined++;
	}
	return NULL;
}

int
main(void)
{
	pthread_t t[N];

	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(joiner, (void *)i);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(joined, (long)N * scale(400));
	while(ended < joined)
		sched_yield();
	puts("ok");
	return 0;
}
