/* SPDX-License-Identifier: MIT */
/* makecontext and swapcontext in threads: coroutines of the program's own, which wait and yield on their own stacks. */
#include "prog.h"
#include <ucontext.h>

#define THREADS 12
#define COROS 8
#define STEPS 20
#define STACK 65536

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static long total;

struct sched {
	ucontext_t main, co[COROS];
	int cur, left, steps[COROS];
	char *stacks;
};

static void
body(unsigned hi, unsigned lo)
{
	struct sched *s = (struct sched *)((uintptr_t)hi << 32 | lo);
	int me = s->cur;
	pthread_t self = pthread_self();

	for(int i = 0; i < STEPS; i++) {
		EQ(s->cur, me);
		CHECK(pthread_equal(pthread_self(), self));
		OK(pthread_mutex_lock(&m));
		long was = total;
		if(i % 7 == 0)
			sched_yield();
		total = was + 1;
		OK(pthread_mutex_unlock(&m));
		if(i % 5 == 0)
			usleep(10);
		s->steps[me]++;
		EQ(swapcontext(&s->co[me], &s->main), 0);
	}
	s->left--;
}

static void *
work(void *arg)
{
	struct sched *s = calloc(1, sizeof *s);

	s->stacks = malloc(COROS * STACK);
	s->left = COROS;
	for(int i = 0; i < COROS; i++) {
		EQ(getcontext(&s->co[i]), 0);
		s->co[i].uc_stack.ss_sp = s->stacks + i * STACK;
		s->co[i].uc_stack.ss_size = STACK;
		s->co[i].uc_link = &s->main;
		makecontext(&s->co[i], (void (*)(void))body, 2,
		    (unsigned)((uintptr_t)s >> 32), (unsigned)(uintptr_t)s);
	}
	for(int round = 0; round <= STEPS; round++)
		for(s->cur = 0; s->cur < COROS; s->cur++)
			EQ(swapcontext(&s->main, &s->co[s->cur]), 0);
	EQ(s->left, 0);
	for(int i = 0; i < COROS; i++)
		EQ(s->steps[i], STEPS);
	free(s->stacks);
	free(s);
	return arg;
}

int
main(void)
{
	pthread_t t[THREADS];

	for(int i = 0; i < THREADS; i++)
		t[i] = spawn(work, NULL);
	work(NULL);
	for(int i = 0; i < THREADS; i++)
		join(t[i]);
	EQ(total, (THREADS + 1L) * COROS * STEPS);
	puts("ok");
	return 0;
}
