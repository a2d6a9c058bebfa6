/* SPDX-License-Identifier: MIT */
/*
 * The CPU time of threads: each has its own clock, which others may read, and its own usage; a timer on it goes off when it has been
 * used; a timer may signal a thread by its id.
 */
#include "prog.h"
#include <semaphore.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { IDLERS = 20, HOGS = 3, BURN = 60 };

static sem_t go, counted;
static _Atomic int stop;
static __thread volatile int hits;

static int64_t
own(void)
{
	return clockns(CLOCK_THREAD_CPUTIME_ID);
}

/* Uses ms milliseconds of CPU time by its own clock. */
static uint64_t
burn(int ms)
{
	int64_t end = own() + ms * MS;
	uint64_t s = 7;

	do
		for(int i = 0; i < 20000; i++)
			rnd(&s);
	while(own() < end);
	return s;
}

static int64_t
usage(void)
{
	struct rusage ru;

	OK(getrusage(RUSAGE_THREAD, &ru));
	return (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * SEC + (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000;
}

static void *
idler(void *arg)
{
	int64_t t = own();

	OK(sem_post(&counted));
	while(sem_wait(&go) != 0)
		;
	CHECK(own() - t < BURN * MS / 2); /* it has been asleep */
	CHECK(own() >= t);
	return arg;
}

static void *
hog(void *arg)
{
	int64_t t = own(), u = usage();
	clockid_t c;

	OK(sem_post(&counted));
	burn(BURN);
	t = own() - t;
	CHECK(t >= BURN * MS && t < 20 * BURN * MS);
	u = usage() - u;
	CHECK(u >= BURN * MS / 2 && u < 20 * BURN * MS);
	OK(pthread_getcpuclockid(pthread_self(), &c));
	t = clockns(c);
	CHECK(own() >= t && own() - t < BURN * MS);
	while(!stop)
		sched_yield();
	return arg;
}

static void
onusr(int sig)
{
	hits += sig == SIGUSR1;
}

static void *
timers(void *arg)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	struct itimerspec it = {{0, 0}, {0, 20 * MS}};
	timer_t t;

	ev._sigev_un._tid = gettid();
	OK(timer_create(CLOCK_MONOTONIC, &ev, &t));
	OK(timer_settime(t, 0, &it, NULL));
	while(hits == 0)
		usleep(1000);
	OK(timer_delete(t));
	OK(timer_create(CLOCK_THREAD_CPUTIME_ID, &ev, &t));
	OK(timer_settime(t, 0, &it, NULL));
	usleep(30000);
	EQ(hits, 1); /* it has slept */
	while(hits == 1)
		burn(5);
	OK(timer_delete(t));
	return arg;
}

int
main(void)
{
	struct sigaction sa = {.sa_handler = onusr};
	pthread_t t[IDLERS], h[HOGS];
	clockid_t c[HOGS], ci;
	int64_t was[HOGS] = {0};

	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(sem_init(&go, 0, 0));
	OK(sem_init(&counted, 0, 0));
	burn(5);
	for(int i = 0; i < IDLERS; i++)
		t[i] = spawn(idler, NULL);
	for(int i = 0; i < HOGS; i++)
		h[i] = spawn(hog, NULL);
	for(int i = 0; i < IDLERS + HOGS; i++)
		OK(sem_wait(&counted));
	for(int i = 0; i < HOGS; i++)
		OK(pthread_getcpuclockid(h[i], &c[i]));
	OK(pthread_getcpuclockid(t[0], &ci));
	for(int done = 0; done < HOGS;){
		done = 0;
		for(int i = 0; i < HOGS; i++){
			int64_t now = clockns(c[i]);

			CHECK(now >= was[i]);
			was[i] = now;
			done += now >= BURN * MS / 2;
		}
		usleep(1000);
	}
	CHECK(clockns(ci) < BURN * MS / 2);
	stop = 1;
	for(int i = 0; i < HOGS; i++)
		join(h[i]);
	for(int i = 0; i < IDLERS; i++)
		OK(sem_post(&go));
	for(int i = 0; i < IDLERS; i++)
		join(t[i]);
	CHECK(own() >= 5 * MS);
	join(spawn(timers, NULL));
	puts("ok");
	return 0;
}
