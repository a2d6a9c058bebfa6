/* SPDX-License-Identifier: MIT */
/* Stages of workers joined by bounded queues (mutex, condition, semaphore, pipe): what comes out has the sum of what went in. */
#include "prog.h"
#include <semaphore.h>

#define WORKERS 4
#define ROOM 16

struct item {
	uint64_t v, hash;
};

/* A bounded queue by mutex and two conditions; closed when its producers are gone. */
struct queue {
	pthread_mutex_t m;
	pthread_cond_t get, put;
	struct item *a[ROOM];
	unsigned in, out;
	int producers;
};

static struct queue q1, q2;
static int fds[2], n;
static _Atomic uint64_t sumin, sumout, items;

static void
qinit(struct queue *q, int producers)
{
	pthread_mutex_init(&q->m, NULL);
	pthread_cond_init(&q->get, NULL);
	pthread_cond_init(&q->put, NULL);
	q->producers = producers;
}

static void
qput(struct queue *q, struct item *it)
{
	OK(pthread_mutex_lock(&q->m));
	while(q->in - q->out == ROOM)
		OK(pthread_cond_wait(&q->put, &q->m));
	q->a[q->in++ % ROOM] = it;
	OK(pthread_cond_signal(&q->get));
	OK(pthread_mutex_unlock(&q->m));
}

static struct item *
qget(struct queue *q)
{
	struct item *it = NULL;

	OK(pthread_mutex_lock(&q->m));
	while(q->in == q->out && q->producers > 0)
		OK(pthread_cond_wait(&q->get, &q->m));
	if(q->in != q->out) {
		it = q->a[q->out++ % ROOM];
		OK(pthread_cond_signal(&q->put));
	}
	OK(pthread_mutex_unlock(&q->m));
	return it;
}

static void
qleave(struct queue *q)
{
	OK(pthread_mutex_lock(&q->m));
	if(--q->producers == 0)
		OK(pthread_cond_broadcast(&q->get));
	OK(pthread_mutex_unlock(&q->m));
}

static uint64_t
mix(uint64_t x)
{
	x *= 0x9e3779b97f4a7c15;
	return x ^ x >> 29;
}

static void *
source(void *arg)
{
	uint64_t seed = (intptr_t)arg + 1;

	for(int i = 0; i < n; i++) {
		struct item *it = malloc(sizeof *it);

		it->v = rnd(&seed);
		it->hash = 0;
		sumin += mix(it->v + 1);
		qput(&q1, it);
	}
	qleave(&q1);
	return NULL;
}

static void *
middle(void *arg)
{
	struct item *it;

	while((it = qget(&q1)) != NULL) {
		it->hash = mix(it->v + 1);
		qput(&q2, it);
	}
	qleave(&q2);
	return arg;
}

static void *
writer(void *arg)
{
	struct item *it;

	while((it = qget(&q2)) != NULL)
		EQ(write(fds[1], &it, sizeof it), sizeof it);
	return arg;
}

static void *
sink(void *arg)
{
	struct item *it;

	while(read(fds[0], &it, sizeof it) == sizeof it) {
		CHECK(it->hash == mix(it->v + 1));
		sumout += it->hash;
		items++;
		free(it);
	}
	return arg;
}

int
main(void)
{
	void *(*fns[])(void *) = { source, middle, writer, sink };
	pthread_t t[4][WORKERS];

	n = scale(2000);
	qinit(&q1, WORKERS);
	qinit(&q2, WORKERS);
	EQ(pipe(fds), 0);
	for(int k = 3; k >= 0; k--)
		for(intptr_t i = 0; i < WORKERS; i++)
			t[k][i] = spawn(fns[k], (void *)i);
	for(int k = 0; k < 3; k++)
		for(int i = 0; i < WORKERS; i++)
			join(t[k][i]);
	close(fds[1]);
	for(int i = 0; i < WORKERS; i++)
		join(t[3][i]);
	EQ(items, (long)WORKERS * n);
	CHECK(sumin == sumout);
	puts("ok");
	return 0;
}
