/* SPDX-License-Identifier: MIT */
/* timeout: 120 */
/*
 * An hour's worth of threads that come and go, a thousand a second, in `make soak` (3.6 million; a 400th of
 * it in `make check`): joined and detached, of several stack sizes, that return, call pthread_exit or are cancelled, with
 * data in malloc, in TLS and in keys. Memory does not grow after the first eighth. How it went is
 * told on stderr.
 */
#include "prog.h"

enum { STEPS = 32, BATCH = 100, SLACKKB = 8192 };

static const size_t sizes[] = {0, 64 << 10, 128 << 10, 1 << 20}; /* 0: default */
static pthread_attr_t attrs[2][4];                               /* joined, detached */
static pthread_key_t key;
static __thread char big[500];
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER, alldone = PTHREAD_COND_INITIALIZER;
static long freed, detached;

static void
drop(void *p)
{
	free(p);
	pthread_mutex_lock(&mu);
	freed++;
	pthread_mutex_unlock(&mu);
}

static void
unlock(void *m)
{
	pthread_mutex_unlock(m);
}

static void *
leaf(void *arg)
{
	intptr_t i = (intptr_t)arg;
	char *p = malloc(100 + (size_t)i % 3000);

	CHECK(p != NULL);
	EQ(big[i % 500], 0);
	memset(big, 1, sizeof big);
	memset(p, 2, 100);
	OK(pthread_setspecific(key, p));
	switch(i % 8) {
	case 1: /* cancelled */
		pthread_mutex_lock(&mu);
		pthread_cleanup_push(unlock, &mu);
		for(;;)
			pthread_cond_wait(&never, &mu);
		pthread_cleanup_pop(1);
	case 2:
		pthread_exit(arg);
	case 3: /* detached */
		pthread_mutex_lock(&mu);
		if(--detached == 0)
			pthread_cond_signal(&alldone);
		pthread_mutex_unlock(&mu);
	}
	return arg;
}

/* A batch of n threads, numbered from at; returns when none is left, but for what detached ones do last. */
static void
batch(long at, int n)
{
	pthread_t t[BATCH];

	pthread_mutex_lock(&mu);
	for(long i = at; i < at + n; i++)
		detached += i % 8 == 3;
	pthread_mutex_unlock(&mu);
	for(int i = 0; i < n; i++) {
		int e;

		/* natively detached ones may not have given back their stacks yet, at a limit */
		while((e = pthread_create(&t[i], &attrs[(at + i) % 8 == 3][(at + i) / 8 % 4], leaf, (void *)(at + i))) == EAGAIN)
			msleep(1);
		OK(e);
	}
	for(int i = 0; i < n; i++) {
		int kind = (int)((at + i) % 8);

		if(kind == 1)
			OK(pthread_cancel(t[i]));
		if(kind != 3)
			CHECK(join(t[i]) == (kind == 1 ? PTHREAD_CANCELED : (void *)(at + i)));
	}
	pthread_mutex_lock(&mu);
	while(detached != 0)
		pthread_cond_wait(&alldone, &mu);
	pthread_mutex_unlock(&mu);
}

int
main(void)
{
	long n = (long)scale(9000) * scale(1), at = 0, rss = 0, first = 0, most = 0;
	uint64_t seed = 88172645463325252;
	int64_t start = nowns();

	OK(pthread_key_create(&key, drop));
	for(int d = 0; d < 2; d++)
		for(int i = 0; i < 4; i++) {
			OK(pthread_attr_init(&attrs[d][i]));
			if(sizes[i] != 0)
				OK(pthread_attr_setstacksize(&attrs[d][i], sizes[i]));
			OK(pthread_attr_setdetachstate(&attrs[d][i], d ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE));
		}
	for(int step = 1; step <= STEPS; step++) {
		while(at < n * step / STEPS) {
			int k = 1 + (int)(rnd(&seed) % BATCH);

			batch(at, k);
			at += k;
		}
		rss = rsskb();
		if(step == STEPS / 8)
			first = rss;
		if(step > STEPS / 8 && rss > most)
			most = rss;
		dprintf(2, "%ld threads in %.1f s: RSS %ld KiB\n", at, (double)(nowns() - start) / 1e9, rss);
	}
	if(most > first + SLACKKB)
		dprintf(2, "RSS grew from %ld to %ld KiB\n", first, most);
	CHECK(most <= first + SLACKKB);
	for(int i = 0; i < 10000 && freed != at; i++) /* the last detached ones' destructors */
		msleep(1);
	EQ(freed, at);
	puts("ok");
	return 0;
}
