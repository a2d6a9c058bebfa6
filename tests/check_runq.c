/* SPDX-License-Identifier: MIT */
/* The run queues of runq.c: order, overflow, stealing; a stress of owner and thieves. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "runtime.h"
#include "suite.h"

enum { NG = 4096 };

static struct g gs[NG];
static struct p *pp, *thief;
static bool inherit;

static struct p *
newp(int id)
{
	struct p *p = aligned_alloc(CACHELINE, sizeof *p);

	*p = (struct p){.id = id, .status = Pidle, .runqcap = RUNQSIZE}; /* idle: a thief need not wait for runnext */
	return p;
}

static void
setup(void)
{
	sched = (struct sched){0};
	gomaxprocs = 2;
	pp = newp(0);
	thief = newp(1);
	for(int i = 0; i < NG; i++)
		gs[i] = (struct g){.goid = (uint64_t)i + 1};
}

static void
teardown(void)
{
	free(pp);
	free(thief);
}

START_TEST(test_fifo_order)
{
	for(int i = 0; i < 100; i++)
		runqput(pp, &gs[i], false);
	for(int i = 0; i < 100; i++){
		ck_assert_ptr_eq(runqget(pp, &inherit), &gs[i]);
		ck_assert(!inherit);
	}
	ck_assert_ptr_null(runqget(pp, &inherit));
	ck_assert(runqempty(pp));
}
END_TEST

START_TEST(test_runnext_first_and_kicks)
{
	runqput(pp, &gs[0], false);
	runqput(pp, &gs[1], true);
	runqput(pp, &gs[2], true); /* kicks gs[1] to the tail */
	ck_assert_uint_eq(runqlen(pp), 3);
	ck_assert_ptr_eq(runqget(pp, &inherit), &gs[2]);
	ck_assert(inherit);
	ck_assert_ptr_eq(runqget(pp, &inherit), &gs[0]);
	ck_assert(!inherit);
	ck_assert_ptr_eq(runqget(pp, &inherit), &gs[1]);
}
END_TEST

START_TEST(test_runnext_does_not_starve_ring)
{
	int i;

	runqput(pp, &gs[0], false);
	for(i = 0; i < 1000; i++){
		runqput(pp, &gs[1], true);
		if(runqget(pp, &inherit) == &gs[0])
			break;
	}
	ck_assert_int_lt(i, 100);
}
END_TEST

START_TEST(test_overflow_goes_global)
{
	bool seen[NG] = {false};
	int n = 0;
	struct g *gp;

	for(int i = 0; i < 1000; i++)
		runqput(pp, &gs[i], false);
	ck_assert_uint_le(runqlen(pp), RUNQSIZE);
	ck_assert_uint_eq(runqlen(pp) + sched.runq.l.n, 1000);
	while((gp = runqget(pp, &inherit)) != NULL || (gp = globrunqget(pp, 0)) != NULL){
		ck_assert(!seen[gp - gs]);
		seen[gp - gs] = true;
		n++;
	}
	ck_assert_int_eq(n, 1000);
}
END_TEST

START_TEST(test_batch_keeps_order)
{
	struct glist l = {0};

	for(int i = 0; i < 300; i++)
		glistpush(&l, &gs[i]);
	runqputbatch(pp, &l);
	ck_assert_uint_eq(sched.runq.l.n, 300 - RUNQSIZE);
	for(int i = 0; i < RUNQSIZE; i++)
		ck_assert_ptr_eq(runqget(pp, &inherit), &gs[i]);
}
END_TEST

START_TEST(test_global_share)
{
	for(int i = 0; i < 10; i++)
		globrunqput(&gs[i]);
	ck_assert_ptr_eq(globrunqget(pp, 0), &gs[0]); /* 10/2+1 = 6: one returned, five queued */
	ck_assert_uint_eq(runqlen(pp), 5);
	ck_assert_ptr_eq(globrunqget(pp, 1), &gs[6]);
	ck_assert_uint_eq(runqlen(pp), 5);
}
END_TEST

START_TEST(test_steal_takes_half)
{
	for(int i = 0; i < 100; i++)
		runqput(pp, &gs[i], false);
	ck_assert_ptr_eq(runqsteal(thief, pp, false), &gs[49]);
	ck_assert_uint_eq(runqlen(thief), 49);
	ck_assert_uint_eq(runqlen(pp), 50);
	ck_assert_ptr_eq(runqget(thief, &inherit), &gs[0]);
}
END_TEST

START_TEST(test_steal_runnext_last)
{
	runqput(pp, &gs[0], true);
	ck_assert_ptr_null(runqsteal(thief, pp, false));
	ck_assert_ptr_eq(runqsteal(thief, pp, true), &gs[0]);
	ck_assert(runqempty(pp));
}
END_TEST

/* Every G that the owner puts comes out exactly once, at the owner, at a thief or in the global queue. */
static uint32_t taken[NG];
static uint32_t stop;

static void *
stealer(void *arg)
{
	struct p *me = arg;
	struct g *gp;
	bool in;

	while(!load_acquire(&stop) || !runqempty(pp)){
		if((gp = runqsteal(me, pp, true)) == NULL)
			continue;
		do
			add_fetch(&taken[gp - gs], 1);
		while((gp = runqget(me, &in)) != NULL);
	}
	return NULL;
}

START_TEST(test_stress_owner_and_thieves)
{
	enum { THIEVES = 3, ROUNDS = 200 };
	struct p *tp[THIEVES];
	pthread_t t[THIEVES];
	struct g *gp;

	for(int i = 0; i < THIEVES; i++){
		tp[i] = newp(i + 1);
		pthread_create(&t[i], NULL, stealer, tp[i]);
	}
	for(int r = 0; r < ROUNDS; r++)
		for(int i = 0; i < NG; i++){
			/* a G may be put again only when it has come out */
			while(load_acquire(&taken[i]) != (uint32_t)r)
				if((gp = runqget(pp, &inherit)) != NULL)
					add_fetch(&taken[gp - gs], 1);
				else{
					lock(&sched.lock);
					gp = gqget(&sched.runq);
					unlock(&sched.lock);
					if(gp != NULL)
						add_fetch(&taken[gp - gs], 1);
				}
			runqput(pp, &gs[i], i % 3 == 0);
			if(i % 5 == 0 && (gp = runqget(pp, &inherit)) != NULL)
				add_fetch(&taken[gp - gs], 1);
		}
	while((gp = runqget(pp, &inherit)) != NULL)
		add_fetch(&taken[gp - gs], 1);
	store_release(&stop, 1);
	for(int i = 0; i < THIEVES; i++){
		pthread_join(t[i], NULL);
		free(tp[i]);
	}
	while((gp = gqget(&sched.runq)) != NULL)
		taken[gp - gs]++;
	for(int i = 0; i < NG; i++)
		ck_assert_uint_eq(taken[i], ROUNDS);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("runq");
	TCase *tc = tcase_create("local");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_fifo_order);
	tcase_add_test(tc, test_runnext_first_and_kicks);
	tcase_add_test(tc, test_runnext_does_not_starve_ring);
	tcase_add_test(tc, test_overflow_goes_global);
	tcase_add_test(tc, test_batch_keeps_order);
	tcase_add_test(tc, test_global_share);
	suite_add_tcase(s, tc);
	tc = tcase_create("steal");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_steal_takes_half);
	tcase_add_test(tc, test_steal_runnext_last);
	tcase_add_test(tc, test_stress_owner_and_thieves);
	suite_add_tcase(s, tc);
	return runsuite(s);
}
