/* SPDX-License-Identifier: MIT */
/*
 * What pthread_getattr_np says of a thread's scheduling, for each way to create one: PTHREAD_EXPLICIT_SCHED where its attributes said so, whatever
 * else they held, by default attributes, too; another kind of creation in the same memory does not.
 */
#include "prog.h"
#include <sched.h>
#include <threads.h>

static void
tell(const char *what, pthread_t t)
{
	pthread_attr_t a;
	struct sched_param sp;
	int inherit, policy, scope, detach;

	OK(pthread_getattr_np(t, &a));
	OK(pthread_attr_getinheritsched(&a, &inherit));
	OK(pthread_attr_getschedpolicy(&a, &policy));
	OK(pthread_attr_getschedparam(&a, &sp));
	OK(pthread_attr_getscope(&a, &scope));
	OK(pthread_attr_getdetachstate(&a, &detach));
	printf("%s: %s, policy %d, priority %d, scope %d, detached %d\n", what,
	    inherit == PTHREAD_EXPLICIT_SCHED ? "explicit" : inherit == PTHREAD_INHERIT_SCHED ? "inherits" : "?", policy, sp.sched_priority,
	    scope, detach);
	OK(pthread_attr_destroy(&a));
}

static pthread_barrier_t bar;

static void *
told(void *arg)
{
	tell(arg, pthread_self());
	pthread_barrier_wait(&bar);
	pthread_barrier_wait(&bar);
	return NULL;
}

static int
told11(void *arg)
{
	tell(arg, pthread_self());
	return 0;
}

/* By itself, by another thread, and another one after it, with other attributes, where it was. */
static void
creates(const char *what, pthread_attr_t *a)
{
	pthread_t t;
	int e = pthread_create(&t, a, told, (void *)what);

	if(e != 0) {
		printf("%s: error %d\n", what, e);
		return;
	}
	pthread_barrier_wait(&bar);
	tell("  by another", t);
	pthread_barrier_wait(&bar);
	join(t);
	OK(pthread_create(&t, NULL, told, "  after it"));
	pthread_barrier_wait(&bar);
	pthread_barrier_wait(&bar);
	join(t);
}

static void *
creator(void *arg)
{
	pthread_attr_t a;

	OK(pthread_attr_init(&a));
	creates("thread's, NULL", NULL);
	creates("thread's, initialized", &a);
	OK(pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED));
	creates("thread's, explicit", &a);
	creates("thread's, explicit once more", &a);
	OK(pthread_attr_destroy(&a));
	return arg;
}

int
main(void)
{
	pthread_attr_t a;
	struct sched_param none = { 0 }, high = { .sched_priority = 5 };
	cpu_set_t set;
	thrd_t c;

	OK(pthread_barrier_init(&bar, NULL, 2));
	tell("main, before", pthread_self());
	OK(pthread_attr_init(&a));
	creates("NULL", NULL);
	creates("initialized", &a);
	OK(pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED));
	creates("explicit, nothing set", &a);
	creates("explicit, again", &a);
	OK(pthread_attr_setschedpolicy(&a, SCHED_OTHER));
	OK(pthread_attr_setschedparam(&a, &none));
	creates("explicit, usual policy", &a);
	EQ(pthread_attr_setschedpolicy(&a, SCHED_BATCH), EINVAL);
	OK(pthread_attr_setschedparam(&a, &none));
	OK(pthread_attr_setinheritsched(&a, PTHREAD_INHERIT_SCHED));
	creates("inherits, usual policy set", &a);
	OK(pthread_attr_setschedpolicy(&a, SCHED_FIFO));
	OK(pthread_attr_setschedparam(&a, &high));
	creates("inherits, another policy set", &a);
	OK(pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED));
	creates("explicit, another policy", &a);
	OK(pthread_attr_setschedpolicy(&a, SCHED_RR));
	creates("explicit, a third policy", &a);
	OK(pthread_attr_destroy(&a));
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED));
	OK(sched_getaffinity(0, sizeof set, &set));
	OK(pthread_attr_setaffinity_np(&a, sizeof set, &set));
	creates("explicit, with processors", &a);
	OK(pthread_attr_destroy(&a));
	join(spawn(creator, NULL));
	CHECK(thrd_create(&c, told11, "thrd_create") == thrd_success && thrd_join(c, NULL) == thrd_success);
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED));
	OK(pthread_setattr_default_np(&a));
	creates("NULL, explicit by default", NULL);
	CHECK(thrd_create(&c, told11, "thrd_create, explicit by default") == thrd_success && thrd_join(c, NULL) == thrd_success);
	OK(pthread_attr_setinheritsched(&a, PTHREAD_INHERIT_SCHED));
	OK(pthread_setattr_default_np(&a));
	creates("NULL, as usual", NULL);
	OK(pthread_attr_destroy(&a));
	tell("main, after", pthread_self());
	return 0;
}
