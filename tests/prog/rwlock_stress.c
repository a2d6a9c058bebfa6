/* SPDX-License-Identifier: MIT */
/* Readers see whole writes, writers are alone, and all get on, with waits that time out mixed in. */
#include "prog.h"

#define READERS 16
#define WRITERS 6

static pthread_rwlock_t rw;
static long a, b;
static _Atomic int readers, writers;
static _Atomic long writes, reads, timeouts;
static int loops;

static int
take(uint64_t r, int wr)
{
	struct timespec ts = deadline(CLOCK_MONOTONIC, r / 16 % 100000);

	switch(r % 4) {
	case 0:
		return wr ? pthread_rwlock_trywrlock(&rw) : pthread_rwlock_tryrdlock(&rw);
	case 1:
		return wr ? pthread_rwlock_clockwrlock(&rw, CLOCK_MONOTONIC, &ts)
		    : pthread_rwlock_clockrdlock(&rw, CLOCK_MONOTONIC, &ts);
	default:
		return wr ? pthread_rwlock_wrlock(&rw) : pthread_rwlock_rdlock(&rw);
	}
}

static void *
reader(void *arg)
{
	uint64_t seed = (intptr_t)arg + 1;

	for(int i = 0; i < loops; i++) {
		int rc = take(rnd(&seed), 0);

		if(rc == EBUSY || rc == ETIMEDOUT) {
			timeouts++;
			sched_yield();
			continue;
		}
		OK(rc);
		readers++;
		EQ(writers, 0);
		long x = a;
		if(i % 8 == 0)
			sched_yield();
		EQ(x, b);
		reads++;
		readers--;
		OK(pthread_rwlock_unlock(&rw));
	}
	return NULL;
}

static void *
writer(void *arg)
{
	uint64_t seed = (intptr_t)arg + 1000;

	for(int i = 0; i < loops; i++) {
		int rc = take(rnd(&seed), 1);

		if(rc == EBUSY || rc == ETIMEDOUT) {
			timeouts++;
			sched_yield();
			continue;
		}
		OK(rc);
		EQ(writers++, 0);
		EQ(readers, 0);
		a++;
		if(i % 8 == 0)
			sched_yield();
		b++;
		writes++;
		EQ(--writers, 0);
		OK(pthread_rwlock_unlock(&rw));
	}
	return NULL;
}

int
main(void)
{
	static const int kinds[] = { PTHREAD_RWLOCK_PREFER_READER_NP, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP };
	pthread_t t[READERS + WRITERS];

	loops = scale(1000);
	for(int k = 0; k < 2; k++) {
		pthread_rwlockattr_t at;

		a = b = 0;
		writes = reads = timeouts = 0;
		OK(pthread_rwlockattr_init(&at));
		OK(pthread_rwlockattr_setkind_np(&at, kinds[k]));
		OK(pthread_rwlock_init(&rw, &at));
		for(intptr_t i = 0; i < READERS + WRITERS; i++)
			t[i] = spawn(i < READERS ? reader : writer, (void *)i);
		for(int i = 0; i < READERS + WRITERS; i++)
			join(t[i]);
		EQ(a, writes);
		EQ(b, writes);
		EQ(reads + writes + timeouts, (long)loops * (READERS + WRITERS));
		OK(pthread_rwlock_trywrlock(&rw));
		OK(pthread_rwlock_unlock(&rw));
		OK(pthread_rwlock_destroy(&rw));
	}
	puts("ok");
	return 0;
}
