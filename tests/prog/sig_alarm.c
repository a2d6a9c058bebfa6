/* SPDX-License-Identifier: MIT */
/* alarm, setitimer and timer_create: their signals come while all threads wait or compute, and never early. */
#include "io_util.h"

static atomic_int alarms, prof, rt;
static int self[2], never[2];

static void
onalarm(int sig)
{
	int e = errno;
	if(sig == SIGALRM)
		alarms++;
	else if(sig == SIGPROF || sig == SIGVTALRM)
		prof++;
	else
		rt++;
	if(sig != SIGPROF && sig != SIGVTALRM)
		(void)!write(self[1], "a", 1);
	errno = e;
}

static void *
waiter(void *arg)
{
	return waiteof(FDARG(never[0]));
}

static void
await(void)
{
	char b;
	ssize_t n;
	while((n = read(self[0], &b, 1)) != 1) {
		EQ(n, -1);
		EQ(errno, EINTR);
	}
}

static void
itimer(void)
{
	struct itimerval it = { { 0, 10000 }, { 0, 10000 } }, left;
	int64_t t0 = now();
	alarms = 0;
	OK(setitimer(ITIMER_REAL, &it, NULL));
	for(int i = 0; i < 8; i++)
		await();
	/* Standard signals do not queue: fewer than the ticks, never more. */
	TOOK(t0, 80 * MS, 80 * MS);
	it = (struct itimerval){ { 0, 0 }, { 0, 0 } };
	OK(setitimer(ITIMER_REAL, &it, &left));
	EQ(left.it_interval.tv_usec, 10000);
	CHECK(alarms >= 8);
	OK(fcntl(self[0], F_SETFL, O_NONBLOCK));
	char b;
	while(read(self[0], &b, 1) == 1)
		;
	OK(fcntl(self[0], F_SETFL, 0));
	pass("setitimer");
}

static void
posixtimer(void)
{
	struct sigevent se = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3 };
	struct itimerspec it = { { 0, 0 }, { 0, 30 * MS } };
	timer_t t;
	int64_t t0 = now();
	OK(timer_create(CLOCK_MONOTONIC, &se, &t));
	OK(timer_settime(t, 0, &it, NULL));
	await();
	TOOK(t0, 30 * MS, 30 * MS);
	EQ(rt, 1);
	OK(timer_delete(t));
	pass("timer_create");
}

/* CPU time timers tick for threads that compute. */
static void *
burner(void *arg)
{
	int64_t t0 = now();
	while(prof < 3)
		CHECK(now() - t0 < 20 * SEC);
	return NULL;
}

static void
cputime(void)
{
	struct itimerval it = { { 0, 5000 }, { 0, 5000 } }, off = { 0 };
	OK(setitimer(ITIMER_PROF, &it, NULL));
	join(spawn(burner, NULL));
	OK(setitimer(ITIMER_PROF, &off, NULL));
	prof = 0;
	OK(setitimer(ITIMER_VIRTUAL, &it, NULL));
	join(spawn(burner, NULL));
	OK(setitimer(ITIMER_VIRTUAL, &off, NULL));
	pass("CPU time timers");
}

static void *
thread(void *arg)
{
	return arg;
}

static sem_t fired;

static void
notify(union sigval v)
{
	EQ(v.sival_int, 4242);
	/* A thread like any other. */
	CHECK(join(spawn(thread, &fired)) == &fired);
	sem_post(&fired);
}

static void
bythread(void)
{
	struct sigevent se = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = notify, .sigev_value.sival_int = 4242 };
	struct itimerspec it = { { 0, 5 * MS }, { 0, 5 * MS } };
	timer_t t;
	OK(sem_init(&fired, 0, 0));
	OK(timer_create(CLOCK_MONOTONIC, &se, &t));
	OK(timer_settime(t, 0, &it, NULL));
	for(int i = 0; i < 3; i++)
		while(sem_wait(&fired) < 0)
			EQ(errno, EINTR);
	OK(timer_delete(t));
	pass("SIGEV_THREAD");
}

int
main(void)
{
	struct sigaction sa = { .sa_handler = onalarm };
	OK(pipe(self));
	OK(pipe(never));
	OK(sigaction(SIGALRM, &sa, NULL));
	OK(sigaction(SIGPROF, &sa, NULL));
	OK(sigaction(SIGVTALRM, &sa, NULL));
	OK(sigaction(SIGRTMIN + 3, &sa, NULL));
	pthread_t *t = spawnall(10, waiter);

	EQ(alarm(100), 0);
	EQ(alarm(50), 100);
	itimer(); /* takes the alarm's place */
	posixtimer();
	cputime();
	bythread();
	int64_t t0 = now();
	EQ(alarm(1), 0);
	await();
	TOOK(t0, SEC, SEC);
	pass("alarm");
	OK(close(never[1]));
	joinall(t, 10);
	return 0;
}
