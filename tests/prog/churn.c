/* SPDX-License-Identifier: MIT */
/* Threads that come and go: alone, in batches, as trees, with data in malloc, TLS and keys; memory stays flat. */
#include "prog.h"

static pthread_key_t key;
static __thread char big[1000];
static _Atomic long freed;

static void
drop(void *p)
{
	free(p);
	freed++;
}

static void *
leaf(void *arg)
{
	char *p = malloc(100 + (intptr_t)arg % 1000);

	for(size_t i = 0; i < sizeof big; i += 100)
		EQ(big[i], 0);
	memset(big, 1, sizeof big);
	OK(pthread_setspecific(key, p));
	return arg;
}

static void *
tree(void *arg)
{
	intptr_t depth = (intptr_t)arg;
	pthread_t l, r;

	if(depth == 0)
		return (void *)1;
	l = spawn(tree, (void *)(depth - 1));
	r = spawn(tree, (void *)(depth - 1));
	return (void *)((intptr_t)join(l) + (intptr_t)join(r));
}

int
main(void)
{
	int n = scale(6000);
	pthread_t t[100];
	long rss = 0;

	OK(pthread_key_create(&key, drop));
	for(intptr_t i = 0; i < n; i++) {
		CHECK(join(spawn(leaf, (void *)i)) == (void *)i);
		if(i == n / 4)
			rss = rsskb();
	}
	EQ(freed, n);
	CHECK(rsskb() < rss + 2048);
	freed = 0;
	for(int k = 0; k < n / 100; k++) {
		for(intptr_t i = 0; i < 100; i++)
			t[i] = spawn(leaf, (void *)i);
		for(intptr_t i = 99; i >= 0; i--)
			CHECK(join(t[i]) == (void *)i);
		if(k == n / 400)
			rss = rsskb();
	}
	EQ(freed, n);
	CHECK(rsskb() < rss + 8192);
	for(int k = 0; k < 5; k++)
		EQ((intptr_t)tree((void *)7), 128);
	puts("ok");
	return 0;
}
