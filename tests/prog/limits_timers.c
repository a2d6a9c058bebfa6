/* SPDX-License-Identifier: MIT */
/* No more memory when many threads begin to wait for a time at once: all wake, in time and for the right reason. */
#include "io_util.h"

enum { N = 1500 };

static sem_t gate, post, never;
static atomic_int waiting;

static void *
sleeper(void *arg)
{
	intptr_t i = (intptr_t)arg;
	struct timespec ts;

	waiting++;
	while(sem_wait(&gate) != 0)
		;
	if(i % 2) {
		int64_t t0 = now();
		ts = (struct timespec){ 0, 20 * MS };
		OK(nanosleep(&ts, NULL));
		TOOK(t0, 20 * MS, 20 * MS);
	} else {
		OK(clock_gettime(CLOCK_REALTIME, &ts));
		ts = tspec(ts.tv_sec * SEC + ts.tv_nsec + (i % 4 ? 30 * MS : 60 * SEC));
		if(i % 4)
			FAILS(sem_timedwait(&never, &ts), ETIMEDOUT);
		else
			OK(sem_timedwait(&post, &ts));
	}
	return NULL;
}

int
main(void)
{
	struct rlimit rl;
	long pages;
	FILE *f;

	OK(sem_init(&gate, 0, 0));
	OK(sem_init(&post, 0, 0));
	OK(sem_init(&never, 0, 0));
	pthread_t *t = spawnall(N, sleeper);
	while(waiting < N)
		usleep(1000);
	nudge();
	f = fopen("/proc/self/statm", "r");
	CHECK(f && fscanf(f, "%ld", &pages) == 1);
	fclose(f);
	OK(getrlimit(RLIMIT_AS, &rl));
	rl.rlim_cur = (rlim_t)pages * 4096;
	OK(setrlimit(RLIMIT_AS, &rl));
	for(int i = 0; i < N; i++)
		OK(sem_post(&gate));
	nudge();
	for(int i = 0; i < N / 4; i++)
		OK(sem_post(&post));
	joinall(t, N);
	pass("waits");
	return 0;
}
