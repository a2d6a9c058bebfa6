/* SPDX-License-Identifier: MIT */
/* pthread_exit of the last thread that there is ends the process with 0, in main with its cleanups and keys. */
#include "prog.h"

static pthread_key_t key;

static void
drop(void *arg)
{
	printf("key %s\n", (char *)arg);
}

static void
clean(void *arg)
{
	printf("cleanup %s\n", (char *)arg);
}

static void
bye(void)
{
	puts("atexit");
}

static void *
nothing(void *arg)
{
	return arg;
}

int
main(void)
{
	atexit(bye);
	OK(pthread_key_create(&key, drop));
	OK(pthread_setspecific(key, "main's"));
	join(spawn(nothing, NULL));
	pthread_cleanup_push(clean, "outer");
	pthread_cleanup_push(clean, "inner");
	pthread_exit((void *)5);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
}
