/* SPDX-License-Identifier: MIT */
/* pthread_setattr_default_np changes what later threads get; pthread_getattr_np of another thread and of main. */
#include "prog.h"

static pthread_barrier_t bar;
static char *where;

static void *
stay(void *arg)
{
	char local;

	where = &local;
	pthread_barrier_wait(&bar);
	pthread_barrier_wait(&bar);
	return arg;
}

static void
stackof(pthread_t t, char **lo, char **hi)
{
	pthread_attr_t a;
	void *addr;
	size_t size;

	OK(pthread_getattr_np(t, &a));
	OK(pthread_attr_getstack(&a, &addr, &size));
	OK(pthread_attr_destroy(&a));
	*lo = addr;
	*hi = (char *)addr + size;
}

static void *
askmain(void *arg)
{
	char **mainlocal = arg, *lo, *hi;

	stackof((pthread_t)mainlocal[1], &lo, &hi);
	CHECK(lo <= mainlocal[0] && mainlocal[0] < hi);
	return NULL;
}

int
main(void)
{
	pthread_attr_t a;
	pthread_t t;
	char *lo, *hi, local;
	char *arg[2] = { &local, (char *)pthread_self() };

	OK(pthread_barrier_init(&bar, NULL, 2));
	stackof(pthread_self(), &lo, &hi);
	CHECK(lo <= &local && &local < hi);

	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, 3 << 20));
	OK(pthread_setattr_default_np(&a));
	OK(pthread_attr_destroy(&a));
	t = spawn(stay, NULL);
	pthread_barrier_wait(&bar);
	stackof(t, &lo, &hi);
	CHECK(lo <= where && where < hi);
	CHECK(hi - lo >= (3 << 20) - 65536 && hi - lo <= (3 << 20) + 65536);
	pthread_barrier_wait(&bar);
	join(t);

	/* Detached by default. */
	OK(pthread_getattr_default_np(&a));
	OK(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED));
	OK(pthread_setattr_default_np(&a));
	t = spawn(stay, NULL);
	EQ(pthread_join(t, NULL), EINVAL);
	pthread_barrier_wait(&bar);
	pthread_barrier_wait(&bar);
	OK(pthread_attr_setdetachstate(&a, PTHREAD_CREATE_JOINABLE));
	OK(pthread_setattr_default_np(&a));
	OK(pthread_attr_destroy(&a));

	t = spawn(askmain, arg);
	join(t);
	/* And main's own again, now that it has run with threads. */
	stackof(pthread_self(), &lo, &hi);
	CHECK(lo <= &local && &local < hi);
	puts("ok");
	return 0;
}
