/* SPDX-License-Identifier: MIT */
/* pthread_attr_setaffinity_np and inheritance: a thread starts where its attributes, or its creator, said. */
#include "prog.h"
#include <sched.h>

static cpu_set_t one;

static void *
child(void *arg)
{
	cpu_set_t got;

	OK(pthread_getaffinity_np(pthread_self(), sizeof got, &got));
	CHECK(CPU_EQUAL(&got, (cpu_set_t *)arg));
	return arg;
}

static void *
bound(void *arg)
{
	child(arg);
	CHECK(CPU_ISSET(sched_getcpu(), &one));
	join(spawn(child, arg));	/* inherits it */
	return arg;
}

int
main(void)
{
	cpu_set_t all;
	pthread_attr_t a;
	pthread_t t;

	OK(pthread_getaffinity_np(pthread_self(), sizeof all, &all));
	join(spawn(child, &all));
	for(int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if(!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		OK(pthread_attr_init(&a));
		OK(pthread_attr_setaffinity_np(&a, sizeof one, &one));
		OK(pthread_create(&t, &a, bound, &one));
		join(t);
		OK(pthread_attr_destroy(&a));
		join(spawn(child, &all));
	}
	puts("ok");
	return 0;
}
