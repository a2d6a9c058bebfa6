/* SPDX-License-Identifier: MIT */
/* Deep recursion within the stack asked for, in many threads at once and with switches at the bottom. */
#include "prog.h"

static long
deep(long n, long id)
{
	volatile char frame[400];

	memset((char *)frame, id, sizeof frame);
	if(n == 0) {
		for(int i = 0; i < 3; i++)
			sched_yield();
		usleep(100);
		return 0;
	}
	long r = deep(n - 1, id) + 1;
	for(size_t i = 0; i < sizeof frame; i += 50)
		EQ(frame[i], (char)id);
	return r;
}

static void *
work(void *arg)
{
	intptr_t id = (intptr_t)arg;

	EQ(deep(1000, id), 1000);
	EQ(deep(14000, id), 14000);	/* about 7 of 8 MiB */
	EQ(deep(10, id), 10);
	return NULL;
}

int
main(void)
{
	pthread_attr_t a;
	pthread_t t[10];

	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, 8 << 20));
	for(int round = 0; round < 2; round++) {
		for(intptr_t i = 0; i < 10; i++)
			OK(pthread_create(&t[i], &a, work, (void *)(i + 1)));
		EQ(deep(8000, 99), 8000);	/* main's own */
		for(int i = 0; i < 10; i++)
			join(t[i]);
	}
	puts("ok");
	return 0;
}
