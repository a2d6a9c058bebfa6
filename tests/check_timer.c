/* SPDX-License-Identifier: MIT */
/* The timer heap of timer.c: firing order, deletion from any place, stale firings. */
#include <check.h>
#include <stdlib.h>

#include "runtime.h"

enum { N = 2000 };

static struct timer ts[N];
static int64_t fired[N];
static int nfired;
static struct m m0;
static struct p *pp;

static void
fire(void *arg, uint64_t seq)
{
	struct timer *t = arg;

	ck_assert_uint_eq(seq, t->seq);
	ck_assert_int_eq(t->idx, -1);
	fired[nfired++] = t->when;
}

static void
add(int i, int64_t when)
{
	ts[i] = (struct timer){.when = when, .f = fire, .arg = &ts[i], .seq = (uint64_t)i, .idx = -1};
	addtimer(&ts[i]);
}

static void
setup(void)
{
	sched = (struct sched){0};
	gomaxprocs = 1;
	allp[0] = pp = aligned_alloc(CACHELINE, sizeof *pp);
	*pp = (struct p){.id = 0};
	m0.p = pp;
	tls_m = &m0;
	nfired = 0;
	srand(1);
}

static void
teardown(void)
{
	tls_m = NULL;
	free(pp);
}

START_TEST(test_fires_in_order)
{
	bool ran = false;

	for(int i = 0; i < N; i++)
		add(i, 1 + rand() % 100000);
	ck_assert_int_eq(checktimers(pp, 100001, &ran), 0);
	ck_assert(ran);
	ck_assert_int_eq(nfired, N);
	for(int i = 1; i < N; i++)
		ck_assert_int_le(fired[i - 1], fired[i]);
	ck_assert_int_eq(timesleepuntil(), 0);
}
END_TEST

START_TEST(test_fires_only_what_is_due)
{
	bool ran = false;

	add(0, 100);
	add(1, 200);
	ck_assert_int_eq(timesleepuntil(), 100);
	ck_assert_int_eq(checktimers(pp, 99, &ran), 100);
	ck_assert(!ran);
	ck_assert_int_eq(checktimers(pp, 100, &ran), 200);
	ck_assert(ran);
	ck_assert_int_eq(nfired, 1);
	ck_assert(!deltimer(&ts[0]));
	ck_assert(deltimer(&ts[1]));
	ck_assert_int_eq(timesleepuntil(), 0);
}
END_TEST

START_TEST(test_delete_anywhere)
{
	bool ran = false, gone[N] = {false};
	int left = N;

	for(int i = 0; i < N; i++)
		add(i, 1 + rand() % 1000);
	for(int k = 0; k < N / 2; k++){
		int i = rand() % N;

		ck_assert_int_eq(deltimer(&ts[i]), !gone[i]);
		left -= !gone[i];
		gone[i] = true;
		/* every parent is due no later than its children */
		for(uint32_t c = 1; k % 100 == 0 && c < pp->ntimers; c++)
			ck_assert_int_le(pp->timers[(c - 1) / 4]->when, pp->timers[c]->when);
	}
	checktimers(pp, 1001, &ran);
	ck_assert_int_eq(nfired, left);
	for(int i = 1; i < nfired; i++)
		ck_assert_int_le(fired[i - 1], fired[i]);
}
END_TEST

START_TEST(test_first_is_mirrored)
{
	add(0, 500);
	ck_assert_int_eq(timesleepuntil(), 500);
	add(1, 300);
	ck_assert_int_eq(timesleepuntil(), 300);
	add(2, 400);
	ck_assert_int_eq(timesleepuntil(), 300);
	deltimer(&ts[1]);
	ck_assert_int_eq(timesleepuntil(), 400);
	deltimer(&ts[0]);
	ck_assert_int_eq(timesleepuntil(), 400);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("timer");
	TCase *tc = tcase_create("heap");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_fires_in_order);
	tcase_add_test(tc, test_fires_only_what_is_due);
	tcase_add_test(tc, test_delete_anywhere);
	tcase_add_test(tc, test_first_is_mirrored);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
