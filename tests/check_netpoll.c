/* SPDX-License-Identifier: MIT */
/*
 * The netpoller and those who wait: edges and batons, many waiters, time-outs, closing, numbers
 * that are used again behind its back. Each test starts a runtime of its own.
 */
#include <poll.h>
#include <stdlib.h>

#include "gs.h"
#include "pollpipe.h"
#include "suite.h"

static const int procsof[] = {1, 2, 4, 16};

static uint32_t got;     /* atomic: bytes or tokens read */
static uint32_t ended;   /* atomic: readers that ended */
static uint32_t closed;  /* atomic: of these by WAKE_CLOSE */

/* A blocking read of one byte, as the wrappers make it. r, 0 at the end, -1 closed, -2 time-out. */
static int
readbyte(int fd, int64_t deadline)
{
	struct g *gp = getg();
	struct polldesc *pd;
	uint32_t seq;
	char b;
	long r;
	int w;

	rtenter(gp);
	pd = pollget(fd);
	for(;;){
		seq = pollseq(pd, POLLMODE_R);
		if((r = rawsyscall(SYS_read, fd, &b, 1)) != -EAGAIN)
			break;
		w = pollblock(gp, pd, POLLMODE_R, seq, Wread, deadline);
		if(w == WAKE_CLOSE || w == WAKE_TIMEOUT){
			r = w == WAKE_CLOSE ? -1 : -2;
			polldrop(gp); /* does not go on with the description */
			break;
		}
		if(w != POLL_RETRY)
			ck_abort_msg("pollblock: %d", w);
	}
	pollpass(pd, POLLMODE_R);
	rtexit(gp);
	return (int)r;
}

static void
waitfor(uint32_t *n, uint32_t v)
{
	while(load_acquire(n) < v)
		yield();
}

/* Until n Gs are on queues. */
static void
waitparked(int n)
{
	while(netpollnwaiters() < n)
		yield();
}

/*
 * All waits are counted off, in the end: a netpoll that took a waiter off its queue just when its time was up counts
 * it after that waiter may have gone its way.
 */
static void
waitnone(void)
{
	while(netpollnwaiters() != 0)
		yield();
}

/* ---- edges ---- */

static void *
reader(void *arg)
{
	int r;

	while((r = readbyte(fds[0], NOTIME)) > 0)
		add_fetch(&got, 1);
	if(r == -1)
		add_fetch(&closed, 1);
	add_fetch(&ended, 1);
	return NULL;
}

/* One byte a time, each by one of many readers: each edge has to wake somebody. */
START_TEST(test_each_byte_wakes)
{
	enum { READERS = 20, BYTES = 2000 };

	start(procsof[_i]);
	openpipe();
	for(int i = 0; i < READERS; i++)
		spawn(reader, NULL);
	for(uint32_t i = 1; i <= BYTES; i++){
		ck_assert_int_eq(write(fds[1], "x", 1), 1);
		waitfor(&got, i);
	}
	close(fds[1]);
	waitall();
	ck_assert_uint_eq(got, BYTES);
	ck_assert_uint_eq(ended, READERS);
	waitnone();
}
END_TEST

static void *
readone(void *arg)
{
	ck_assert_int_eq(readbyte(fds[0], NOTIME), 1);
	add_fetch(&got, 1);
	return NULL;
}

static uint32_t known, go; /* atomic */
static int64_t waitedlast;

/* As if sysmon had found that it kept others waiting. */
static void *
hog(void *arg)
{
	store_relaxed(&getg()->m->p->hog, getg());
	store_release(&known, 1);
	while(!load_acquire(&go))
		yield();
	waitedlast = netpollnwaiters();
	return arg;
}

/* Whoever an event has made runnable goes before a G that is known to compute. */
START_TEST(test_events_before_hog)
{
	start(1);
	openpipe();
	spawn(readone, NULL);
	waitparked(1);
	spawn(hog, NULL);
	waitfor(&known, 1);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	store_release(&go, 1);
	waitall();
	ck_assert_int_eq(waitedlast, 0);
	waitnone();
}
END_TEST

/* Many bytes in one edge: the baton has to reach every reader. */
START_TEST(test_baton)
{
	enum { READERS = 500 };
	char b[READERS] = {0};

	start(procsof[_i]);
	openpipe();
	for(int round = 0; round < 10; round++){
		for(int i = 0; i < READERS; i++)
			spawn(readone, NULL);
		waitparked(READERS);
		ck_assert_int_eq(write(fds[1], b, READERS), READERS);
		waitall();
	}
	ck_assert_uint_eq(got, 10 * READERS);
	waitnone();
}
END_TEST

static void *
producer(void *arg)
{
	for(int i = 0; i < 3000; i++){
		ck_assert_int_eq(write(fds[1], "xy", 1 + i % 2), 1 + i % 2);
		if(i % 7 == 0)
			yield();
	}
	return NULL;
}

/* Nothing waits for anything: edges come at every moment of a read. */
START_TEST(test_edges_race)
{
	enum { READERS = 8 };

	start(procsof[_i]);
	openpipe();
	ck_assert_int_gt(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20), 0);
	for(int i = 0; i < READERS; i++)
		spawn(reader, NULL);
	for(int i = 0; i < 4; i++)
		spawn(producer, NULL);
	waitfor(&got, 4 * 4500);
	close(fds[1]);
	waitall();
	ck_assert_uint_eq(got, 4 * 4500);
}
END_TEST

static void *
impatient(void *arg)
{
	for(int i = 0; i < 300; i++){
		int r = readbyte(fds[0], nanotime() + (int64_t)(rand() % 200) * USEC);

		if(r == 0)
			break; /* the end, before this one has tried often enough */
		if(r == 1)
			add_fetch(&got, 1);
		else
			ck_assert_int_eq(r, -2);
	}
	return NULL;
}

/* Waits whose time is up must not swallow an edge that was for another. */
START_TEST(test_timeouts_race)
{
	enum { BYTES = 400 };

	start(procsof[_i]);
	openpipe();
	spawn(reader, NULL);
	for(int i = 0; i < 10; i++)
		spawn(impatient, NULL);
	for(uint32_t i = 1; i <= BYTES; i++){
		ck_assert_int_eq(write(fds[1], "x", 1), 1);
		waitfor(&got, i);
	}
	close(fds[1]);
	waitall();
	ck_assert_uint_eq(got, BYTES);
	waitnone();
}
END_TEST

START_TEST(test_timeout_in_the_past)
{
	start(1);
	openpipe();
	ck_assert_int_eq(readbyte(fds[0], 1), -2);
	ck_assert_int_eq(readbyte(fds[0], nanotime() + 2 * MSEC), -2);
	waitnone();
}
END_TEST

/* ---- closing ---- */

START_TEST(test_close_wakes_all)
{
	struct polldesc *pd;
	struct g *gp;
	uint32_t use;

	start(procsof[_i]);
	gp = getg();
	for(uint32_t round = 1; round <= 20; round++){
		openpipe();
		for(int i = 0; i < 30; i++)
			spawn(reader, NULL);
		waitparked(30);
		rtenter(gp);
		pd = pollget(fds[0]);
		use = pollclosing(pd);
		rawsyscall(SYS_close, fds[0]);
		pollclosed(pd, use);
		rtexit(gp);
		waitall();
		ck_assert_uint_eq(closed, 30 * round);
		close(fds[1]);
	}
	waitnone();
}
END_TEST

/* Closed and made anew without a word to the netpoller: nothing that is kept may be believed. */
START_TEST(test_reuse_behind_our_back)
{
	int n;

	start(procsof[_i]);
	openpipe();
	fetch_and(&pollget(fds[0])->flags, ~(uint32_t)PD_OWN);
	n = fds[0];
	for(uint32_t i = 1; i <= 50; i++){
		spawn(readone, NULL);
		waitparked(1);
		ck_assert_int_eq(write(fds[1], "x", 1), 1);
		waitall();
		ck_assert_uint_eq(got, i);
		close(fds[0]);
		close(fds[1]);
		ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
		ck_assert_int_eq(fds[0], n);
	}
}
END_TEST

/* The program may close our descriptor where we do not see it. */
START_TEST(test_instance_closed)
{
	int own[2];

	start(procsof[_i]);
	openpipe();
	for(uint32_t i = 1; i <= 5; i++){
		spawn(readone, NULL);
		waitparked(1);
		netpollfds(own);
		rawsyscall(SYS_close, own[0]);
		rawsyscall(SYS_close, own[1]);
		netpollbreak(); /* one that sleeps in the old instance need not notice */
		ck_assert_int_eq(write(fds[1], "x", 1), 1);
		waitall();
		ck_assert_uint_eq(got, i);
	}
}
END_TEST

/* A dup keeps the description and its registration alive: close has to end that. */
START_TEST(test_close_of_a_dup)
{
	struct polldesc *pd;
	uint32_t use, rseq;
	struct g *gp;
	int d;

	start(1);
	gp = getg();
	openpipe();
	d = dup(fds[0]);
	pd = pollget(d);
	pollreset(pd, Knowait, 0);
	ck_assert_int_eq(readbyte(d, nanotime() + MSEC), -2);
	rtenter(gp);
	use = pollclosing(pd);
	close(d);
	pollclosed(pd, use);
	rtexit(gp);
	rseq = pd->rseq;
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	for(int i = 0; i < 10; i++){
		usleep(1000);
		rtenter(gp);
		netpoll(0);
		rtexit(gp);
	}
	ck_assert_uint_eq(pd->rseq, rseq);
	ck_assert_int_eq(readbyte(fds[0], NOTIME), 1);
}
END_TEST

/* ---- many descriptors at once ---- */

enum { NPIPES = 40 };
static int many[NPIPES][2];

static void *
pollall(void *arg)
{
	struct g *gp = getg();
	struct pollwait w[NPIPES];
	struct pollfd p[NPIPES];
	int n;

	rtenter(gp);
	for(;;){
		for(int i = 0; i < NPIPES; i++){
			p[i] = (struct pollfd){many[i][0], POLLIN, 0};
			w[i].pd = pollget(many[i][0]);
			w[i].events = POLLIN;
			w[i].rseq = pollseq(w[i].pd, POLLMODE_R);
			w[i].wseq = pollseq(w[i].pd, POLLMODE_W);
		}
		if((n = (int)rawsyscall(SYS_poll, p, NPIPES, 0)) > 0)
			break;
		ck_assert_int_eq(pollmany(gp, w, NPIPES, Wpoll, NULL, NOTIME), POLL_RETRY);
	}
	rtexit(gp);
	add_fetch(&got, 1);
	return NULL;
}

START_TEST(test_pollmany)
{
	char b;

	start(procsof[_i]);
	for(int i = 0; i < NPIPES; i++)
		ck_assert_int_eq(pipe2(many[i], O_NONBLOCK), 0);
	for(uint32_t round = 0; round < 200; round++){
		int k = rand() % NPIPES;

		/* waiters in poll are all woken */
		for(int i = 0; i < 5; i++)
			spawn(pollall, NULL);
		if(round % 2 == 0)
			waitparked(5 * NPIPES);
		ck_assert_int_eq(write(many[k][1], "x", 1), 1);
		waitall();
		ck_assert_uint_eq(got, 5 * (round + 1));
		ck_assert_int_eq(read(many[k][0], &b, 1), 1);
	}
	waitnone();
}
END_TEST

START_TEST(test_files_are_plain)
{
	struct g *gp;
	struct polldesc *pd;
	int fd, r;

	start(1);
	gp = getg();
	fd = open("/proc/self/exe", O_RDONLY);
	ck_assert_int_ge(fd, 0);
	rtenter(gp);
	pd = pollget(fd);
	r = pollblock(gp, pd, POLLMODE_R, pollseq(pd, POLLMODE_R), Wread, NOTIME);
	rtexit(gp);
	ck_assert_int_eq(r, POLL_PLAIN);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("netpoll");
	TCase *t = tcase_create("edges");
	int k = nelem(procsof);

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_each_byte_wakes, 0, k);
	tcase_add_loop_test(t, test_baton, 0, k);
	tcase_add_test(t, test_events_before_hog);
	tcase_add_loop_test(t, test_edges_race, 0, k);
	tcase_add_loop_test(t, test_timeouts_race, 0, k);
	tcase_add_test(t, test_timeout_in_the_past);
	suite_add_tcase(s, t);
	t = tcase_create("close");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_close_wakes_all, 0, k);
	tcase_add_loop_test(t, test_reuse_behind_our_back, 0, k);
	tcase_add_loop_test(t, test_instance_closed, 0, k);
	tcase_add_test(t, test_close_of_a_dup);
	suite_add_tcase(s, t);
	t = tcase_create("many");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_pollmany, 0, k);
	tcase_add_test(t, test_files_are_plain);
	suite_add_tcase(s, t);
	return runsuite(s);
}
