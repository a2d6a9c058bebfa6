/* SPDX-License-Identifier: MIT */
/* pthread_exit from main: the others go on; the process ends with 0 when the last has ended, atexit included. */
#include "prog.h"
#include <semaphore.h>

static pthread_t mainid;
static sem_t turn[5];

static void
bye(void)
{
	puts("atexit");
}

static void *
later(void *arg)
{
	int i = (intptr_t)arg;
	void *r;

	if(i == 0) {
		/* main may be joined, as any thread */
		OK(pthread_join(mainid, &r));
		CHECK(r == (void *)123);
	}
	while(sem_wait(&turn[i]) != 0)
		;
	msleep(5);
	printf("thread %d\n", i);
	sem_post(&turn[i + 1]);
	if(i == 3)
		pthread_exit((void *)9);
	return (void *)8;
}

int
main(void)
{
	atexit(bye);
	mainid = pthread_self();
	for(int i = 0; i < 5; i++)
		sem_init(&turn[i], 0, i == 0);
	for(intptr_t i = 0; i < 4; i++)
		OK(pthread_detach(spawn(later, (void *)i)));
	puts("main leaves");
	pthread_exit((void *)123);
}
