/* SPDX-License-Identifier: MIT */
/* Thread-specific data: values per thread, destructors in up to four rounds, keys deleted and made anew. */
#include "prog.h"
#include <limits.h>

#define N 50

static pthread_key_t plain, again, chain1, chain2, nodtor;
static _Atomic int nplain, nagain, nchain1, nchain2;

static void
dplain(void *v)
{
	CHECK(pthread_getspecific(plain) == NULL);	/* cleared before the call */
	CHECK(*(pthread_t *)v == pthread_self());
	free(v);
	nplain++;
}

/* Sets itself again for ever: the library gives up after PTHREAD_DESTRUCTOR_ITERATIONS. */
static void
dagain(void *v)
{
	nagain++;
	OK(pthread_setspecific(again, v));
}

static void
dchain2(void *v)
{
	CHECK(v == (void *)2);
	nchain2++;
}

static void
dchain1(void *v)
{
	CHECK(v == (void *)1);
	nchain1++;
	OK(pthread_setspecific(chain2, (void *)2));
}

static void *
work(void *arg)
{
	intptr_t i = (intptr_t)arg;
	pthread_t *me = malloc(sizeof *me);

	CHECK(pthread_getspecific(plain) == NULL);
	CHECK(pthread_getspecific(nodtor) == NULL);
	*me = pthread_self();
	OK(pthread_setspecific(plain, me));
	OK(pthread_setspecific(nodtor, (void *)(i + 1)));
	OK(pthread_setspecific(chain1, (void *)1));
	if(i == 0)
		OK(pthread_setspecific(again, me));
	for(int k = 0; k < 50; k++) {
		sched_yield();
		CHECK(pthread_getspecific(plain) == me);
		CHECK(pthread_getspecific(nodtor) == (void *)(i + 1));
	}
	if(i % 2)
		pthread_exit(NULL);
	return NULL;
}

static void *
isnull(void *key)
{
	CHECK(pthread_getspecific(*(pthread_key_t *)key) == NULL);
	return NULL;
}

static void
never(void *v)
{
	CHECK(v == NULL && "destructor of a deleted key");
}

static pthread_barrier_t bar;
static pthread_key_t gone;

static void *
keepdeleted(void *arg)
{
	OK(pthread_setspecific(gone, arg));
	pthread_barrier_wait(&bar);
	pthread_barrier_wait(&bar);
	return NULL;
}

int
main(void)
{
	pthread_t t[N];
	pthread_key_t k, keys[PTHREAD_KEYS_MAX + 1];
	int n, rc;

	OK(pthread_key_create(&plain, dplain));
	OK(pthread_key_create(&again, dagain));
	OK(pthread_key_create(&chain1, dchain1));
	OK(pthread_key_create(&chain2, dchain2));
	OK(pthread_key_create(&nodtor, NULL));
	for(int round = 0; round < 3; round++) {
		for(intptr_t i = 0; i < N; i++)
			t[i] = spawn(work, (void *)i);
		for(int i = 0; i < N; i++)
			join(t[i]);
		EQ(nplain, N * (round + 1));
		EQ(nchain1, N * (round + 1));
		EQ(nchain2, N * (round + 1));
		EQ(nagain, PTHREAD_DESTRUCTOR_ITERATIONS * (round + 1));
	}

	/* A key that is deleted while threads have values: no destructor; the next key starts at NULL. */
	OK(pthread_barrier_init(&bar, NULL, 2));
	OK(pthread_key_create(&gone, never));
	t[0] = spawn(keepdeleted, &bar);
	pthread_barrier_wait(&bar);
	OK(pthread_key_delete(gone));
	EQ(pthread_key_delete(gone), EINVAL);
	EQ(pthread_setspecific(gone, &k), EINVAL);
	OK(pthread_key_create(&k, NULL));
	CHECK(pthread_getspecific(k) == NULL);
	pthread_barrier_wait(&bar);
	join(t[0]);
	join(spawn(isnull, &k));
	OK(pthread_key_delete(k));

	/* All the keys there are. */
	for(n = 0; n <= PTHREAD_KEYS_MAX; n++)
		if((rc = pthread_key_create(&keys[n], NULL)) != 0)
			break;
	EQ(rc, EAGAIN);
	CHECK(n >= PTHREAD_KEYS_MAX - 16);
	for(int i = 0; i < n; i++)
		OK(pthread_setspecific(keys[i], &keys[i]));
	join(spawn(isnull, &keys[n - 1]));
	for(int i = 0; i < n; i++) {
		CHECK(pthread_getspecific(keys[i]) == &keys[i]);
		OK(pthread_key_delete(keys[i]));
	}
	EQ(pthread_key_delete(PTHREAD_KEYS_MAX), EINVAL);
	puts("ok");
	return 0;
}
