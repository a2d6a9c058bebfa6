/* SPDX-License-Identifier: MIT */
/*
 * The netpoller where no G waits and no runtime runs: breaking it, its delays, its own descriptors, the table. Those who wait
 * are in check_netpoll.c.
 */
#include <check.h>
#include <pthread.h>
#include <sys/resource.h>

#include "pollpipe.h"
#include "suite.h"

/* ---- breaking it ---- */

static void *
breaker(void *arg)
{
	usleep(20000);
	netpollbreak();
	return NULL;
}

/* Breaks netpoll(delay) from another thread; it must return long before delay is over. */
static void
breaksoon(int64_t delay)
{
	pthread_t th;
	int64_t t = nanotime();

	ck_assert_int_eq(pthread_create(&th, NULL, breaker, NULL), 0);
	ck_assert_ptr_null(netpoll(delay).head);
	ck_assert_int_lt(nanotime() - t, 5 * NSEC);
	pthread_join(th, NULL);
}

static void
makeinstance(void)
{
	struct polldesc *pd;

	openpipe();
	pd = pollget(fds[0]);
	lock(&pd->lock);
	ck_assert_int_eq(netpollctl(pd, false), 0);
	unlock(&pd->lock);
	ck_assert(netpollinited());
}

START_TEST(test_break_without_instance)
{
	ck_assert(!netpollinited());
	breaksoon(100 * NSEC);
	breaksoon(-1);
	/* one that comes first is kept for the next blocking call */
	netpollbreak();
	netpollbreak();
	netpoll(0);
	netpoll(-1);
	breaksoon(-1);
}
END_TEST

START_TEST(test_break_of_epoll)
{
	makeinstance();
	netpoll(-1); /* making the instance is a break */
	breaksoon(100 * NSEC);
	breaksoon(-1);
	netpollbreak();
	netpollbreak();
	netpoll(0);
	netpoll(-1);
	breaksoon(-1);
}
END_TEST

static void *
maker(void *arg)
{
	usleep(20000);
	makeinstance();
	return NULL;
}

/* Who sleeps on the futex is moved to the instance once there is one. */
START_TEST(test_instance_made_meanwhile)
{
	pthread_t th;

	ck_assert_int_eq(pthread_create(&th, NULL, maker, NULL), 0);
	netpoll(-1);
	pthread_join(th, NULL);
	ck_assert(netpollinited());
	breaksoon(-1);
}
END_TEST

START_TEST(test_delay)
{
	static const int64_t delays[] = {50 * USEC, 300 * USEC, 3 * MSEC};

	for(int inst = 0; inst < 2; inst++){
		for(size_t i = 0; i < nelem(delays); i++){
			int64_t best = INT64_MAX;

			for(int k = 0; k < 20; k++){
				int64_t t = nanotime(), d;

				netpoll(delays[i]);
				d = nanotime() - t;
				ck_assert_int_ge(d, delays[i]);
				best = d < best ? d : best;
			}
			ck_assert_int_lt(best, delays[i] + 900 * USEC);
		}
		if(inst == 0){
			makeinstance();
			netpoll(-1);
		}
	}
}
END_TEST

/* The runtime's descriptors are out of the way, and close-on-exec. */
START_TEST(test_own_descriptors)
{
	int own[2], old;

	makeinstance();
	netpollfds(own);
	for(int i = 0; i < 2; i++){
		ck_assert_int_gt(own[i], 100);
		ck_assert(netpollowns(own[i]));
		ck_assert_int_eq(fcntl(own[i], F_GETFD), FD_CLOEXEC);
	}
	ck_assert(!netpollowns(-1));
	ck_assert(!netpollowns(fds[0]));
	netpoll(-1);
	for(int i = 0; i < 2; i++){
		old = own[i];
		netpollyield(old);
		ck_assert(!netpollowns(old));
		ck_assert_int_eq(dup2(fds[0], old), old);
		netpoll(-1); /* moving is a break */
		breaksoon(-1);
	}
}
END_TEST

START_TEST(test_low_limit)
{
	struct rlimit rl = {20, 20};
	int own[2];

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
	makeinstance();
	netpollfds(own);
	ck_assert_int_lt(own[1], 20);
	netpoll(-1);
	breaksoon(-1);
}
END_TEST

/* ---- the table ---- */

START_TEST(test_table)
{
	ck_assert_ptr_null(pollfind(5));
	ck_assert_ptr_nonnull(pollget(5));
	ck_assert_ptr_eq(pollfind(5), pollget(5));
	ck_assert_int_eq(pollget(5)->fd, 5);
	ck_assert_int_eq(pollget(1048575)->fd, 1048575);
	ck_assert_ptr_null(pollget(-1));
	ck_assert_ptr_null(pollget(INT32_MAX));
	ck_assert_ptr_null(pollfind(100000));
}
END_TEST

static void
countone(struct polldesc *pd, void *arg)
{
	int *n = arg;

	ck_assert_int_ge(pd->fd, 10);
	ck_assert_int_le(pd->fd, 2000);
	++*n;
}

START_TEST(test_range)
{
	static const int at[] = {9, 10, 700, 2000, 2001, 90000};
	int n = 0;

	for(size_t i = 0; i < nelem(at); i++)
		pollreset(pollget(at[i]), Ktcp, PD_OWN);
	pollrange(10, 2000, countone, &n);
	ck_assert_int_eq(n, 3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("netpollbreak");
	TCase *t = tcase_create("break");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_break_without_instance);
	tcase_add_test(t, test_break_of_epoll);
	tcase_add_test(t, test_instance_made_meanwhile);
	tcase_add_test(t, test_delay);
	tcase_add_test(t, test_own_descriptors);
	tcase_add_test(t, test_low_limit);
	suite_add_tcase(s, t);
	t = tcase_create("table");
	tcase_add_test(t, test_table);
	tcase_add_test(t, test_range);
	suite_add_tcase(s, t);
	return runsuite(s);
}
