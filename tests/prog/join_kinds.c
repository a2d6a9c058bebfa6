/* SPDX-License-Identifier: MIT */
/* All the joins: results, time-outs that are never early, and the errors. */
#include "prog.h"
#include <semaphore.h>

static sem_t go, ready;

static void *
waitgo(void *arg)
{
	while(sem_wait(&go) != 0)
		;
	return arg;
}

static void *
joinself(void *arg UNUSED)
{
	EQ(pthread_join(pthread_self(), NULL), EDEADLK);
	return NULL;
}

static void *
leave(void *arg)
{
	pthread_exit(arg);
}

static void *
joiner(void *arg)
{
	void *r;

	sem_post(&ready);
	OK(pthread_join(*(pthread_t *)arg, &r));
	return r;
}

int
main(void)
{
	pthread_t t, t2;
	struct timespec ts;
	int64_t t0;
	void *r;
	int left;

	sem_init(&go, 0, 0);
	sem_init(&ready, 0, 0);

	/* The result, by return and by pthread_exit, joined early and late. */
	for(intptr_t i = 0; i < 100; i++) {
		t = spawn(i % 2 ? leave : waitgo, (void *)i);
		if(i % 4 < 2)
			msleep(i % 3);
		sem_post(&go);
		CHECK(join(t) == (void *)i);
		if(i % 2)
			while(sem_trywait(&go) == 0)
				;
	}

	/* tryjoin */
	t = spawn(waitgo, (void *)7);
	EQ(pthread_tryjoin_np(t, &r), EBUSY);
	sem_post(&go);
	while(pthread_tryjoin_np(t, &r) == EBUSY)
		sched_yield();
	CHECK(r == (void *)7);

	/* timedjoin: CLOCK_REALTIME */
	t = spawn(waitgo, (void *)8);
	t0 = clockns(CLOCK_REALTIME);
	ts = deadline(CLOCK_REALTIME, 50 * MS);
	EQ(pthread_timedjoin_np(t, &r, &ts), ETIMEDOUT);
	CHECK(clockns(CLOCK_REALTIME) - t0 >= 50 * MS);
	ts = deadline(CLOCK_REALTIME, -SEC);
	EQ(pthread_timedjoin_np(t, &r, &ts), ETIMEDOUT);
	sem_post(&go);
	ts = deadline(CLOCK_REALTIME, 20 * SEC);
	OK(pthread_timedjoin_np(t, &r, &ts));
	CHECK(r == (void *)8);

	/* clockjoin: both clocks */
	for(int k = 0; k < 2; k++) {
		clockid_t id = k ? CLOCK_MONOTONIC : CLOCK_REALTIME;

		t = spawn(waitgo, (void *)9);
		t0 = clockns(id);
		ts = deadline(id, 30 * MS);
		EQ(pthread_clockjoin_np(t, &r, id, &ts), ETIMEDOUT);
		CHECK(clockns(id) - t0 >= 30 * MS);
		EQ(pthread_clockjoin_np(t, &r, CLOCK_PROCESS_CPUTIME_ID, &ts), EINVAL);
		sem_post(&go);
		ts = deadline(id, 20 * SEC);
		OK(pthread_clockjoin_np(t, &r, id, &ts));
		CHECK(r == (void *)9);
	}
	t = spawn(waitgo, (void *)10);
	sem_post(&go);
	OK(pthread_timedjoin_np(t, &r, NULL));
	CHECK(r == (void *)10);

	/* Self, detached. */
	join(spawn(joinself, NULL));
	t = spawn(waitgo, NULL);
	OK(pthread_detach(t));
	EQ(pthread_join(t, NULL), EINVAL);
	EQ(pthread_tryjoin_np(t, NULL), EBUSY);	/* as it still runs */
	EQ(pthread_detach(t), EINVAL);
	sem_post(&go);
	do {			/* it must have it before the next one waits */
		sched_yield();
		sem_getvalue(&go, &left);
	} while(left != 0);

	/* Joined by another than its creator. (A second join at once is undefined: glibc does not notice it.) */
	t = spawn(waitgo, (void *)11);
	t2 = spawn(joiner, &t);
	while(sem_wait(&ready) != 0)
		;
	msleep(20);
	sem_post(&go);
	CHECK(join(t2) == (void *)11);
	puts("ok");
	return 0;
}
