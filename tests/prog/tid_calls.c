/* SPDX-License-Identifier: MIT */
/*
 * A thread's id: one a thread, the same from gettid() and by system call number, and good for
 * the calls that take one; what is changed by it is that thread's alone. Its CPU clock can be read by others.
 */
#include "prog.h"
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define N 8

static pid_t ids[N];
static clockid_t clocks[N];
static pthread_barrier_t bar;
static __thread volatile sig_atomic_t got;

static void
handler(int sig)
{
	got++;
}

/* set_tid_address: the word is told of the thread's end, and a waiter woken. */
static int alive = 1;

static void *
ends(void *arg)
{
	int *old = NULL;

	if(prctl(PR_GET_TID_ADDRESS, &old) == 0) { /* not every kernel has it */
		CHECK(old != NULL);
		EQ(syscall(SYS_set_tid_address, old), gettid());
	}
	if(arg != NULL) { /* not for a thread that is joined, which libc waits for by that word */
		pthread_detach(pthread_self());
		EQ(syscall(SYS_set_tid_address, &alive), gettid());
	}
	return NULL;
}

static void
ending(void)
{
	join(spawn(ends, NULL));
	spawn(ends, &alive);
	while(__atomic_load_n(&alive, __ATOMIC_ACQUIRE) == 1)
		syscall(SYS_futex, &alive, FUTEX_WAIT, 1, NULL, NULL, 0);
	EQ(alive, 0);
}

static void *
work(void *arg)
{
	intptr_t i = (intptr_t)arg;
	cpu_set_t set;

	ids[i] = (pid_t)syscall(SYS_gettid);
	EQ(gettid(), ids[i]);
	EQ(syscall(SYS_getpriority, PRIO_PROCESS, ids[i]), 20);
	EQ(syscall(SYS_setpriority, PRIO_PROCESS, ids[i], i), 0);
	EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 20 - i);
	EQ(getpriority(PRIO_PROCESS, (id_t)ids[i]), i);
	CHECK(syscall(SYS_sched_getaffinity, ids[i], sizeof set, &set) > 0);
	OK(syscall(SYS_sched_setaffinity, ids[i], sizeof set, &set));
	EQ(syscall(SYS_sched_getscheduler, ids[i]), SCHED_OTHER);
	EQ(syscall(SYS_tgkill, getpid(), ids[i], SIGUSR1), 0);
	EQ(got, 1);
	OK(pthread_getcpuclockid(pthread_self(), &clocks[i]));
	CHECK(clocks[i] != CLOCK_THREAD_CPUTIME_ID);
	pthread_barrier_wait(&bar); /* all have their ids */
	EQ(syscall(SYS_tgkill, getpid(), ids[(i + 1) % N], SIGUSR1), 0);
	pthread_barrier_wait(&bar); /* all have been sent theirs */
	for(int k = 0; got < 2 && k < 10000; k++)
		msleep(1);
	EQ(got, 2);
	EQ(syscall(SYS_gettid), ids[i]);
	EQ(syscall(SYS_getpriority, PRIO_PROCESS, ids[i]), 20 - i);
	int64_t t = clockns(clocks[i]);
	while(clockns(CLOCK_THREAD_CPUTIME_ID) < t + 2 * MS)
		;
	pthread_barrier_wait(&bar);
	CHECK(clockns(clocks[i]) >= t + 2 * MS);
	pthread_barrier_wait(&bar); /* main has looked */
	return NULL;
}

int
main(void)
{
	struct sigaction sa = {.sa_handler = handler};
	pthread_t t[N];

	usualnice();
	EQ(syscall(SYS_gettid), getpid());
	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(pthread_barrier_init(&bar, NULL, N + 1));
	for(intptr_t i = 0; i < N; i++)
		t[i] = spawn(work, (void *)i);
	for(int k = 0; k < 3; k++)
		pthread_barrier_wait(&bar);
	for(int i = 0; i < N; i++) {
		CHECK(ids[i] != getpid());
		for(int j = 0; j < i; j++) {
			CHECK(ids[i] != ids[j]);
			CHECK(clocks[i] != clocks[j]);
		}
		EQ(getpriority(PRIO_PROCESS, (id_t)ids[i]), i);
		CHECK(clockns(clocks[i]) > 0);
	}
	EQ(syscall(SYS_gettid), getpid());
	EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 20);
	pthread_barrier_wait(&bar);
	for(int i = 0; i < N; i++)
		join(t[i]);
	ending();
	puts("ok");
	return 0;
}
