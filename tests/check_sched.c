/* SPDX-License-Identifier: MIT */
/*
 * The scheduler itself, without the libc face: Gs made by hand that park, wake, yield,
 * sleep, block and compute. Each test runs in a process of its own (Check forks) and
 * starts the runtime there with as many Ps as it wants.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gs.h"
#include "suite.h"

static const int procsof[] = {1, 2, 4, 16};

static void *
yielder(void *arg)
{
	uint32_t *n = arg;

	for(int i = 0; i < 1000; i++){
		add_fetch(n, 1);
		yield();
	}
	return NULL;
}

START_TEST(test_yield_many)
{
	uint32_t n = 0;

	start(procsof[_i]);
	for(int i = 0; i < 200; i++)
		spawn(yielder, &n);
	waitall();
	ck_assert_uint_eq(n, 200000);
}
END_TEST

/* Two Gs hand a token to and fro with park and wake: a lost wake-up is a hang. */
struct pair {
	struct mutex l;
	struct g *waiter[2];
	uint64_t seq[2];
	int token[2];
};

static void
pairpass(struct pair *p, int me)
{
	struct g *gp = getg(), *to;
	uint64_t seq;

	rtenter(gp);
	lock(&p->l);
	p->token[!me]++;
	to = p->waiter[!me];
	seq = p->seq[!me];
	p->waiter[!me] = NULL;
	unlock(&p->l);
	if(to != NULL)
		wake(to, seq, WAKE_READY);
	lock(&p->l);
	if(p->token[me] == 0){
		p->seq[me] = parkprep(gp);
		p->waiter[me] = gp;
		unlock(&p->l);
		ck_assert_int_eq(park(gp, Wfutex, p, NOTIME), WAKE_READY);
		lock(&p->l);
	}
	ck_assert_int_gt(p->token[me], 0);
	p->token[me]--;
	unlock(&p->l);
	rtexit(gp);
}

enum { PASSES = 3000 };

static void *
ping(void *arg)
{
	for(int i = 0; i < PASSES; i++)
		pairpass(arg, 0);
	return NULL;
}

static void *
pong(void *arg)
{
	for(int i = 0; i < PASSES; i++)
		pairpass(arg, 1);
	return NULL;
}

START_TEST(test_no_lost_wakeup)
{
	static struct pair pairs[50];

	start(procsof[_i]);
	for(size_t i = 0; i < nelem(pairs); i++){
		spawn(ping, &pairs[i]);
		spawn(pong, &pairs[i]);
	}
	waitall();
}
END_TEST

/* Sleeps end never early; a claim and a deadline race, and one wins. */
static void *
sleeper(void *arg)
{
	struct g *gp = getg();

	for(int i = 0; i < 20; i++){
		int64_t when = nanotime() + (int64_t)(((uintptr_t)arg * 37 + (uintptr_t)i * 101) % 2000) * USEC;

		rtenter(gp);
		sleepuntil(gp, when);
		rtexit(gp);
		ck_assert_int_ge(nanotime(), when);
	}
	return NULL;
}

START_TEST(test_sleep_never_early)
{
	start(procsof[_i]);
	for(uintptr_t i = 0; i < 200; i++)
		spawn(sleeper, (void *)i);
	waitall();
	ck_assert_int_eq(timesleepuntil(), 0);
}
END_TEST

struct racer {
	struct mutex l;
	struct g *gp;
	uint64_t seq;
	uint32_t claims, timeouts, done;
};

static void *
racewaiter(void *arg)
{
	struct racer *r = arg;
	struct g *gp = getg();

	for(int i = 0; i < 2000; i++){
		enum wakewhy why;

		rtenter(gp);
		lock(&r->l);
		r->seq = parkprep(gp);
		r->gp = gp;
		unlock(&r->l);
		why = park(gp, Wfutex, r, nanotime() + 20 * USEC);
		ck_assert(why == WAKE_READY || why == WAKE_TIMEOUT);
		lock(&r->l);
		/* a waker that won has taken the entry, and only then */
		ck_assert_int_eq(r->gp == NULL, why == WAKE_READY);
		r->gp = NULL;
		unlock(&r->l);
		rtexit(gp);
		r->timeouts += why == WAKE_TIMEOUT;
	}
	store_release(&r->done, 1);
	return NULL;
}

static void *
racewaker(void *arg)
{
	struct racer *r = arg;
	struct g *gp = getg();

	while(!load_acquire(&r->done)){
		struct g *to = NULL;
		int c = 0;

		rtenter(gp);
		lock(&r->l);
		if(r->gp != NULL && (c = claim(r->gp, r->seq, WAKE_READY)) != 0){
			to = r->gp;
			r->gp = NULL;
			r->claims++;
		}
		unlock(&r->l);
		if(c == 2)
			ready(to);
		gosched();
		rtexit(gp);
	}
	return NULL;
}

START_TEST(test_deadline_races_with_wake)
{
	static struct racer rs[8];

	start(procsof[_i]);
	for(size_t i = 0; i < nelem(rs); i++){
		spawn(racewaiter, &rs[i]);
		spawn(racewaker, &rs[i]);
	}
	waitall();
	for(size_t i = 0; i < nelem(rs); i++)
		ck_assert_uint_eq(rs[i].claims + rs[i].timeouts, 2000);
}
END_TEST

/* A G in a blocking call must not keep the others from running, whichever way it is entered. */
static int fds[2];
static char how;

static void *
reader(void *arg)
{
	struct g *gp = getg();
	char c;

	rtenter(gp);
	if(how == 's')
		entersyscall(gp);
	else if(how == 'b')
		entersyscallblock(gp);
	else
		rtexit(gp); /* 'u': nobody knows of it */
	ck_assert_int_eq(rawsyscall(SYS_read, fds[0], &c, 1), 1);
	if(how == 's')
		exitsyscall(gp);
	else if(how == 'b')
		exitsyscallblock(gp);
	else
		rtenter(gp);
	rtexit(gp);
	return NULL;
}

static void *
writer(void *arg)
{
	ck_assert_int_eq(rawsyscall(SYS_write, fds[1], "x", 1), 1);
	return NULL;
}

static void
blocktest(char h, int procs)
{
	start(procs);
	how = h;
	ck_assert_int_eq(pipe(fds), 0);
	for(int i = 0; i < 40; i++){
		for(int k = 0; k <= i % 5; k++)
			spawn(reader, NULL);
		for(int k = 0; k <= i % 5; k++)
			spawn(writer, NULL);
		waitall();
	}
}

START_TEST(test_block_syscall)
{
	blocktest('s', procsof[_i]);
}
END_TEST

START_TEST(test_block_known)
{
	blocktest('b', procsof[_i]);
}
END_TEST

START_TEST(test_block_unknown)
{
	blocktest('u', procsof[_i]);
}
END_TEST

/* More blocking calls than kernel threads: they queue, and nobody dies. */
START_TEST(test_block_queue)
{
	enum { N = 300 };

	start(procsof[_i]);
	how = 'b';
	ck_assert_int_eq(pipe(fds), 0);
	sched.maxblocked = 20;
	for(int i = 0; i < N; i++)
		spawn(reader, NULL);
	for(int i = 0; i < 1000; i++)
		yield();
	ck_assert_int_le(sched.nblocked, 20);
	/* on a busy machine sysmon takes Ps from threads that do not get to run, and more Ms are made: still far from N */
	ck_assert_int_le(sched.mcount - sched.nmidle, 20 + 4 * (gomaxprocs + 8));
	for(int i = 0; i < N; i++)
		writer(NULL);
	waitall();
	ck_assert_int_eq(sched.nblocked, 0);
	ck_assert_int_eq(sched.nblockq, 0);
}
END_TEST

/* Locked for the call only, for good, and not at all. */
static void *
lockedreader(void *arg)
{
	struct g *gp = getg();
	int lasts = (int)(uintptr_t)arg % 3;

	rtenter(gp);
	if(lasts != 0)
		lockosthread(gp);
	rtexit(gp);
	reader(NULL);
	rtenter(gp);
	if(lasts == 1)
		unlockosthread(gp);
	rtexit(gp);
	return NULL;
}

/* The numbers that tell who may block are right whatever came between: each M is able or not, and counted so. */
START_TEST(test_block_locked)
{
	enum { N = 60 };
	int32_t able = 0;

	start(procsof[_i]);
	how = 'b';
	ck_assert_int_eq(pipe(fds), 0);
	for(int round = 0; round < 10; round++){
		sched.maxblocked = round % 2 ? 10 : 1000;
		for(uintptr_t i = 0; i < N; i++)
			spawn(lockedreader, (void *)i);
		for(int i = 0; i < 100; i++)
			yield();
		ck_assert_int_le(sched.nblocked, sched.maxblocked);
		for(int i = 0; i < N; i++)
			writer(NULL);
		waitall();
		ck_assert_int_eq(sched.nblocked, 0);
		ck_assert_int_eq(sched.nownblocked, 0);
		ck_assert_int_eq(sched.nblockq, 0);
	}
	lock(&sched.blocklock);
	for(struct m *mp = load_acquire(&allm); mp != NULL; mp = mp->alllink)
		able += mp->able;
	able -= sched.mable;
	unlock(&sched.blocklock);
	ck_assert_int_eq(able, 0);
}
END_TEST

/* A computing G loses its P: by hand-off here, as no signal handler is there to preempt it. */
static uint32_t hogstop;

static void *
hog(void *arg)
{
	while(!load_relaxed(&hogstop))
		cpurelax();
	return NULL;
}

static void *
stophog(void *arg)
{
	store_relaxed(&hogstop, 1);
	return NULL;
}

START_TEST(test_hog_is_passed)
{
	start(1);
	for(int i = 0; i < 5; i++){
		store_relaxed(&hogstop, 0);
		spawn(hog, NULL);
		spawn(hog, NULL);
		yield();
		spawn(stophog, NULL);
		waitall();
	}
}
END_TEST

/* A locked G stays on its kernel thread; others do not run there. */
static uint32_t strangers;
static int32_t lockedtid;

static void *
locked(void *arg)
{
	struct g *gp = getg();
	long tid;

	rtenter(gp);
	lockosthread(gp);
	rtexit(gp);
	tid = rawsyscall(SYS_gettid);
	store_release(&lockedtid, (int32_t)tid);
	for(int i = 0; i < 500; i++){
		yield();
		ck_assert_int_eq(rawsyscall(SYS_gettid), tid);
	}
	store_release(&lockedtid, 0);
	rtenter(gp);
	unlockosthread(gp);
	rtexit(gp);
	return NULL;
}

static void *
stranger(void *arg)
{
	for(int i = 0; i < 500; i++){
		struct g *gp = getg();

		rtenter(gp); /* no preemption between the two looks */
		if(load_acquire(&lockedtid) != 0 && gp->m->tid == load_acquire(&lockedtid))
			add_fetch(&strangers, 1);
		gosched();
		rtexit(gp);
	}
	return NULL;
}

START_TEST(test_locked)
{
	start(procsof[_i]);
	spawn(locked, NULL);
	for(int i = 0; i < 20; i++)
		spawn(stranger, NULL);
	waitall();
	ck_assert_uint_eq(strangers, 0);
}
END_TEST

static void *
nothing(void *arg)
{
	return NULL;
}

static void *
spawner(void *arg)
{
	for(int i = 0; i < 2000; i++){
		spawn(nothing, NULL);
		if(i % 16 == 0)
			yield();
	}
	return NULL;
}

START_TEST(test_spawn_exit_reuse)
{
	int n = 0;

	start(procsof[_i]);
	for(int i = 0; i < 10; i++)
		spawn(spawner, NULL);
	waitall();
	yield();
	for(struct g *gp = allgs; gp != NULL; gp = gp->alllink)
		n++;
	ck_assert_int_lt(n, 20000); /* far fewer than were spawned: they are reused */
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sched");
	TCase *tc = tcase_create("run");
	int n = (int)nelem(procsof);


	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_yield_many, 0, n);
	tcase_add_loop_test(tc, test_no_lost_wakeup, 0, n);
	tcase_add_loop_test(tc, test_sleep_never_early, 0, n);
	tcase_add_loop_test(tc, test_deadline_races_with_wake, 0, n);
	tcase_add_loop_test(tc, test_spawn_exit_reuse, 0, n);
	suite_add_tcase(s, tc);
	tc = tcase_create("block");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_block_syscall, 0, n);
	tcase_add_loop_test(tc, test_block_known, 0, n);
	tcase_add_loop_test(tc, test_block_unknown, 0, n);
	tcase_add_loop_test(tc, test_block_queue, 0, n);
	tcase_add_loop_test(tc, test_block_locked, 0, n);
	tcase_add_test(tc, test_hog_is_passed);
	tcase_add_loop_test(tc, test_locked, 0, n);
	suite_add_tcase(s, tc);
	return runsuite(s);
}
