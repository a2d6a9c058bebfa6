/* SPDX-License-Identifier: MIT */
/* From idle to one wakeup to idle: a wakeup that comes just as the last runner falls asleep must not be lost. */
#include "prog.h"
#include <semaphore.h>

static sem_t a[4], b[4];

static void *
echo(void *arg)
{
	int id = (intptr_t)arg, n = scale(1500);

	for(int i = 0; i < n; i++) {
		while(sem_wait(&a[id]) != 0)
			;
		/* A little work, so that the other side is just parking, parked, or not yet. */
		for(volatile int k = 0; k < i % 400; k++)
			;
		sem_post(&b[id]);
	}
	return NULL;
}

static void *
call(void *arg)
{
	int id = (intptr_t)arg, n = scale(1500);

	for(int i = 0; i < n; i++) {
		sem_post(&a[id]);
		for(volatile int k = 0; k < i * 7 % 400; k++)
			;
		while(sem_wait(&b[id]) != 0)
			;
		if(i % 100 == 0)
			usleep(200);	/* now only a timer is left */
	}
	return NULL;
}

int
main(void)
{
	pthread_t t[8];

	for(int k = 1; k <= 4; k += 3) {
		for(intptr_t i = 0; i < k; i++) {
			sem_init(&a[i], 0, 0);
			sem_init(&b[i], 0, 0);
			t[2 * i] = spawn(echo, (void *)i);
			t[2 * i + 1] = spawn(call, (void *)i);
		}
		for(int i = 0; i < 2 * k; i++)
			join(t[i]);
	}
	puts("ok");
	return 0;
}
