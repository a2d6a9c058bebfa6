/* SPDX-License-Identifier: MIT */
/* Timed waits that race with the wakeup they wait for: each ends once, in time or timed out, and never early or never. */
#include "prog.h"
#include <semaphore.h>

#define N 24

static struct {
	pthread_mutex_t m;
	pthread_cond_t c;
	sem_t s;
	int ticket;
	long given, taken;
} box[N];
static _Atomic int done;

static void *
waiter(void *arg)
{
	int k = (intptr_t)arg, n = scale(300);
	uint64_t seed = k + 1;

	for(int i = 0; i < n; i++) {
		int64_t ns = rnd(&seed) % 150000, t0 = nowns();
		struct timespec ts = deadline(CLOCK_MONOTONIC, ns);
		int rc = 0;

		if(i % 2) {
			OK(pthread_mutex_lock(&box[k].m));
			while(box[k].ticket == 0 && rc == 0)
				rc = pthread_cond_clockwait(&box[k].c, &box[k].m, CLOCK_MONOTONIC, &ts);
			if(box[k].ticket > 0) {
				box[k].ticket--;
				box[k].taken++;
			} else {
				EQ(rc, ETIMEDOUT);
				CHECK(nowns() - t0 >= ns);
			}
			OK(pthread_mutex_unlock(&box[k].m));
		} else if(sem_clockwait(&box[k].s, CLOCK_MONOTONIC, &ts) == 0)
			box[k].taken++;
		else {
			CHECK(errno == ETIMEDOUT || errno == EINTR);
			CHECK(errno == EINTR || nowns() - t0 >= ns);
		}
	}
	done++;
	return NULL;
}

static void *
giver(void *arg)
{
	uint64_t seed = 99 + (intptr_t)arg;

	while(done < N) {
		int k = rnd(&seed) % N;

		OK(pthread_mutex_lock(&box[k].m));
		if(rnd(&seed) % 2) {
			box[k].ticket++;
			OK(pthread_cond_signal(&box[k].c));
		} else
			EQ(sem_post(&box[k].s), 0);
		box[k].given++;
		OK(pthread_mutex_unlock(&box[k].m));
		if(rnd(&seed) % 2)
			usleep(rnd(&seed) % 30);
		else
			sched_yield();
	}
	return NULL;
}

int
main(void)
{
	pthread_t w[N], g[3];
	int v;

	for(int k = 0; k < N; k++) {
		pthread_mutex_init(&box[k].m, NULL);
		pthread_cond_init(&box[k].c, NULL);
		sem_init(&box[k].s, 0, 0);
	}
	for(intptr_t i = 0; i < N; i++)
		w[i] = spawn(waiter, (void *)i);
	for(intptr_t i = 0; i < 3; i++)
		g[i] = spawn(giver, (void *)i);
	for(int i = 0; i < N; i++)
		join(w[i]);
	for(int i = 0; i < 3; i++)
		join(g[i]);
	for(int k = 0; k < N; k++) {
		EQ(sem_getvalue(&box[k].s, &v), 0);
		EQ(box[k].taken + box[k].ticket + v, box[k].given);
	}
	puts("ok");
	return 0;
}
