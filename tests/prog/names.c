/* SPDX-License-Identifier: MIT */
/* pthread_setname_np and getname_np: one's own, another's, main's, too long, too small a buffer. */
#include "prog.h"

#define N 20

static pthread_barrier_t bar;

static void *
work(void *arg)
{
	intptr_t i = (intptr_t)arg;
	char name[16], want[16];

	OK(pthread_getname_np(pthread_self(), name, sizeof name));
	CHECK(strcmp(name, "creator") == 0);	/* inherited */
	snprintf(want, sizeof want, "worker-%d", (int)i);
	OK(pthread_setname_np(pthread_self(), want));
	for(int k = 0; k < 20; k++) {
		sched_yield();
		OK(pthread_getname_np(pthread_self(), name, sizeof name));
		CHECK(strcmp(name, want) == 0);
	}
	pthread_barrier_wait(&bar);	/* main reads it */
	pthread_barrier_wait(&bar);	/* main has set it */
	OK(pthread_getname_np(pthread_self(), name, sizeof name));
	snprintf(want, sizeof want, "by-main-%d", (int)i);
	CHECK(strcmp(name, want) == 0);
	return NULL;
}

int
main(void)
{
	pthread_t t[N];
	char name[16], want[16];

	OK(pthread_getname_np(pthread_self(), name, sizeof name));
	CHECK(strcmp(name, "names") == 0);
	OK(pthread_setname_np(pthread_self(), "creator"));
	OK(pthread_barrier_init(&bar, NULL, N + 1));
	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	pthread_barrier_wait(&bar);
	for(int i = 0; i < N; i++) {
		snprintf(want, sizeof want, "worker-%d", i);
		OK(pthread_getname_np(t[i], name, sizeof name));
		CHECK(strcmp(name, want) == 0);
		snprintf(want, sizeof want, "by-main-%d", i);
		OK(pthread_setname_np(t[i], want));
	}
	OK(pthread_getname_np(pthread_self(), name, sizeof name));
	CHECK(strcmp(name, "creator") == 0);
	pthread_barrier_wait(&bar);
	for(int i = 0; i < N; i++)
		join(t[i]);
	OK(pthread_setname_np(pthread_self(), "fifteen-chars--"));
	OK(pthread_getname_np(pthread_self(), name, sizeof name));
	CHECK(strcmp(name, "fifteen-chars--") == 0);
	EQ(pthread_setname_np(pthread_self(), "sixteen-chars---"), ERANGE);
	EQ(pthread_getname_np(pthread_self(), name, 3), ERANGE);
	puts("ok");
	return 0;
}
