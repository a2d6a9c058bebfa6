/* SPDX-License-Identifier: MIT */
/* procs: 1 4 */
/*
 * Affinity, priority and policy of threads that are about to end, have ended, or have just been made, by tid, from several threads
 * at once (by pthread_t glibc may take its caller for one that has just ended): either it is done or there is no such thread; no
 * kernel thread is left over, and new threads have none of it.
 */
#include "kthreads.h"
#include <sched.h>
#include <stdatomic.h>

enum { SLOTS = 8, CHANGERS = 3, ROUNDS = 150 };

static struct slot {
	atomic_int tid;
	pthread_t t;
} slots[SLOTS];
static atomic_bool over;
static atomic_long done, gone;
static cpu_set_t all, one;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *
brief(void *arg)
{
	struct slot *s = arg;
	cpu_set_t got;

	s->tid = gettid();
	OK(pthread_getaffinity_np(pthread_self(), sizeof got, &got));
	CHECK(CPU_EQUAL(&got, &all) || CPU_EQUAL(&got, &one));
	switch(s - slots) {
	case 0: break;
	case 1: sched_yield(); break;
	case 2: usleep(100); break;
	case 3: pthread_exit(arg);
	case 4:
		OK(pthread_mutex_lock(&m));
		sched_yield();
		OK(pthread_mutex_unlock(&m));
		break;
	case 5:
		for(volatile int i = 0; i < 20000; i++)
			;
		break;
	case 6:
		OK(pthread_setschedparam(pthread_self(), SCHED_OTHER, &(struct sched_param){ 0 }));
		OK(pthread_setaffinity_np(pthread_self(), sizeof one, &one));
		break;
	case 7: free(malloc(100000)); break;
	}
	return arg;
}

static void *
changes(void *arg)
{
	struct sched_param sp = { 0 };
	uint64_t r = (uint64_t)(intptr_t)arg * 77777 + 1;

	while(!over) {
		struct slot *s = &slots[rnd(&r) % SLOTS];
		int tid = s->tid, e = 0;

		if(tid == 0)
			continue;
		switch(rnd(&r) % 4) {
		case 0: e = sched_setaffinity(tid, sizeof one, &one); break;
		case 1: e = sched_setscheduler(tid, SCHED_BATCH, &sp); break;
		case 2: e = setpriority(PRIO_PROCESS, (id_t)tid, 2); break;
		case 3: e = sched_setscheduler(tid, 77, &sp) == -1 && errno == EINVAL ? 0 : -1; break;
		}
		if(e != 0)
			EQ(errno, ESRCH);
		*(e == 0 ? &done : &gone) += 1;
	}
	return NULL;
}

static void *
looks(void *arg)
{
	cpu_set_t got;

	OK(pthread_getaffinity_np(pthread_self(), sizeof got, &got));
	CHECK(CPU_EQUAL(&got, &all));
	EQ(sched_getscheduler(0), SCHED_OTHER);
	EQ(getpriority(PRIO_PROCESS, 0), 0);
	return arg;
}

int
main(void)
{
	pthread_t c[CHANGERS], l[16];

	usualnice();
	EQ(sched_getaffinity(0, sizeof all, &all), 0);
	CPU_ZERO(&one);
	for(int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if(CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	for(intptr_t i = 0; i < CHANGERS; i++)
		c[i] = spawn(changes, (void *)i);
	for(int k = 0; k < ROUNDS; k++) {
		for(int i = 0; i < SLOTS; i++)
			slots[i].t = spawn(brief, &slots[i]);
		for(int i = 0; i < SLOTS; i++) {
			if(k % 3 == 0)
				usleep(50);
		}
		for(int i = 0; i < SLOTS; i++)
			join(slots[i].t);
	}
	over = 1;
	for(int i = 0; i < CHANGERS; i++)
		join(c[i]);
	CHECK(done > 0);
	for(int i = 0; i < 16; i++)
		l[i] = spawn(looks, NULL);
	for(int i = 0; i < 16; i++)
		join(l[i]);
	looks(NULL);
	/* idle ones may be kept for some seconds */
	for(int i = 0; i < 2000 && kthreads() > 1 + 20; i++)
		usleep(10000);
	CHECK(kthreads() <= 1 + 20);
	puts("ok");
	return 0;
}
