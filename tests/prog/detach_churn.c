/* SPDX-License-Identifier: MIT */
/* Detached threads, by attribute, by others and by themselves; each runs once, memory stays flat. */
#include "prog.h"
#include <semaphore.h>

static sem_t room;
static _Atomic int ran, sum;

static void *
work(void *arg)
{
	intptr_t i = (intptr_t)arg;

	if(i % 3 == 2)
		OK(pthread_detach(pthread_self()));
	sum += i % 7;
	ran++;
	sem_post(&room);
	return NULL;
}

int
main(void)
{
	int n = scale(6000), want = 0;
	long rss = 0;
	pthread_attr_t a;
	pthread_t t;

	sem_init(&room, 0, 50);
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED));
	for(int i = 0; i < n; i++) {
		while(sem_wait(&room) != 0)
			;
		want += i % 7;
		OK(pthread_create(&t, i % 3 == 0 ? &a : NULL, work, (void *)(intptr_t)i));
		if(i % 3 == 1)
			OK(pthread_detach(t));
		if(i == n / 2)
			rss = rsskb();
	}
	for(int i = 0; i < 50; i++)
		while(sem_wait(&room) != 0)
			;
	EQ(ran, n);
	EQ(sum, want);
	CHECK(rsskb() < rss + 4096);
	printf("ok\n");
	return 0;
}
