/* SPDX-License-Identifier: MIT */
/* Lost wakeups: pairs of threads that play ping-pong over mutex and condition, many pairs at once, strictly in turn. */
#include "prog.h"

#define PAIRS 16

struct pair {
	pthread_mutex_t m;
	pthread_cond_t c;
	int turn;
	long n;
};

static struct pair pairs[PAIRS];
static int loops;

static void
play(struct pair *p, int me)
{
	for(int i = 0; i < loops; i++) {
		OK(pthread_mutex_lock(&p->m));
		while(p->turn != me)
			OK(pthread_cond_wait(&p->c, &p->m));
		p->turn = !me;
		p->n++;
		if(i % 2)
			OK(pthread_cond_signal(&p->c));
		OK(pthread_mutex_unlock(&p->m));
		if(i % 2 == 0)
			OK(pthread_cond_signal(&p->c));
	}
}

static void *
ping(void *p)
{
	play(p, 0);
	return NULL;
}

static void *
pong(void *p)
{
	play(p, 1);
	return NULL;
}

int
main(void)
{
	pthread_t a[PAIRS], b[PAIRS];

	loops = scale(2000);
	for(int i = 0; i < PAIRS; i++) {
		pthread_mutex_init(&pairs[i].m, NULL);
		pthread_cond_init(&pairs[i].c, NULL);
		a[i] = spawn(ping, &pairs[i]);
		b[i] = spawn(pong, &pairs[i]);
	}
	for(int i = 0; i < PAIRS; i++) {
		join(a[i]);
		join(b[i]);
		EQ(pairs[i].n, 2L * loops);
	}
	puts("ok");
	return 0;
}
