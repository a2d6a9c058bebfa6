/* SPDX-License-Identifier: MIT */
/*
 * Attributes as they are told back: of threads, mutexes, conditions, rwlocks and barriers, each set and got, by the current and the older names; and that a
 * thread has what its attributes said. Limits of policies; a thread's capabilities and priorities by libc's names.
 */
#include "prog.h"
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/capability.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

extern int capset(struct __user_cap_header_struct *, const struct __user_cap_data_struct *);
extern int capget(struct __user_cap_header_struct *, struct __user_cap_data_struct *);

static cpu_set_t one, all;

static void *
hasall(void *arg)
{
	pthread_attr_t got;
	struct sched_param sp;
	size_t size, guard;
	cpu_set_t set;
	sigset_t mask;
	void *addr;
	char here;
	int v;

	OK(pthread_sigmask(SIG_BLOCK, NULL, &mask));
	EQ(sigismember(&mask, SIGUSR1), 1);
	EQ(sigismember(&mask, SIGUSR2), 0);
	OK(pthread_getaffinity_np(pthread_self(), sizeof set, &set));
	CHECK(CPU_EQUAL(&set, &one));
	OK(pthread_getschedparam(pthread_self(), &v, &sp));
	EQ(v, SCHED_OTHER);
	EQ(sp.sched_priority, 0);
	OK(pthread_getattr_np(pthread_self(), &got));
	OK(pthread_attr_getschedpolicy(&got, &v));
	EQ(v, SCHED_OTHER);
	OK(pthread_attr_getschedparam(&got, &sp));
	EQ(sp.sched_priority, 0);
	OK(pthread_attr_getscope(&got, &v));
	EQ(v, PTHREAD_SCOPE_SYSTEM);
	OK(pthread_attr_getaffinity_np(&got, sizeof set, &set));
	CHECK(CPU_EQUAL(&set, &one));
	OK(pthread_attr_getstack(&got, &addr, &size));
	CHECK(&here >= (char *)addr && &here < (char *)addr + size);
	OK(pthread_attr_getstackaddr(&got, &addr)); /* its other end */
	CHECK(&here < (char *)addr && &here > (char *)addr - size);
	OK(pthread_attr_getguardsize(&got, &guard));
	EQ(guard, 8192);
	OK(pthread_attr_destroy(&got));
	return arg;
}

static void
threadattr(void)
{
	struct sched_param sp = { 0 };
	pthread_attr_t a;
	cpu_set_t set;
	sigset_t mask, got;
	int v;

	OK(pthread_attr_init(&a));
	OK(pthread_attr_getscope(&a, &v));
	EQ(v, PTHREAD_SCOPE_SYSTEM);
	EQ(pthread_attr_getsigmask_np(&a, &got), PTHREAD_ATTR_NO_SIGMASK_NP);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	OK(pthread_attr_setsigmask_np(&a, &mask));
	EQ(pthread_attr_getsigmask_np(&a, &got), 0);
	EQ(sigismember(&got, SIGUSR1), 1);
	OK(pthread_attr_setaffinity_np(&a, sizeof one, &one));
	OK(pthread_attr_getaffinity_np(&a, sizeof set, &set));
	CHECK(CPU_EQUAL(&set, &one));
	OK(pthread_attr_setschedpolicy(&a, SCHED_FIFO));
	OK(pthread_attr_getschedpolicy(&a, &v));
	EQ(v, SCHED_FIFO);
	EQ(pthread_attr_setschedpolicy(&a, 77), EINVAL);
	OK(pthread_attr_setschedpolicy(&a, SCHED_OTHER));
	OK(pthread_attr_setschedparam(&a, &sp));
	sp.sched_priority = 5;
	EQ(pthread_attr_setschedparam(&a, &sp), EINVAL); /* not one of that policy's */
	OK(pthread_attr_getschedparam(&a, &sp));
	EQ(sp.sched_priority, 0);
	OK(pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED));
	EQ(pthread_attr_setinheritsched(&a, 9), EINVAL);
	OK(pthread_attr_setguardsize(&a, 8192));
	OK(pthread_attr_setstacksize(&a, 512 << 10));
	for(int i = 0; i < 3; i++) {
		pthread_t t;

		OK(pthread_create(&t, &a, hasall, &one));
		CHECK(join(t) == &one);
	}
	OK(pthread_attr_destroy(&a));
	OK(pthread_getaffinity_np(pthread_self(), sizeof set, &set));
	CHECK(CPU_EQUAL(&set, &all));
	EQ(sched_getscheduler(0), SCHED_OTHER);
}

/* The oldest way to give a stack: its end. */
static void *
onstack(void *arg)
{
	char here;

	CHECK(&here >= (char *)arg && &here < (char *)arg + (256 << 10));
	return arg;
}

static void
stackaddr(void)
{
	char *mem = mmap(NULL, 256 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t a;
	pthread_t t;

	CHECK(mem != MAP_FAILED);
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, 256 << 10));
	OK(pthread_attr_setstackaddr(&a, mem + (256 << 10)));
	for(int i = 0; i < 5; i++) {
		OK(pthread_create(&t, &a, onstack, mem));
		CHECK(join(t) == mem);
	}
	OK(pthread_attr_destroy(&a));
	OK(munmap(mem, 256 << 10));
}

static void
others(void)
{
	pthread_mutexattr_t m;
	pthread_condattr_t c;
	pthread_rwlockattr_t rw;
	pthread_barrierattr_t b;
	pthread_mutex_t robust;
	clockid_t clock;
	int v;

	OK(pthread_mutexattr_init(&m));
	OK(pthread_mutexattr_settype(&m, PTHREAD_MUTEX_RECURSIVE));
	OK(pthread_mutexattr_gettype(&m, &v));
	EQ(v, PTHREAD_MUTEX_RECURSIVE);
	OK(pthread_mutexattr_setrobust_np(&m, PTHREAD_MUTEX_ROBUST_NP));
	OK(pthread_mutexattr_getrobust_np(&m, &v));
	EQ(v, PTHREAD_MUTEX_ROBUST_NP);
	EQ(pthread_mutexattr_settype(&m, 77), EINVAL);
	EQ(pthread_mutexattr_setpshared(&m, 77), EINVAL);
	OK(pthread_mutex_init(&robust, &m));
	EQ(pthread_mutex_consistent_np(&robust), EINVAL); /* nobody has died */
	OK(pthread_mutex_lock(&robust));
	OK(pthread_mutex_unlock(&robust));
	OK(pthread_mutex_destroy(&robust));
	OK(pthread_mutexattr_destroy(&m));

	OK(pthread_condattr_init(&c));
	OK(pthread_condattr_getpshared(&c, &v));
	EQ(v, PTHREAD_PROCESS_PRIVATE);
	OK(pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED));
	OK(pthread_condattr_getpshared(&c, &v));
	EQ(v, PTHREAD_PROCESS_SHARED);
	OK(pthread_condattr_setclock(&c, CLOCK_MONOTONIC));
	OK(pthread_condattr_getclock(&c, &clock));
	EQ(clock, CLOCK_MONOTONIC);
	EQ(pthread_condattr_setclock(&c, CLOCK_THREAD_CPUTIME_ID), EINVAL);
	OK(pthread_condattr_destroy(&c));

	OK(pthread_rwlockattr_init(&rw));
	OK(pthread_rwlockattr_setpshared(&rw, PTHREAD_PROCESS_SHARED));
	OK(pthread_rwlockattr_getpshared(&rw, &v));
	EQ(v, PTHREAD_PROCESS_SHARED);
	OK(pthread_rwlockattr_setkind_np(&rw, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
	OK(pthread_rwlockattr_getkind_np(&rw, &v));
	EQ(v, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	OK(pthread_rwlockattr_destroy(&rw));

	OK(pthread_barrierattr_init(&b));
	OK(pthread_barrierattr_getpshared(&b, &v));
	EQ(v, PTHREAD_PROCESS_PRIVATE);
	OK(pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED));
	OK(pthread_barrierattr_getpshared(&b, &v));
	EQ(v, PTHREAD_PROCESS_SHARED);
	OK(pthread_barrierattr_destroy(&b));
}

/* Asked by another thread. */
static _Atomic int bound, over;

static void *
binds(void *arg)
{
	OK(pthread_setaffinity_np(pthread_self(), sizeof one, &one));
	bound = 1;
	while(!over)
		usleep(200);
	return arg;
}

static void
another(void)
{
	pthread_attr_t a;
	cpu_set_t set;
	pthread_t t;

	bound = over = 0;
	t = spawn(binds, NULL);
	while(!bound)
		sched_yield();
	OK(pthread_getattr_np(t, &a));
	OK(pthread_attr_getaffinity_np(&a, sizeof set, &set));
	CHECK(CPU_EQUAL(&set, &one));
	OK(pthread_attr_destroy(&a));
	OK(pthread_getattr_np(pthread_self(), &a));
	OK(pthread_attr_getaffinity_np(&a, sizeof set, &set));
	CHECK(CPU_EQUAL(&set, &all));
	OK(pthread_attr_destroy(&a));
	over = 1;
	join(t);
}

static void
policies(void)
{
	struct timespec ts;

	EQ(sched_get_priority_min(SCHED_FIFO), 1);
	EQ(sched_get_priority_max(SCHED_FIFO), 99);
	EQ(sched_get_priority_max(SCHED_OTHER), 0);
	EQ(sched_get_priority_max(99), -1);
	EQ(errno, EINVAL);
	EQ(sched_rr_get_interval(0, &ts), 0);
	CHECK(ts.tv_nsec >= 0 && ts.tv_sec >= 0);
	EQ(sched_rr_get_interval(gettid(), &ts), 0);
	EQ(pthread_yield(), 0);
}

static int
cansetuid(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	EQ(capget(&h, d), 0);
	return d[0].effective >> CAP_SETUID & 1;
}

static int had;

static void *
drops(void *arg)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	EQ(capget(&h, d), 0);
	d[0].effective &= ~(1U << CAP_SETUID);
	EQ(capset(&h, d), 0);
	for(int i = 0; i < 20; i++) {
		sched_yield();
		usleep(100);
		EQ(cansetuid(), 0);
	}
	return arg;
}

static void *
keeps(void *arg)
{
	for(int i = 0; i < 20; i++) {
		EQ(cansetuid(), had);
		usleep(100);
	}
	return arg;
}

static void
capabilities(void)
{
	pthread_t t[6];

	had = cansetuid();
	for(int i = 0; i < 6; i++)
		t[i] = spawn(i % 2 ? drops : keeps, NULL);
	for(int i = 0; i < 6; i++)
		join(t[i]);
	EQ(cansetuid(), had);
}

static void *
everything(void *arg)
{
	threadattr();
	stackaddr();
	others();
	another();
	policies();
	return arg;
}

int
main(void)
{
	int cpu = 0;

	EQ(sched_getaffinity(0, sizeof all, &all), 0);
	while(!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_SET(cpu, &one);
	everything(NULL);
	join(spawn(everything, NULL));
	everything(NULL);
	capabilities();
	puts("ok");
	return 0;
}
