/* SPDX-License-Identifier: MIT */
/*
 * Queues of waiters by address: Gs and threads that wait and wake. A lost wake-up is a hang, which Check's time limit ends.
 * The data structure has check_semaqueue.c.
 */
#include <stdlib.h>
#include <unistd.h>

#include "gs.h"
#include "sema.h"
#include "suite.h"

static const int procsof[] = {1, 2, 4, 16};

/* ---- a counting semaphore of the simplest kind, in a plain word under the bucket's lock ---- */

struct count {
	int tokens;
	uint32_t ends; /* atomic */
};

static uintptr_t
keyfor(void *p)
{
	return (uintptr_t)p;
}

static void
post(struct g *gp, struct count *c)
{
	struct glist list = {0};
	struct semaroot *root;
	struct semawait *w;

	rtenter(gp);
	root = semalock(keyfor(c));
	c->tokens++;
	while((w = semafirst(root, keyfor(c))) != NULL && !semawake(root, w, &list))
		;
	semaunlock(root);
	semaready(&list);
	rtexit(gp);
}

/* acquire takes a token, until a deadline (NOTIME: none). */
static bool
acquire(struct g *gp, struct count *c, int64_t deadline)
{
	struct semawait w;
	struct semaroot *root;
	enum wakewhy why = WAKE_READY;
	bool got = false;

	semawaitinit(&w, gp, keyfor(c));
	rtenter(gp);
	while(!got && why == WAKE_READY){
		root = semalock(w.key);
		if(c->tokens > 0){
			c->tokens--;
			got = true;
			semaunlock(root);
			break;
		}
		w.seq = parkprep(gp);
		semaenqueue(root, &w, false);
		semaunlock(root);
		why = park(gp, Wsem, c, deadline);
		if(why != WAKE_READY && (root = semacancel(&w)) != NULL)
			semaunlock(root);
		ck_assert_ptr_null(load_relaxed(&w.root));
	}
	rtexit(gp);
	return got;
}

enum { PAIRS = 40, PASSES = 1000 };
static struct count tickets[PAIRS][2];

static void *
passer(void *arg)
{
	struct count *mine = arg;
	size_t i = (size_t)(mine - &tickets[0][0]);
	struct g *gp = getg();

	for(int n = 0; n < PASSES; n++){
		ck_assert(acquire(gp, mine, NOTIME));
		post(gp, &tickets[i / 2][!(i % 2)]);
	}
	return NULL;
}

START_TEST(test_no_lost_wakeup)
{
	start(procsof[_i]);
	for(int i = 0; i < PAIRS; i++){
		tickets[i][0].tokens = 1;
		spawn(passer, &tickets[i][0]);
		spawn(passer, &tickets[i][1]);
	}
	waitall();
}
END_TEST

/* Deadlines race with posts: each token is taken once, and none stays while somebody waits. */
static struct count shared;
static uint32_t taken; /* atomic */

static void *
impatient(void *arg)
{
	struct g *gp = getg();
	unsigned seed = (unsigned)(uintptr_t)arg;

	for(int n = 0; n < 500; n++)
		if(acquire(gp, &shared, nanotime() + rand_r(&seed) % 50 * USEC))
			add_fetch(&taken, 1);
	add_fetch(&shared.ends, 1);
	return NULL;
}

static void *
poster(void *arg)
{
	struct g *gp = getg();

	for(int n = 0; n < 2000; n++){
		post(gp, &shared);
		if(n % 3 == 0)
			yield();
	}
	return arg;
}

START_TEST(test_deadlines_race_with_wakes)
{
	struct g *gp;

	start(procsof[_i]);
	gp = getg();
	for(uintptr_t i = 0; i < 20; i++)
		spawn(impatient, (void *)i);
	spawn(poster, NULL);
	spawn(poster, NULL);
	waitall();
	while(acquire(gp, &shared, 1))
		taken++;
	ck_assert_uint_eq(taken, 4000);
	ck_assert_ptr_null(semafirst(semarootof(keyfor(&shared)), keyfor(&shared)));
}
END_TEST

/* Entries are moved from one address to another while their owners give up waiting. */
static struct count addrs[8];
static uint32_t movers; /* atomic: waiters that are still at it */
static uint32_t wakes, woken; /* atomic */

static void *
moved(void *arg)
{
	struct g *gp = getg();
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct semaroot *root;
	struct semawait w;
	enum wakewhy why;

	for(int n = 0; n < 500; n++){
		semawaitinit(&w, gp, keyfor(&addrs[rand_r(&seed) % nelem(addrs)]));
		rtenter(gp);
		root = semalock(w.key);
		w.seq = parkprep(gp);
		semaenqueue(root, &w, false);
		semaunlock(root);
		why = park(gp, Wfutex, NULL, nanotime() + rand_r(&seed) % 100 * USEC);
		if(why == WAKE_READY)
			add_fetch(&woken, 1);
		else if((root = semacancel(&w)) != NULL)
			semaunlock(root);
		ck_assert_ptr_null(load_relaxed(&w.root));
		rtexit(gp);
	}
	add_fetch(&movers, -1);
	return NULL;
}

static void *
mover(void *arg)
{
	struct g *gp = getg();
	unsigned seed = (unsigned)(uintptr_t)arg;

	while(load_acquire(&movers) != 0){
		struct count *a = &addrs[rand_r(&seed) % nelem(addrs)], *b = &addrs[rand_r(&seed) % nelem(addrs)];
		struct semaroot *from = semarootof(keyfor(a)), *to = semarootof(keyfor(b));
		struct glist list = {0};
		struct semawait *w;

		rtenter(gp);
		semalock2(from, to);
		if((w = semafirst(from, keyfor(a))) != NULL)
			semarequeue(from, to, w, keyfor(b));
		if((w = semafirst(to, keyfor(b))) != NULL && rand_r(&seed) % 4 == 0 && semawake(to, w, &list))
			add_fetch(&wakes, 1);
		semaunlock2(from, to);
		semaready(&list);
		gosched();
		rtexit(gp);
	}
	return NULL;
}

START_TEST(test_requeue_races_with_cancel)
{
	start(procsof[_i]);
	movers = 20;
	for(uintptr_t i = 0; i < 20; i++)
		spawn(moved, (void *)i);
	spawn(mover, (void *)1);
	spawn(mover, (void *)2);
	waitall();
	ck_assert_uint_eq(wakes, woken);
	for(size_t i = 0; i < nelem(addrs); i++)
		ck_assert_ptr_null(semafirst(semarootof(keyfor(&addrs[i])), keyfor(&addrs[i])));
}
END_TEST

/* semaidle: a waker that changes a word and sees nobody has been seen by the waiter. */
static uint32_t word, gate; /* atomic */

static void *
wordwaiter(void *arg)
{
	struct g *gp = getg();
	struct semaroot *root;
	struct semawait w;
	enum wakewhy why;
	bool same;

	for(uint32_t n = 0; n < 3000; n++){
		store_release(&gate, n + 1);
		semawaitinit(&w, gp, keyfor(&word));
		rtenter(gp);
		root = semalock(w.key);
		w.seq = parkprep(gp);
		semaenqueue(root, &w, false);
		fence_seqcst();
		same = load_relaxed(&word) == n;
		if(!same){
			semadequeue(root, &w);
			ck_assert(parkabort(gp, &why));
		}
		semaunlock(root);
		if(same)
			ck_assert_int_eq(park(gp, Wfutex, &word, NOTIME), WAKE_READY);
		rtexit(gp);
	}
	return arg;
}

static void *
wordwaker(void *arg)
{
	struct g *gp = getg();

	for(uint32_t n = 0; n < 3000; n++){
		struct glist list = {0};
		struct semaroot *root;
		struct semawait *w;

		while(load_acquire(&gate) != n + 1)
			yield();
		store_relaxed(&word, n + 1);
		if(semaidle(keyfor(&word)))
			continue;
		rtenter(gp);
		root = semalock(keyfor(&word));
		if((w = semafirst(root, keyfor(&word))) != NULL)
			semawake(root, w, &list);
		semaunlock(root);
		semaready(&list);
		rtexit(gp);
	}
	return arg;
}

START_TEST(test_idle_is_not_wrong)
{
	start(procsof[_i]);
	spawn(wordwaiter, NULL);
	spawn(wordwaker, NULL);
	waitall();
}
END_TEST

/*
 * Threads that are no Gs come in while Gs use the buckets, which with one P do so without a lock until then: a
 * plain counter under a bucket's lock must not lose a count.
 */
static struct count turn[2];
static long plain;
static uint64_t bumps;  /* atomic: what plain must come to */
static uint32_t bumped; /* atomic: the thread has done its part */

static void
bump(struct g *gp)
{
	struct semaroot *root;

	rtenter(gp);
	root = semalock(keyfor(&plain));
	plain++;
	semaunlock(root);
	rtexit(gp);
}

static void *
bumper(void *arg)
{
	uint64_t n;

	for(n = 0; !load_acquire(&bumped); n++)
		bump(getg());
	add_fetch(&bumps, n);
	return arg;
}

static void *
foreign(void *arg)
{
	struct g *gp = getgforeign();

	ck_assert_ptr_nonnull(gp);
	for(int i = 0; i < 100000; i++)
		bump(gp);
	store_release(&bumped, 1);
	for(int n = 0; n < PASSES; n++){
		ck_assert(acquire(gp, &turn[0], NOTIME));
		post(gp, &turn[1]);
	}
	return arg;
}

static void *
answer(void *arg)
{
	for(int n = 0; n < PASSES; n++){
		post(getg(), &turn[0]);
		ck_assert(acquire(getg(), &turn[1], NOTIME));
	}
	return arg;
}

START_TEST(test_foreign_threads)
{
	start(procsof[_i]);
	for(int i = 0; i < 4; i++)
		spawn(bumper, NULL);
	spawn(answer, NULL);
	yield();
	ck_assert_int_eq(newthread(foreign, NULL, NULL, 256 << 10), 0);
	waitall();
	ck_assert_uint_eq(plain, bumps + 100000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sema");
	TCase *t = tcase_create("waiting");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_no_lost_wakeup, 0, nelem(procsof));
	tcase_add_loop_test(t, test_deadlines_race_with_wakes, 0, nelem(procsof));
	tcase_add_loop_test(t, test_requeue_races_with_cancel, 0, nelem(procsof));
	tcase_add_loop_test(t, test_idle_is_not_wrong, 0, nelem(procsof));
	tcase_add_loop_test(t, test_foreign_threads, 0, nelem(procsof));
	suite_add_tcase(s, t);
	return runsuite(s);
}
