/* SPDX-License-Identifier: MIT */
/* Read-write locks of each kind: who may enter beside whom, errors, timed ones, and who goes first when both wait. */
#include "prog.h"

static pthread_rwlock_t rw;
static _Atomic int stage, order[4], norder;

struct want {
	int tryrd, trywr;
};

static void *
look(void *arg)
{
	struct want *w = arg;
	int rc;

	rc = pthread_rwlock_tryrdlock(&rw);
	EQ(rc, w->tryrd);
	if(rc == 0)
		OK(pthread_rwlock_unlock(&rw));
	rc = pthread_rwlock_trywrlock(&rw);
	EQ(rc, w->trywr);
	if(rc == 0)
		OK(pthread_rwlock_unlock(&rw));
	return NULL;
}

static void
others(int tryrd, int trywr)
{
	struct want w = { tryrd, trywr };

	join(spawn(look, &w));
}

static void *
timed(void *arg)
{
	struct timespec ts;
	int64_t t0;

	for(int k = 0; k < 2; k++) {
		clockid_t id = k ? CLOCK_MONOTONIC : CLOCK_REALTIME;

		for(int wr = arg != NULL; wr < 2; wr++) {
			t0 = clockns(id);
			ts = deadline(id, 15 * MS);
			EQ(wr ? pthread_rwlock_clockwrlock(&rw, id, &ts) : pthread_rwlock_clockrdlock(&rw, id, &ts), ETIMEDOUT);
			CHECK(clockns(id) - t0 >= 15 * MS);
			ts = deadline(id, -SEC);
			EQ(wr ? pthread_rwlock_clockwrlock(&rw, id, &ts) : pthread_rwlock_clockrdlock(&rw, id, &ts), ETIMEDOUT);
			ts.tv_nsec = -1;
			EQ(wr ? pthread_rwlock_clockwrlock(&rw, id, &ts) : pthread_rwlock_clockrdlock(&rw, id, &ts), EINVAL);
			ts.tv_nsec = 1000000000;
			EQ(wr ? pthread_rwlock_clockwrlock(&rw, id, &ts) : pthread_rwlock_clockrdlock(&rw, id, &ts), EINVAL);
			ts = deadline(id, 15 * MS);
			EQ(wr ? pthread_rwlock_clockwrlock(&rw, CLOCK_PROCESS_CPUTIME_ID, &ts)
			    : pthread_rwlock_clockrdlock(&rw, CLOCK_PROCESS_CPUTIME_ID, &ts), EINVAL);
		}
		ts = deadline(CLOCK_REALTIME, 15 * MS);
		EQ(pthread_rwlock_timedwrlock(&rw, &ts), ETIMEDOUT);
	}
	return NULL;
}

static void *
writer(void *arg)
{
	stage = 1;
	OK(pthread_rwlock_wrlock(&rw));
	order[norder++] = 'w';
	OK(pthread_rwlock_unlock(&rw));
	return arg;
}

static void *
reader(void *arg)
{
	stage = 2;
	OK(pthread_rwlock_rdlock(&rw));
	order[norder++] = 'r';
	OK(pthread_rwlock_unlock(&rw));
	return arg;
}

/* main reads, a writer waits, then a reader comes: it overtakes the writer only if readers are preferred. */
static void
prefer(int kind)
{
	pthread_t w, r;

	norder = 0;
	stage = 0;
	OK(pthread_rwlock_rdlock(&rw));
	w = spawn(writer, NULL);
	while(stage != 1)
		sched_yield();
	msleep(30);
	EQ(pthread_rwlock_trywrlock(&rw), EBUSY);
	if(kind == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP)
		EQ(pthread_rwlock_tryrdlock(&rw), EBUSY);
	else {
		OK(pthread_rwlock_tryrdlock(&rw));
		OK(pthread_rwlock_unlock(&rw));
	}
	r = spawn(reader, NULL);
	while(stage != 2)
		sched_yield();
	msleep(30);
	EQ(norder, kind == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP ? 0 : 1);
	OK(pthread_rwlock_unlock(&rw));
	join(w);
	join(r);
	EQ(norder, 2);
	if(kind != PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP)
		EQ(order[0], 'r');
	else
		EQ(order[0], 'w');
}

int
main(void)
{
	static const int kinds[] = { PTHREAD_RWLOCK_PREFER_READER_NP, PTHREAD_RWLOCK_PREFER_WRITER_NP,
	    PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP };
	static pthread_rwlock_t st = PTHREAD_RWLOCK_INITIALIZER;
	static pthread_rwlock_t stw = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

	OK(pthread_rwlock_rdlock(&st));
	OK(pthread_rwlock_unlock(&st));
	OK(pthread_rwlock_wrlock(&stw));
	OK(pthread_rwlock_unlock(&stw));
	for(int k = 0; k < 3; k++) {
		pthread_rwlockattr_t a;
		int got;

		OK(pthread_rwlockattr_init(&a));
		OK(pthread_rwlockattr_setkind_np(&a, kinds[k]));
		OK(pthread_rwlockattr_getkind_np(&a, &got));
		EQ(got, kinds[k]);
		OK(pthread_rwlock_init(&rw, &a));
		OK(pthread_rwlockattr_destroy(&a));

		others(0, 0);
		OK(pthread_rwlock_rdlock(&rw));
		others(0, EBUSY);
		OK(pthread_rwlock_rdlock(&rw));	/* twice by one */
		others(0, EBUSY);
		OK(pthread_rwlock_unlock(&rw));
		others(0, EBUSY);
		join(spawn(timed, &rw));	/* writers only */
		OK(pthread_rwlock_unlock(&rw));
		OK(pthread_rwlock_wrlock(&rw));
		others(EBUSY, EBUSY);
		EQ(pthread_rwlock_wrlock(&rw), EDEADLK);
		EQ(pthread_rwlock_rdlock(&rw), EDEADLK);
		join(spawn(timed, NULL));
		OK(pthread_rwlock_unlock(&rw));
		others(0, 0);
		prefer(kinds[k]);
		others(0, 0);
		OK(pthread_rwlock_destroy(&rw));
	}
	puts("ok");
	return 0;
}
