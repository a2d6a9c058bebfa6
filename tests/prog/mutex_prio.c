/* SPDX-License-Identifier: MIT */
/* Mutexes of the protocols PTHREAD_PRIO_PROTECT and PTHREAD_PRIO_INHERIT: each kind, each call, each error. */
#include "prog.h"
#include <sched.h>

static const struct kind {
	const char *name;
	int type, robust;
} kinds[] = {
	{ "normal", PTHREAD_MUTEX_NORMAL, 0 }, { "errorcheck", PTHREAD_MUTEX_ERRORCHECK, 0 },
	{ "recursive", PTHREAD_MUTEX_RECURSIVE, 0 }, { "robust normal", PTHREAD_MUTEX_NORMAL, 1 },
	{ "robust errorcheck", PTHREAD_MUTEX_ERRORCHECK, 1 }, { "robust recursive", PTHREAD_MUTEX_RECURSIVE, 1 },
};
enum { NKINDS = sizeof kinds / sizeof kinds[0], N = 8, ROUNDS = 500 };

static pthread_mutex_t m;
static int protocol;
static long counter;

static int
make(const struct kind *k, int ceiling)
{
	pthread_mutexattr_t a;
	int got, e;

	OK(pthread_mutexattr_init(&a));
	OK(pthread_mutexattr_settype(&a, k->type));
	OK(pthread_mutexattr_setprotocol(&a, protocol));
	OK(pthread_mutexattr_getprotocol(&a, &got));
	EQ(got, protocol);
	if(k->robust)
		OK(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
	if(protocol == PTHREAD_PRIO_PROTECT) {
		OK(pthread_mutexattr_setprioceiling(&a, ceiling));
		OK(pthread_mutexattr_getprioceiling(&a, &got));
		EQ(got, ceiling);
	}
	e = pthread_mutex_init(&m, &a);
	OK(pthread_mutexattr_destroy(&a));
	return e;
}

/* A thread of its own finds what it finds: 0, EBUSY, ETIMEDOUT. */
static void *
tries(void *arg)
{
	struct timespec past = deadline(CLOCK_REALTIME, -1 * SEC), soon = deadline(CLOCK_REALTIME, 20 * MS);
	struct timespec mono = deadline(CLOCK_MONOTONIC, 20 * MS);

	EQ(pthread_mutex_trylock(&m), EBUSY);
	EQ(pthread_mutex_timedlock(&m, &past), ETIMEDOUT);
	EQ(pthread_mutex_timedlock(&m, &soon), ETIMEDOUT);
	EQ(pthread_mutex_clocklock(&m, CLOCK_REALTIME, &past), ETIMEDOUT);
	past.tv_nsec = 1000000000;
	EQ(pthread_mutex_timedlock(&m, &past), EINVAL);
	EQ(pthread_mutex_clocklock(&m, CLOCK_PROCESS_CPUTIME_ID, &mono), EINVAL);
	return arg;
}

/* The clock CLOCK_MONOTONIC is refused for PI mutexes where the kernel is too old for it. */
static void *
monotonic(void *arg)
{
	struct timespec t = deadline(CLOCK_MONOTONIC, 20 * MS);

	*(int *)arg = pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &t);
	return NULL;
}

static void *
waits(void *arg)
{
	OK(pthread_mutex_lock(&m));
	counter++;
	OK(pthread_mutex_unlock(&m));
	return arg;
}

static void *
adds(void *arg)
{
	for(int i = 0; i < ROUNDS; i++) {
		struct timespec t = deadline(CLOCK_REALTIME, 20 * SEC);
		long was;

		if(i % 3 == 0)
			OK(pthread_mutex_timedlock(&m, &t));
		else if(i % 3 != 1 || pthread_mutex_trylock(&m) != 0)
			OK(pthread_mutex_lock(&m));
		was = counter;
		if(i % 50 == 0)
			sched_yield();
		counter = was + 1;
		OK(pthread_mutex_unlock(&m));
	}
	return arg;
}

static void *
foreign(void *arg)
{
	*(int *)arg = pthread_mutex_unlock(&m);
	return NULL;
}

static void *
dies(void *arg)
{
	OK(pthread_mutex_lock(&m));
	return arg;
}

static void
robust(void)
{
	join(spawn(dies, NULL));
	EQ(pthread_mutex_lock(&m), EOWNERDEAD);
	OK(pthread_mutex_consistent(&m));
	OK(pthread_mutex_unlock(&m));
	OK(pthread_mutex_lock(&m));
	OK(pthread_mutex_unlock(&m));
	EQ(pthread_mutex_consistent(&m), EINVAL);

	join(spawn(dies, NULL));
	EQ(pthread_mutex_trylock(&m), EOWNERDEAD);
	OK(pthread_mutex_unlock(&m)); /* as it is: nobody can have it any more */
	EQ(pthread_mutex_lock(&m), ENOTRECOVERABLE);
	EQ(pthread_mutex_trylock(&m), ENOTRECOVERABLE);
}

static void
one(const struct kind *k)
{
	int e = make(k, sched_get_priority_min(SCHED_FIFO)), got;
	pthread_t t[N];

	printf("%s: init %d\n", k->name, e);
	if(e != 0)
		return;
	e = pthread_mutex_lock(&m);
	printf("%s: lock %d\n", k->name, e);
	if(e != 0) { /* not allowed to have such a priority */
		OK(pthread_mutex_destroy(&m));
		return;
	}
	if(k->type == PTHREAD_MUTEX_RECURSIVE) {
		OK(pthread_mutex_lock(&m));
		OK(pthread_mutex_trylock(&m));
		OK(pthread_mutex_unlock(&m));
		OK(pthread_mutex_unlock(&m));
	}else if(k->type == PTHREAD_MUTEX_ERRORCHECK) {
		struct timespec ts = deadline(CLOCK_REALTIME, 1 * SEC);

		EQ(pthread_mutex_lock(&m), EDEADLK);
		EQ(pthread_mutex_timedlock(&m, &ts), EDEADLK);
		printf("%s: trylock by the owner %d\n", k->name, pthread_mutex_trylock(&m));
	}else
		EQ(pthread_mutex_trylock(&m), EBUSY);
	join(spawn(tries, NULL));
	join(spawn(monotonic, &got));
	printf("%s: clocklock %d\n", k->name, got);
	if(k->type != PTHREAD_MUTEX_NORMAL || k->robust) {
		join(spawn(foreign, &got));
		EQ(got, EPERM);
	}

	counter = 0;
	for(int i = 0; i < N; i++)
		t[i] = spawn(waits, NULL);
	msleep(5);
	EQ(counter, 0);
	OK(pthread_mutex_unlock(&m));
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(counter, N);
	if(k->type == PTHREAD_MUTEX_ERRORCHECK)
		EQ(pthread_mutex_unlock(&m), EPERM);

	counter = 0;
	for(int i = 0; i < N; i++)
		t[i] = spawn(adds, NULL);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(counter, N * ROUNDS);

	if(protocol == PTHREAD_PRIO_PROTECT) {
		OK(pthread_mutex_getprioceiling(&m, &got));
		EQ(got, sched_get_priority_min(SCHED_FIFO));
		e = pthread_mutex_setprioceiling(&m, 3, &got);
		printf("%s: setprioceiling %d, was %d\n", k->name, e, got);
		OK(pthread_mutex_getprioceiling(&m, &got));
		printf("%s: getprioceiling %d\n", k->name, got);
		EQ(pthread_mutex_setprioceiling(&m, 1000, &got), EINVAL);
		EQ(pthread_mutex_setprioceiling(&m, 0, &got), EINVAL);
	}else {
		EQ(pthread_mutex_getprioceiling(&m, &got), EINVAL);
		EQ(pthread_mutex_setprioceiling(&m, 3, &got), EINVAL);
	}
	if(k->robust)
		robust();
	OK(pthread_mutex_destroy(&m));
}

/* With a condition variable: the waiter gives it up and has it again. */
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int turn;

static void *
pingpong(void *arg)
{
	int me = *(int *)arg;

	OK(pthread_mutex_lock(&m));
	for(int i = 0; i < 200; i++) {
		while(turn != me)
			OK(pthread_cond_wait(&c, &m));
		turn = !me;
		OK(pthread_cond_broadcast(&c));
	}
	OK(pthread_mutex_unlock(&m));
	return NULL;
}

static void
conds(void)
{
	int me[] = { 0, 1 }, e = make(&kinds[0], sched_get_priority_min(SCHED_FIFO));
	pthread_t t[2];
	struct timespec ts;

	EQ(e, 0);
	if(pthread_mutex_lock(&m) != 0)
		return;
	ts = deadline(CLOCK_REALTIME, 5 * MS);
	EQ(pthread_cond_timedwait(&c, &m, &ts), ETIMEDOUT);
	OK(pthread_mutex_unlock(&m));
	for(int i = 0; i < 2; i++)
		t[i] = spawn(pingpong, &me[i]);
	for(int i = 0; i < 2; i++)
		join(t[i]);
	OK(pthread_mutex_destroy(&m));
	puts("conds ok");
}

/*
 * While it has such a mutex a thread has at least its ceiling's priority, and then again its own. One
 * with a higher priority may not have it.
 */
static void *
boosted(void *arg)
{
	struct sched_param sp = { .sched_priority = 2 };
	pthread_mutex_t m2;
	int p, e;

	e = pthread_setschedparam(pthread_self(), SCHED_FIFO, &sp);
	printf("SCHED_FIFO: %d\n", e);
	if(e != 0)
		return arg;
	OK(make(&kinds[0], 6));
	OK(pthread_mutex_lock(&m));
	OK(sched_getparam(0, &sp));
	EQ(sp.sched_priority, 6);
	OK(pthread_getschedparam(pthread_self(), &p, &sp));
	printf("while it has it: policy %d priority %d\n", p, sp.sched_priority);
	m2 = m;
	OK(make(&kinds[0], 9));
	OK(pthread_mutex_lock(&m));
	OK(sched_getparam(0, &sp));
	EQ(sp.sched_priority, 9);
	sp.sched_priority = 4;
	OK(pthread_setschedparam(pthread_self(), SCHED_FIFO, &sp));
	OK(sched_getparam(0, &sp));
	printf("its own changed meanwhile: %d\n", sp.sched_priority);
	OK(pthread_mutex_unlock(&m));
	OK(sched_getparam(0, &sp));
	printf("the higher one given back: %d\n", sp.sched_priority);
	OK(pthread_mutex_unlock(&m2));
	OK(sched_getparam(0, &sp));
	printf("both given back: %d\n", sp.sched_priority);
	sp.sched_priority = 8;
	OK(pthread_setschedparam(pthread_self(), SCHED_FIFO, &sp));
	EQ(pthread_mutex_lock(&m2), EINVAL);
	EQ(pthread_mutex_trylock(&m2), EINVAL);
	sp.sched_priority = 0;
	OK(pthread_setschedparam(pthread_self(), SCHED_OTHER, &sp));
	OK(sched_getparam(0, &sp));
	EQ(sp.sched_priority, 0);
	return arg;
}

static void *
protect(void *arg)
{
	struct sched_param sp = { .sched_priority = 1 };
	int e;

	protocol = PTHREAD_PRIO_PROTECT;
	/* without a real-time policy it cannot have it at all, and is told once */
	OK(make(&kinds[0], 1));
	printf("SCHED_OTHER: lock %d\n", pthread_mutex_lock(&m));
	OK(pthread_mutex_destroy(&m));
	EQ(make(&kinds[0], 1), 0);
	e = pthread_setschedparam(pthread_self(), SCHED_FIFO, &sp);
	printf("SCHED_FIFO: %d\n", e);
	return e == 0 ? arg : NULL;
}

static void *
protects(void *arg)
{
	if(protect(arg) == NULL)
		return arg;
	for(int i = 0; i < NKINDS; i++)
		one(&kinds[i]);
	conds();
	return arg;
}

int
main(void)
{
	pthread_mutexattr_t a;

	setvbuf(stdout, NULL, _IOLBF, 0);
	OK(pthread_mutexattr_init(&a));
	EQ(pthread_mutexattr_setprotocol(&a, 17), EINVAL);
	EQ(pthread_mutexattr_setprioceiling(&a, 0), EINVAL);
	EQ(pthread_mutexattr_setprioceiling(&a, 100), EINVAL);
	protocol = PTHREAD_PRIO_INHERIT;
	for(int i = 0; i < NKINDS; i++)
		one(&kinds[i]);
	conds();
	join(spawn(protects, &protocol));
	join(spawn(boosted, &protocol));
	join(spawn(protects, &protocol)); /* nothing is left of those */
	puts("ok");
	return 0;
}
