/* SPDX-License-Identifier: MIT */
/* Affinity, policy and priority of another thread, whatever it is doing: the getters tell at once, the thread finds it so itself. */
#include "prog.h"
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/syscall.h>

enum { RUNS, PARKED, LOCKS, READS, SLEEPS, POLLS, INCALL, YIELDS, NSTATES };
static const char *const names[] = { "runs", "parked", "locks", "reads", "sleeps", "polls", "in a call", "yields" };

static struct thread {
	pthread_t t;
	int state, fds[2];
	pid_t tid;
	atomic_int ready, go;
	sem_t sem;
	pthread_mutex_t m;
} th[NSTATES];

static cpu_set_t all, one;
static int cpu;

/* What the thread itself finds, by libc and by number. */
static void
mine(struct thread *t, int nice, int policy)
{
	struct sched_param sp;
	cpu_set_t got;
	int p;

	OK(pthread_getaffinity_np(pthread_self(), sizeof got, &got));
	CHECK(CPU_EQUAL(&got, &one));
	CPU_ZERO(&got);
	CHECK(syscall(SYS_sched_getaffinity, 0, sizeof got, &got) > 0);
	CHECK(CPU_EQUAL(&got, &one));
	EQ(sched_getcpu(), cpu);
	EQ(getpriority(PRIO_PROCESS, 0), nice);
	EQ(getpriority(PRIO_PROCESS, t->tid), nice);
	OK(pthread_getschedparam(pthread_self(), &p, &sp));
	EQ(p, policy);
	EQ(sched_getscheduler(0), policy);
	EQ(gettid(), t->tid);
}

static void *
child(void *arg)
{
	cpu_set_t got;

	OK(pthread_getaffinity_np(pthread_self(), sizeof got, &got));
	CHECK(CPU_EQUAL(&got, &one));
	EQ(getpriority(PRIO_PROCESS, 0), 3);
	EQ(sched_getscheduler(0), SCHED_BATCH);
	return arg;
}

static void
waits(struct thread *t)
{
	struct pollfd p = { .fd = t->fds[0], .events = POLLIN };
	char ch;

	switch(t->state) {
	case RUNS:
		while(!t->go)
			;
		break;
	case PARKED:
		while(sem_wait(&t->sem) != 0)
			;
		break;
	case LOCKS:
		OK(pthread_mutex_lock(&t->m));
		OK(pthread_mutex_unlock(&t->m));
		break;
	case READS:
		EQ(read(t->fds[0], &ch, 1), 1);
		break;
	case SLEEPS:
		while(!t->go)
			usleep(50000);
		break;
	case POLLS:
		EQ(poll(&p, 1, -1), 1);
		break;
	case INCALL:
		EQ(syscall(SYS_read, t->fds[0], &ch, 1), 1);
		break;
	case YIELDS:
		while(!t->go)
			sched_yield();
		break;
	}
}

static void *
thread(void *arg)
{
	struct thread *t = arg;

	t->tid = gettid();
	t->ready = 1;
	waits(t);
	mine(t, 3, SCHED_BATCH);
	usleep(1000);
	mine(t, 3, SCHED_BATCH);
	join(spawn(child, NULL));
	return arg;
}

static void
change(struct thread *t)
{
	struct sched_param sp = { 0 };
	cpu_set_t none, got;
	int p;

	CPU_ZERO(&none);
	EQ(pthread_setaffinity_np(t->t, sizeof none, &none), EINVAL);
	OK(pthread_getaffinity_np(t->t, sizeof got, &got));
	CHECK(CPU_EQUAL(&got, &all));
	EQ(pthread_setschedparam(t->t, 77, &sp), EINVAL);
	sp.sched_priority = 5;
	EQ(pthread_setschedparam(t->t, SCHED_BATCH, &sp), EINVAL);
	EQ(pthread_setschedprio(t->t, 5), EINVAL);
	OK(pthread_setschedprio(t->t, 0));
	EQ(sched_setscheduler(t->tid, 77, &sp), -1);
	EQ(errno, EINVAL);
	EQ(sched_setparam(t->tid, &sp), -1);
	EQ(errno, EINVAL);

	if(t->state % 2)
		OK(pthread_setaffinity_np(t->t, sizeof one, &one));
	else
		EQ(sched_setaffinity(t->tid, sizeof one, &one), 0);
	OK(pthread_getaffinity_np(t->t, sizeof got, &got));
	CHECK(CPU_EQUAL(&got, &one));
	EQ(sched_getaffinity(t->tid, sizeof got, &got), 0);
	CHECK(CPU_EQUAL(&got, &one));
	EQ(setpriority(PRIO_PROCESS, (id_t)t->tid, 3), 0);
	EQ(getpriority(PRIO_PROCESS, (id_t)t->tid), 3);
	sp.sched_priority = 0;
	if(t->state % 3)
		OK(pthread_setschedparam(t->t, SCHED_BATCH, &sp));
	else
		EQ(sched_setscheduler(t->tid, SCHED_BATCH, &sp), 0);
	OK(pthread_getschedparam(t->t, &p, &sp));
	EQ(p, SCHED_BATCH);
	EQ(sched_getscheduler(t->tid), SCHED_BATCH);
}

static void
let(struct thread *t)
{
	t->go = 1;
	switch(t->state) {
	case PARKED: sem_post(&t->sem); break;
	case LOCKS: pthread_mutex_unlock(&t->m); break;
	case READS: case POLLS: case INCALL: EQ(write(t->fds[1], "x", 1), 1); break;
	}
}

/* Whoever has ended is not there. */
static void *
ends(void *arg)
{
	*(pid_t *)arg = gettid();
	return NULL;
}

/* Many at once change one that comes and goes: no kernel thread is left over, nobody hangs. */
static pthread_t victim;

static void *
changer(void *arg)
{
	struct sched_param sp = { 0 };

	for(int i = 0; i < 20; i++) {
		OK(pthread_setaffinity_np(victim, sizeof one, i % 2 ? &one : &all));
		EQ(pthread_setschedparam(victim, 99, &sp), EINVAL);
		OK(pthread_setschedparam(victim, i % 2 ? SCHED_BATCH : SCHED_OTHER, &sp));
		sched_yield();
	}
	return arg;
}

static void *
target(void *arg)
{
	sem_t *s = arg;

	while(sem_trywait(s) != 0) {
		OK(pthread_setname_np(pthread_self(), "target"));
		usleep(100);
	}
	return arg;
}

int
main(void)
{
	pthread_t t[4];
	pid_t tid = 0;
	sem_t s;

	usualnice();
	EQ(sched_getaffinity(0, sizeof all, &all), 0);
	for(cpu = 0; !CPU_ISSET(cpu, &all); cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	for(int i = 0; i < NSTATES; i++) {
		th[i].state = i;
		EQ(pipe(th[i].fds), 0);
		OK(sem_init(&th[i].sem, 0, 0));
		OK(pthread_mutex_init(&th[i].m, NULL));
		OK(pthread_mutex_lock(&th[i].m));
		th[i].t = spawn(thread, &th[i]);
		while(!th[i].ready)
			sched_yield();
		usleep(2000);
	}
	for(int i = 0; i < NSTATES; i++) {
		change(&th[i]);
		if(i % 2)
			usleep(3000);
	}
	for(int i = 0; i < NSTATES; i++) {
		let(&th[i]);
		join(th[i].t);
		printf("%s: ok\n", names[i]);
	}
	EQ(sched_getcpu() >= 0, 1);
	EQ(getpriority(PRIO_PROCESS, 0), 0);

	join(spawn(ends, &tid));
	EQ(sched_setaffinity(tid, sizeof one, &one), -1);
	EQ(errno, ESRCH);
	EQ(setpriority(PRIO_PROCESS, (id_t)tid, 3), -1);
	EQ(errno, ESRCH);

	for(int round = 0; round < 20; round++) {
		OK(sem_init(&s, 0, 0));
		victim = spawn(target, &s);
		for(int i = 0; i < 4; i++)
			t[i] = spawn(changer, NULL);
		if(round % 2)
			usleep(500);
		for(int i = 0; i < 4; i++)
			join(t[i]);
		sem_post(&s);
		join(victim);
	}
	puts("ok");
	return 0;
}
