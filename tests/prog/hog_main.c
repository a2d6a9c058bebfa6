/* SPDX-License-Identifier: MIT */
/* main spins on plain memory until another thread, newly made, has written it; and the other way round. */
#include "prog.h"

static volatile int a, b;

static void *
answer(void *arg)
{
	for(int i = 1; i <= 20; i++) {
		a = i;
		while(b != i)
			;
	}
	return arg;
}

int
main(void)
{
	pthread_t t = spawn(answer, NULL);

	for(int i = 1; i <= 20; i++) {
		while(a != i)
			;
		b = i;
	}
	join(t);
	puts("ok");
	return 0;
}
