/* SPDX-License-Identifier: MIT */
/* Address space runs out: pthread_create says EAGAIN, what runs goes on, and after joins threads can be made again. */
/* stress: no, its kernel threads' stacks would need the address space */
#include "prog.h"
#include <semaphore.h>
#include <sys/resource.h>

static sem_t go;
static _Atomic int ran;

static void *
work(void *arg)
{
	while(sem_wait(&go) != 0)
		;
	ran++;
	return arg;
}

static long
vmbytes(void)
{
	long size = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f != NULL && fscanf(f, "%ld", &size) == 1);
	fclose(f);
	return size * sysconf(_SC_PAGESIZE);
}

int
main(void)
{
	enum { MAX = 2000 };
	static pthread_t t[MAX];
	struct rlimit lim;
	pthread_attr_t a;
	int n, rc;

	sem_init(&go, 0, 0);
	/* One thread before, so that whatever is made once is made. */
	sem_post(&go);
	join(spawn(work, NULL));
	ran = 0;
	lim.rlim_cur = lim.rlim_max = vmbytes() + (400L << 20);
	EQ(setrlimit(RLIMIT_AS, &lim), 0);
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, 8 << 20));
	for(int round = 0; round < 3; round++) {
		for(n = 0; n < MAX; n++)
			if((rc = pthread_create(&t[n], &a, work, &t[n])) != 0)
				break;
		EQ(rc, EAGAIN);
		CHECK(n >= 4 && n < 60);
		for(int i = 0; i < n; i++)
			EQ(sem_post(&go), 0);
		for(int i = 0; i < n; i++)
			CHECK(join(t[i]) == &t[i]);
		EQ(ran, n);
		ran = 0;
	}
	void *p = malloc(1 << 20);
	CHECK(p != NULL);
	free(p);
	puts("ok");
	return 0;
}
