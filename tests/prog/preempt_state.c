/* SPDX-License-Identifier: MIT */
/* build: -O3 */
/* More computing threads than processors, in integer, x87 and vector code: preempted anywhere, they get the sums right. */
#include "prog.h"

#define N 8

static uint64_t
ints(uint64_t seed)
{
	uint64_t s = seed, h = 0;

	for(int i = 0; i < 4000000; i++) {
		h = h * 31 + rnd(&s);
		h ^= h >> 17;
	}
	return h;
}

static uint64_t
vectors(uint64_t seed)
{
	uint32_t a[64], out = 0;

	for(int i = 0; i < 64; i++)
		a[i] = seed + i;
	for(int k = 0; k < 400000; k++)
		for(int i = 0; i < 64; i++)
			a[i] = a[i] * 1664525u + 1013904223u;
	for(int i = 0; i < 64; i++)
		out = out * 33 + a[i];
	return out;
}

static uint64_t
floats(uint64_t seed)
{
	long double x = 1.0L + seed / 1000.0L, acc = 0;
	double d = seed;

	for(int i = 0; i < 3000000; i++) {
		acc += x;
		x = x * 0.9999999L + 1e-7L;
		d = d * 0.999999 + 3.25;
	}
	uint64_t r;
	double m = (double)acc + d;
	memcpy(&r, &m, sizeof r);
	return r;
}

static uint64_t (*const fns[])(uint64_t) = { ints, vectors, floats };
static uint64_t want[3][N];

static void *
work(void *arg)
{
	intptr_t i = (intptr_t)arg;

	for(int k = 0; k < 3; k++)
		CHECK(fns[(k + i) % 3](i + 1) == want[(k + i) % 3][i]);
	return NULL;
}

int
main(void)
{
	pthread_t t[N];
	int rounds = scale(1);

	for(int k = 0; k < 3; k++)
		for(int i = 0; i < N; i++)
			want[k][i] = fns[k](i + 1);
	for(int r = 0; r < rounds; r++) {
		for(intptr_t i = 0; i < N; i++)
			t[i] = spawn(work, (void *)i);
		for(int i = 0; i < N; i++)
			join(t[i]);
	}
	puts("ok");
	return 0;
}
