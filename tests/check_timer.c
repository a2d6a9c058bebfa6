/* SPDX-License-Identifier: MIT */
/* The timer heap of timer.c: firing order, deletion from any place, stale firings. */
#include <check.h>
#include <stdlib.h>

#include "runtime.h"
#include "suite.h"

enum { N = 2000 };

static struct g gs[N];
static struct m m0;
static struct p *pp;

/* A G about to park, with its deadline on the heap: what fires claims it. */
static void
add(int i, int64_t when)
{
	gs[i] = (struct g){.timer = {.when = when, .idx = -1}};
	gs[i].timer.seq = parkprep(&gs[i]);
	addtimer(&gs[i].timer);
}

static bool
fired(int i)
{
	return (gs[i].wakeword & WSTATE) == Wclaimed && (gs[i].wakeword & WWHY) >> WWHYSHIFT == WAKE_TIMEOUT;
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
	srand(1);
}

static void
teardown(void)
{
	tls_m = NULL;
	free(pp);
}

/* Runs the clock up to end: at each step just those are fired that are due and were not deleted. */
static void
tick(int64_t end, const bool *gone)
{
	for(int64_t now = 1; now <= end; now++){
		bool ran = false;
		int wrong = 0;

		checktimers(pp, now, &ran);
		for(int i = 0; i < N; i++)
			wrong += fired(i) != (gs[i].timer.when <= now && !gone[i]);
		ck_assert_int_eq(wrong, 0); /* once a step: each assertion is a system call */
	}
	ck_assert_int_eq(timesleepuntil(), 0);
}

START_TEST(test_fires_in_order)
{
	bool gone[N] = {false};

	for(int i = 0; i < N; i++)
		add(i, 1 + rand() % 500);
	tick(500, gone);
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
	ck_assert(fired(0) && !fired(1));
	ck_assert(!deltimer(&gs[0].timer));
	ck_assert(deltimer(&gs[1].timer));
	ck_assert_int_eq(timesleepuntil(), 0);
}
END_TEST

/* A timer that fires for a wait that is over does nothing to the next one. */
START_TEST(test_stale)
{
	bool ran = false;
	enum wakewhy why;

	add(0, 100);
	ck_assert(parkabort(&gs[0], &why));
	parkprep(&gs[0]);
	checktimers(pp, 100, &ran);
	ck_assert(ran);
	ck_assert(!fired(0));
}
END_TEST

START_TEST(test_delete_anywhere)
{
	bool gone[N] = {false};

	for(int i = 0; i < N; i++)
		add(i, 1 + rand() % 500);
	for(int k = 0; k < N / 2; k++){
		int i = rand() % N;

		ck_assert_int_eq(deltimer(&gs[i].timer), !gone[i]);
		gone[i] = true;
		/* every parent is due no later than its children */
		for(uint32_t c = 1; k % 100 == 0 && c < pp->ntimers; c++)
			ck_assert_int_le(pp->timers[(c - 1) / 4]->when, pp->timers[c]->when);
	}
	tick(500, gone);
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
	deltimer(&gs[1].timer);
	ck_assert_int_eq(timesleepuntil(), 400);
	deltimer(&gs[0].timer);
	ck_assert_int_eq(timesleepuntil(), 400);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("timer");
	TCase *tc = tcase_create("heap");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_fires_in_order);
	tcase_add_test(tc, test_fires_only_what_is_due);
	tcase_add_test(tc, test_stale);
	tcase_add_test(tc, test_delete_anywhere);
	tcase_add_test(tc, test_first_is_mirrored);
	suite_add_tcase(s, tc);
	return runsuite(s);
}
