/* SPDX-License-Identifier: MIT */
/* One arena for many threads: the contended lock inside malloc must neither hang nor break, hogs or not. */
#include "prog.h"
#include <malloc.h>

#define N 24

static void *
work(void *arg)
{
	int loops = scale(2500);
	void *p[40] = { 0 };
	uint64_t seed = (intptr_t)arg + 9;

	for(int i = 0; i < loops; i++) {
		int k = rnd(&seed) % 40;

		free(p[k]);
		p[k] = malloc(1100 + rnd(&seed) % 3000);	/* beyond tcache's and fastbins' sizes */
		memset(p[k], (int)i, 1100);
	}
	for(int k = 0; k < 40; k++)
		free(p[k]);
	return NULL;
}

int
main(void)
{
	pthread_t t[N];

	CHECK(mallopt(M_ARENA_MAX, 1) == 1);
	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	for(int i = 0; i < N; i++)
		join(t[i]);
	puts("ok");
	return 0;
}
