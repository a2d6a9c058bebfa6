/* SPDX-License-Identifier: MIT */
/* Semaphores under a storm: posts equal waits that succeeded, with waits that time out at the moment of the post. */
#include "prog.h"
#include <semaphore.h>

#define WAITERS 16
#define POSTERS 4

static sem_t s;
static _Atomic long got, timeouts, posted;
static _Atomic int stop;

static void *
waiter(void *arg)
{
	uint64_t seed = (intptr_t)arg + 1;

	while(!stop) {
		struct timespec ts = deadline(CLOCK_MONOTONIC, rnd(&seed) % 60000);
		int rc = rnd(&seed) % 4 ? sem_clockwait(&s, CLOCK_MONOTONIC, &ts) : sem_wait(&s);

		if(rc == 0)
			got++;
		else {
			CHECK(errno == ETIMEDOUT || errno == EINTR);
			timeouts++;
		}
	}
	return NULL;
}

static void *
poster(void *arg)
{
	uint64_t seed = (intptr_t)arg + 77;
	int n = scale(2000);

	for(int i = 0; i < n; i++) {
		EQ(sem_post(&s), 0);
		posted++;
		if(rnd(&seed) % 4 == 0)
			usleep(rnd(&seed) % 60);
	}
	return NULL;
}

int
main(void)
{
	pthread_t w[WAITERS], p[POSTERS];
	int v;

	sem_init(&s, 0, 0);
	for(intptr_t i = 0; i < WAITERS; i++)
		w[i] = spawn(waiter, (void *)i);
	for(intptr_t i = 0; i < POSTERS; i++)
		p[i] = spawn(poster, (void *)i);
	for(int i = 0; i < POSTERS; i++)
		join(p[i]);
	/* All that was posted is taken in the end: waiters are still there. */
	for(int64_t t0 = nowns(); got < posted;) {
		CHECK(nowns() - t0 < 20 * SEC);
		sched_yield();
	}
	stop = 1;
	for(int i = 0; i < WAITERS; i++) {
		EQ(sem_post(&s), 0);
		posted++;
	}
	for(int i = 0; i < WAITERS; i++)
		join(w[i]);
	EQ(sem_getvalue(&s, &v), 0);
	EQ(got + v, posted);
	EQ(posted, (long)POSTERS * scale(2000) + WAITERS);
	puts("ok");
	return 0;
}
