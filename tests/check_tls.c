/* SPDX-License-Identifier: MIT */
/* The TCB and TLS of Gs: what libc finds there, what a recycled G starts with, and libc's list of threads. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gs.h"
#include "suite.h"

static const int procsof[] = {1, 4};

static __thread int initialised = 42;
static __thread int zero;
static __thread char large[1000];

static uint32_t bad; /* atomic */
#define EXPECT(cond)                                                        \
	do                                                                  \
		if(!(cond) && fetch_add(&bad, 1) < 10)                      \
			dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
	while(0)

/* A thread finds its TLS as new, and its own to the end. */
static void *
owntls(void *arg)
{
	int me = (int)(intptr_t)arg;
	void *p;

	EXPECT(initialised == 42);
	EXPECT(zero == 0);
	for(size_t i = 0; i < sizeof large; i++)
		EXPECT(large[i] == 0);
	for(int i = 0; i < 10; i++){
		initialised = me;
		zero = me;
		memset(large, me, sizeof large);
		errno = me;
		p = malloc((size_t)me % 2000 + 1);
		yield();
		EXPECT(initialised == me && zero == me && errno == me);
		EXPECT(large[0] == (char)me && large[sizeof large - 1] == (char)me);
		free(p);
	}
	return NULL;
}

START_TEST(test_tls_own_and_fresh)
{
	start(procsof[_i]);
	for(int round = 0; round < 50; round++){
		for(intptr_t i = 1; i <= 100; i++)
			spawn(owntls, (void *)(i + round));
		waitall();
	}
	ck_assert_uint_eq(bad, 0);
	ck_assert_int_eq(initialised, 42);
}
END_TEST

/* What libc's own functions find. */
static void *
asklibc(void *arg)
{
	pthread_key_t key = *(pthread_key_t *)arg;
	pthread_mutex_t m;
	pthread_mutexattr_t a;
	struct g *gp = getg();

	EXPECT((uintptr_t)pthread_self() == gp->fsbase);
	EXPECT(gfrompthread(pthread_self()) == gp);
	EXPECT(gfromtid(gp->tid) == gp);
	EXPECT(pthread_getspecific(key) == NULL);
	EXPECT(pthread_setspecific(key, gp) == 0);
	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&m, &a);
	EXPECT(pthread_mutex_lock(&m) == 0);
	EXPECT((uint32_t)m.__data.__owner == gp->tid);
	for(int i = 0; i < 10; i++){
		yield();
		EXPECT(pthread_getspecific(key) == gp);
		EXPECT(pthread_mutex_lock(&m) == 0);
	}
	EXPECT(pthread_setspecific(key, NULL) == 0);
	return NULL;
}

START_TEST(test_libc_agrees)
{
	pthread_key_t key;

	ck_assert_int_eq(pthread_key_create(&key, NULL), 0);
	start(procsof[_i]);
	for(int i = 0; i < 300; i++)
		spawn(asklibc, &key);
	waitall();
	ck_assert_uint_eq(bad, 0);
}
END_TEST

/* Ids: no two living threads have the same, and the next one in the same place has another. */
enum { NIDS = 500 };
static uint32_t ids[NIDS], goon;

static void *
noteid(void *arg)
{
	store_relaxed(&ids[(intptr_t)arg], getg()->tid);
	while(load_acquire(&goon) == 0)
		yield();
	return NULL;
}

static int
byvalue(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

START_TEST(test_tids_unique)
{
	uint32_t before[NIDS];

	start(procsof[_i]);
	memset(before, 0, sizeof before);
	for(int round = 0; round < 20; round++){
		goon = 0;
		for(intptr_t i = 0; i < NIDS; i++)
			spawn(noteid, (void *)i);
		for(int i = 0; i < NIDS; i++)
			while(load_acquire(&ids[i]) == before[i])
				yield();
		store_release(&goon, 1);
		waitall();
		memcpy(before, ids, sizeof before);
		qsort(ids, NIDS, sizeof ids[0], byvalue);
		for(int i = 0; i < NIDS; i++){
			ck_assert_uint_ge(ids[i], 0x20000000);
			ck_assert_uint_lt(ids[i], 0x40000000);
			ck_assert(i == 0 || ids[i] != ids[i - 1]);
		}
		memcpy(ids, before, sizeof before);
	}
}
END_TEST

/* ld.so's list of threads with stacks of their own: how many are ours, and is it sound? */
struct list {
	struct list *next, *prev;
};

static int
listed(void)
{
	uint32_t *d = sym("_thread_db_rtld_global__dl_stack_user");
	struct list *head = (struct list *)((char *)sym("_rtld_global") + d[2]);
	int n = 0;

	for(struct list *l = head->next; l != head; l = l->next, n++)
		ck_assert_ptr_eq(l->next->prev, l);
	return n;
}

static void *
nothing(void *arg)
{
	return arg;
}

START_TEST(test_list_of_threads)
{
	int base, n = 0;
	struct g *gp;

	start(procsof[_i]);
	base = listed();
	ck_assert_int_eq(base, 2); /* main and M0 */
	for(int round = 0; round < 5; round++){
		for(int i = 0; i < 100; i++)
			spawn(nothing, NULL);
		waitall();
	}
	/* dead ones stay listed, until their stacks go */
	rtenter(getg());
	for(;;){
		gp = gfget(stackmapsize(64 << 10, 4096));
		if(gp->stacksize == 0)
			break;
		n++;
		rtexit(getg());
		tlsfree(gp);
		stackfree(gp);
		rtenter(getg());
	}
	rtexit(getg());
	ck_assert_int_ge(n, 1);
	if(procsof[_i] == 1)
		ck_assert_int_eq(listed(), 2);
	else
		ck_assert_int_ge(listed(), 2); /* other Ps have some */
}
END_TEST

/* A G that loses its stack keeps what malloc has for it: no leak over many lives. */
static void *
allocates(void *arg)
{
	void *p[20];

	for(size_t i = 0; i < nelem(p); i++)
		p[i] = malloc(64 * (i + 1));
	for(size_t i = 0; i < nelem(p); i++)
		free(p[i]);
	return arg;
}

static long
rsspages(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size, rss;

	ck_assert_int_eq(fscanf(f, "%ld %ld", &size, &rss), 2);
	fclose(f);
	return rss;
}

START_TEST(test_no_leak_without_stack)
{
	struct g *gp, *me;
	long before = 0;

	start(1);
	me = getg();
	for(int i = 0; i < 20000; i++){
		spawn(allocates, NULL);
		waitall();
		rtenter(me);
		gp = gfget(stackmapsize(64 << 10, 4096));
		rtexit(me);
		ck_assert_uint_ne(gp->stacksize, 0);
		tlsfree(gp);
		stackfree(gp);
		rtenter(me);
		gfput(gp);
		rtexit(me);
		if(i == 1000)
			before = rsspages();
	}
	ck_assert_int_lt(rsspages() - before, 64);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls");
	TCase *tc = tcase_create("tls");
	int n = (int)nelem(procsof);

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_tls_own_and_fresh, 0, n);
	tcase_add_loop_test(tc, test_libc_agrees, 0, n);
	tcase_add_loop_test(tc, test_tids_unique, 0, n);
	tcase_add_loop_test(tc, test_list_of_threads, 0, n);
	tcase_add_test(tc, test_no_leak_without_stack);
	suite_add_tcase(s, tc);
	return runsuite(s);
}
