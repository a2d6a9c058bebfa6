/* SPDX-License-Identifier: MIT */
/* C11 threads.h: threads, mutexes, conditions, thread-specific storage, call_once, sleep and yield. */
#include "prog.h"
#include <threads.h>

#define N 20

static mtx_t plain, rec, timed;
static cnd_t c;
static tss_t key;
static once_flag flag = ONCE_FLAG_INIT;
static int once_calls, count, turn;
static _Atomic int dtors;

static void
init(void)
{
	once_calls++;
	thrd_yield();
}

static void
dtor(void *v)
{
	CHECK(*(int *)v >= 0);
	free(v);
	dtors++;
}

static int
work(void *arg)
{
	int me = (intptr_t)arg, *p = malloc(sizeof *p);

	call_once(&flag, init);
	EQ(once_calls, 1);
	*p = me;
	CHECK(tss_get(key) == NULL);
	EQ(tss_set(key, p), thrd_success);
	for(int i = 0; i < 100; i++) {
		EQ(mtx_lock(&plain), thrd_success);
		int was = count;
		if(i % 10 == 0)
			thrd_yield();
		count = was + 1;
		EQ(mtx_unlock(&plain), thrd_success);
		CHECK(tss_get(key) == p);
	}
	for(int lap = 0; lap < 5; lap++) {
		EQ(mtx_lock(&plain), thrd_success);
		while(turn != lap * N + me)
			EQ(cnd_wait(&c, &plain), thrd_success);
		turn++;
		EQ(cnd_broadcast(&c), thrd_success);
		EQ(mtx_unlock(&plain), thrd_success);
	}
	if(me % 2)
		thrd_exit(me + 1000);
	return me + 1000;
}

static int
tryheld(void *arg)
{
	struct timespec ts;
	int64_t t0 = clockns(CLOCK_REALTIME);

	EQ(mtx_trylock(&rec), thrd_busy);
	EQ(mtx_trylock(&timed), thrd_busy);
	timespec_get(&ts, TIME_UTC);
	ts.tv_nsec += 20 * MS;
	if(ts.tv_nsec >= SEC) {
		ts.tv_nsec -= SEC;
		ts.tv_sec++;
	}
	EQ(mtx_timedlock(&timed, &ts), thrd_timedout);
	CHECK(clockns(CLOCK_REALTIME) - t0 >= 20 * MS);
	return (intptr_t)arg;
}

static int
ends(void *arg)
{
	thrd_detach(thrd_current());
	EQ(mtx_lock(arg), thrd_success);
	turn = -1;
	cnd_signal(&c);
	EQ(mtx_unlock(arg), thrd_success);
	return 0;
}

int
main(void)
{
	struct timespec ts, rem;
	thrd_t t[N], me = thrd_current();
	int64_t t0;
	int r;

	EQ(mtx_init(&plain, mtx_plain), thrd_success);
	EQ(mtx_init(&rec, mtx_plain | mtx_recursive), thrd_success);
	EQ(mtx_init(&timed, mtx_timed), thrd_success);
	EQ(cnd_init(&c), thrd_success);
	EQ(tss_create(&key, dtor), thrd_success);
	for(intptr_t i = 0; i < N; i++)
		EQ(thrd_create(&t[i], work, (void *)i), thrd_success);
	for(int i = 0; i < N; i++) {
		CHECK(!thrd_equal(t[i], me));
		EQ(thrd_join(t[i], &r), thrd_success);
		EQ(r, i + 1000);
	}
	EQ(count, 100 * N);
	EQ(turn, 5 * N);
	EQ(dtors, N);
	EQ(once_calls, 1);
	CHECK(thrd_equal(me, thrd_current()));

	for(int i = 0; i < 3; i++)
		EQ(mtx_lock(&rec), thrd_success);
	EQ(mtx_trylock(&rec), thrd_success);
	EQ(mtx_lock(&timed), thrd_success);
	EQ(mtx_trylock(&timed), thrd_busy);
	EQ(thrd_create(&t[0], tryheld, (void *)-5), thrd_success);
	EQ(thrd_join(t[0], &r), thrd_success);
	EQ(r, -5);
	for(int i = 0; i < 4; i++)
		EQ(mtx_unlock(&rec), thrd_success);
	EQ(mtx_unlock(&timed), thrd_success);

	EQ(mtx_lock(&plain), thrd_success);
	t0 = clockns(CLOCK_REALTIME);
	ts = deadline(CLOCK_REALTIME, 10 * MS);
	EQ(cnd_timedwait(&c, &plain, &ts), thrd_timedout);
	CHECK(clockns(CLOCK_REALTIME) - t0 >= 10 * MS);
	turn = 0;
	EQ(thrd_create(&t[0], ends, &plain), thrd_success);
	while(turn != -1) {
		ts = deadline(CLOCK_REALTIME, 20 * SEC);
		EQ(cnd_timedwait(&c, &plain, &ts), thrd_success);
	}
	EQ(mtx_unlock(&plain), thrd_success);

	t0 = nowns();
	ts.tv_sec = 0;
	ts.tv_nsec = 7 * MS;
	EQ(thrd_sleep(&ts, &rem), 0);
	CHECK(nowns() - t0 >= 7 * MS);
	ts.tv_nsec = -1;
	CHECK(thrd_sleep(&ts, &rem) < -1);
	tss_delete(key);
	cnd_destroy(&c);
	mtx_destroy(&plain);
	mtx_destroy(&rec);
	mtx_destroy(&timed);
	puts("ok");
	return 0;
}
