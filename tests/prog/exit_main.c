/* SPDX-License-Identifier: MIT */
/* pthread_exit from main: the others go on; the process ends with 0 when the last has ended, atexit included. */
#include "prog.h"

static pthread_t mainid;

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
	msleep(20 + 40 * i);
	printf("thread %d\n", i);
	if(i == 3)
		pthread_exit((void *)9);
	return (void *)8;
}

int
main(void)
{
	atexit(bye);
	mainid = pthread_self();
	for(intptr_t i = 0; i < 4; i++)
		OK(pthread_detach(spawn(later, (void *)i)));
	puts("main leaves");
	pthread_exit((void *)123);
}
