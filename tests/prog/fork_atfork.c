/* SPDX-License-Identifier: MIT */
/* atfork handlers: their order, the context that they run in, and a lock held over the fork. */
#include "io_util.h"

static __thread int tls;
static char trace[64];
static int ntrace;
static pthread_t forking;
static pthread_mutex_t lib = PTHREAD_MUTEX_INITIALIZER;
static int shared[2]; /* equal whenever the lock is free */

static void
note(char c)
{
	CHECK(pthread_equal(forking, pthread_self()));
	EQ(tls, 77);
	trace[ntrace++] = c;
}

static void preA(void) { note('a'); pthread_mutex_lock(&lib); }
static void parA(void) { note('A'); pthread_mutex_unlock(&lib); }
static void chiA(void) { note('1'); pthread_mutex_unlock(&lib); }
static void preB(void) { note('b'); free(malloc(100)); }
static void parB(void) { note('B'); }
static void chiB(void) { note('2'); free(malloc(100)); }

static atomic_bool over;

static void *
user(void *arg)
{
	while(!over) {
		pthread_mutex_lock(&lib);
		EQ(shared[0], shared[1]);
		shared[0]++;
		sched_yield();
		shared[1]++;
		pthread_mutex_unlock(&lib);
	}
	return NULL;
}

static void *
inchild(void *arg)
{
	pthread_mutex_lock(&lib);
	EQ(shared[0], shared[1]);
	pthread_mutex_unlock(&lib);
	return NULL;
}

static void *
forks(void *arg)
{
	tls = 77;
	forking = pthread_self();
	for(int i = 0, n = scale(20); i < n; i++) {
		ntrace = 0;
		pid_t pid = OK(fork());
		trace[ntrace] = 0;
		if(pid == 0) {
			CHECK(strcmp(trace, "ba12") == 0);
			inchild(NULL);
			join(spawn(inchild, NULL));
			_exit(6);
		}
		CHECK(strcmp(trace, "baAB") == 0);
		EQ(reap(pid), 6 << 8);
	}
	return NULL;
}

int
main(void)
{
	EQ(pthread_atfork(preA, parA, chiA), 0);
	EQ(pthread_atfork(preB, parB, chiB), 0);
	pthread_t *t = spawnall(3, user);
	join(spawn(forks, NULL));
	pass("thread");
	forks(NULL);
	pass("main");
	over = true;
	joinall(t, 3);
	return 0;
}
