/* SPDX-License-Identifier: MIT */
/* malloc in one thread, realloc and free in others, with contents checked, while threads come and go. */
#include "prog.h"
#include <malloc.h>

#define SLOTS 200
#define N 16

static struct {
	pthread_mutex_t m;
	unsigned char *p;
	size_t n;
} slot[SLOTS];
static int loops;

static void
fill(unsigned char *p, size_t n)
{
	for(size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(n + i);
}

static void
verify(const unsigned char *p, size_t upto, size_t n)
{
	for(size_t i = 0; i < upto; i++)
		EQ(p[i], (unsigned char)(n + i));
}

static void *
work(void *arg)
{
	uint64_t seed = (intptr_t)arg + 3;

	for(int i = 0; i < loops; i++) {
		int k = rnd(&seed) % SLOTS;
		size_t n = 1 + rnd(&seed) % (i % 50 ? 600 : 200000);

		OK(pthread_mutex_lock(&slot[k].m));
		if(slot[k].p != NULL)
			verify(slot[k].p, slot[k].n, slot[k].n);
		switch(rnd(&seed) % 3) {
		case 0:
			free(slot[k].p);
			slot[k].p = malloc(n);
			break;
		case 1: {
			size_t keep = slot[k].p == NULL ? 0 : n < slot[k].n ? n : slot[k].n;

			slot[k].p = realloc(slot[k].p, n);
			verify(slot[k].p, keep, slot[k].n);
			break;
		}
		default:
			free(slot[k].p);
			CHECK(posix_memalign((void **)&slot[k].p, 64, n) == 0);
			EQ((uintptr_t)slot[k].p % 64, 0);
			break;
		}
		slot[k].n = n;
		fill(slot[k].p, n);
		OK(pthread_mutex_unlock(&slot[k].m));
		if(i % 32 == 0)
			sched_yield();
	}
	return NULL;
}

int
main(void)
{
	pthread_t t[N];

	loops = scale(700);
	for(int k = 0; k < SLOTS; k++)
		pthread_mutex_init(&slot[k].m, NULL);
	for(int round = 0; round < 2; round++) {
		for(intptr_t i = 0; i < N; i++)
			t[i] = spawn(work, (void *)(i + round * 100));
		for(int i = 0; i < N; i++)
			join(t[i]);
		malloc_trim(0);
	}
	for(int k = 0; k < SLOTS; k++) {
		if(slot[k].p != NULL)
			verify(slot[k].p, slot[k].n, slot[k].n);
		free(slot[k].p);
	}
	puts("ok");
	return 0;
}
