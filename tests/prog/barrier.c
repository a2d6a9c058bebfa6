/* SPDX-License-Identifier: MIT */
/* Barriers: nobody passes early, exactly one is the serial thread, reuse at once, destroy as soon as one is through. */
#include "prog.h"

#define N 32

static pthread_barrier_t bar;
static _Atomic int arrived, serial;
static int rounds;

static void *
work(void *arg)
{
	for(int r = 0; r < rounds; r++) {
		if((r + (intptr_t)arg) % 50 == 0)
			usleep(100);
		arrived++;
		int rc = pthread_barrier_wait(&bar);
		CHECK(rc == 0 || rc == PTHREAD_BARRIER_SERIAL_THREAD);
		serial += rc == PTHREAD_BARRIER_SERIAL_THREAD;
		CHECK(arrived >= (r + 1) * N);
		CHECK(arrived <= (r + 2) * N);
		CHECK(serial <= r + 2);
	}
	return NULL;
}

/* The barrier's memory is freed by the serial thread as soon as destroy lets it. */
static void *
once(void *arg)
{
	pthread_barrier_t *b = arg;

	if(pthread_barrier_wait(b) == PTHREAD_BARRIER_SERIAL_THREAD) {
		OK(pthread_barrier_destroy(b));
		memset(b, 0xff, sizeof *b);
		free(b);
	}
	return NULL;
}

int
main(void)
{
	pthread_t t[N];

	rounds = scale(300);
	EQ(pthread_barrier_init(&bar, NULL, 0), EINVAL);
	OK(pthread_barrier_init(&bar, NULL, 1));
	for(int i = 0; i < 5; i++)
		EQ(pthread_barrier_wait(&bar), PTHREAD_BARRIER_SERIAL_THREAD);
	OK(pthread_barrier_destroy(&bar));

	OK(pthread_barrier_init(&bar, NULL, N));
	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(arrived, rounds * N);
	EQ(serial, rounds);
	OK(pthread_barrier_destroy(&bar));

	for(int k = 0; k < 50; k++) {
		pthread_barrier_t *b = malloc(sizeof *b);

		OK(pthread_barrier_init(b, NULL, 8));
		for(int i = 0; i < 8; i++)
			t[i] = spawn(once, b);
		for(int i = 0; i < 8; i++)
			join(t[i]);
	}
	puts("ok");
	return 0;
}
