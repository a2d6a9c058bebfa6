/* SPDX-License-Identifier: MIT */
/*
 * Timers that signal another thread (SIGEV_THREAD_ID), and timers of another thread's CPU time: the handler runs on that thread,
 * whatever it is doing, and ends its wait or not as SA_RESTART says.
 */
#include "untilhit.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { LOCKS = NHIT, SIGWAITS, READS, YIELDS, FLOCKS, WAITPIDS, N };
static const char *const names[] = { "sleeps", "waits", "polls", "runs", "locks", "sigwaits", "reads", "yields", "flocks", "waitpids" };

static struct thread {
	pthread_t t;
	int state, fds[2];
	atomic_int tid, hits, wrong, code, value, done;
	pthread_mutex_t m;
} th[N];
static __thread struct thread *self;

static void
onsig(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	if(self == NULL || sig != SIGRTMIN + 1) {
		_exit(9);
		return;
	}
	self->code = si->si_code;
	self->value = si->si_value.sival_int;
	self->wrong += syscall(SYS_gettid) != self->tid;
	self->hits++;
}

static void *
target(void *arg)
{
	struct thread *t = self = arg;
	sigset_t s;
	siginfo_t si;
	char ch;

	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 1);
	if(t->state == SIGWAITS)
		OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
	t->tid = gettid();
	switch(t->state) {
	case LOCKS:
		OK(pthread_mutex_lock(&t->m));
		break;
	case SIGWAITS:
		EQ(sigwaitinfo(&s, &si), SIGRTMIN + 1);
		t->code = si.si_code;
		t->value = si.si_value.sival_int;
		t->hits++;
		break;
	case READS:
		EQ(read(t->fds[0], &ch, 1), 1); /* restarts: see below */
		break;
	case YIELDS:
		while(t->hits == 0)
			sched_yield();
		break;
	case FLOCKS: /* restarts, in the kernel */
		OK(flock(t->fds[0], LOCK_EX));
		break;
	case WAITPIDS:
		CHECK(waitpid(-1, NULL, 0) > 0);
		break;
	default:
		untilhit(t->state, &t->hits);
	}
	EQ(t->hits, 1);
	t->done = 1;
	return arg;
}

/* ---- CPU time of another thread ---- */

static atomic_int burning, cputicks;
static volatile int burnt;

static void
ontick(int sig)
{
	(void)sig;
	cputicks++;
}

static void *
burns(void *arg)
{
	atomic_int *id = arg;

	*id = gettid();
	while(burning)
		burnt++;
	return arg;
}

static void
cpu(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 5 };
	struct itimerspec it = { { 0, 5000000 }, { 0, 5000000 } };
	atomic_int id = 0, id2 = 0;
	clockid_t clock, idle;
	pthread_t t, t2;
	timer_t tm, tm2;
	int was;

	signal(SIGRTMIN + 5, ontick);
	burning = 1;
	t = spawn(burns, &id);
	while(id == 0)
		sched_yield();
	OK(pthread_getcpuclockid(t, &clock));
	EQ(timer_create(clock, &ev, &tm), 0);
	EQ(timer_settime(tm, 0, &it, NULL), 0);
	while(cputicks < 5)
		usleep(1000);
	burning = 0;
	join(t);
	EQ(timer_delete(tm), 0);

	/* one that uses none */
	th[0].m = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	was = cputicks;
	OK(pthread_getcpuclockid(pthread_self(), &idle));
	EQ(timer_create(idle, &ev, &tm2), 0);
	it.it_value.tv_sec = 100;
	EQ(timer_settime(tm2, 0, &it, NULL), 0);
	burning = 1;
	t2 = spawn(burns, &id2);
	msleep(20);
	burning = 0;
	join(t2);
	EQ(cputicks, was);
	EQ(timer_delete(tm2), 0);
	puts("cpu time ok");
}

int
main(void)
{
	struct sigaction sa = { .sa_sigaction = onsig, .sa_flags = SA_SIGINFO };
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1 };
	struct itimerspec it = { .it_value = { 0, 1000000 } };
	timer_t tm[N], bad;
	char path[64];
	pid_t child = 0;
	int held = -1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	EQ(sigaction(SIGRTMIN + 1, &sa, NULL), 0);
	ev.sigev_notify_thread_id = 0x1ffffff0;
	EQ(timer_create(CLOCK_MONOTONIC, &ev, &bad), -1);
	EQ(errno, EINVAL);
	for(int i = 0; i < N; i++) {
		th[i].state = i;
		EQ(pipe(th[i].fds), 0);
		OK(pthread_mutex_init(&th[i].m, NULL));
		OK(pthread_mutex_lock(&th[i].m));
		if(i == READS) {
			sa.sa_flags |= SA_RESTART; /* for the rest */
			EQ(sigaction(SIGRTMIN + 1, &sa, NULL), 0);
		}
		if(i == FLOCKS) {
			snprintf(path, sizeof path, "/tmp/timer_other.XXXXXX");
			CHECK((held = mkstemp(path)) >= 0);
			CHECK((th[i].fds[0] = open(path, O_RDWR)) >= 0);
			OK(unlink(path));
			OK(flock(held, LOCK_EX));
		}
		if(i == WAITPIDS && (child = fork()) == 0)
			for(;;)
				pause();
		th[i].t = spawn(target, &th[i]);
		while(th[i].tid == 0)
			sched_yield();
		msleep(2);
		ev.sigev_notify_thread_id = th[i].tid;
		ev.sigev_value.sival_int = 100 + i;
		EQ(timer_create(CLOCK_MONOTONIC, &ev, &tm[i]), 0);
		EQ(timer_settime(tm[i], 0, &it, NULL), 0);
		while(th[i].hits == 0)
			usleep(500);
		if(i == LOCKS) {
			EQ(th[i].done, 0);
			OK(pthread_mutex_unlock(&th[i].m));
		}
		if(i == FLOCKS) {
			EQ(th[i].done, 0);
			OK(flock(held, LOCK_UN));
		}
		if(i == WAITPIDS) {
			EQ(th[i].done, 0);
			OK(kill(child, SIGKILL));
		}
		if(i == READS) {
			msleep(2);
			EQ(th[i].done, 0);
			EQ(write(th[i].fds[1], "x", 1), 1);
		}
		join(th[i].t);
		EQ(th[i].wrong, 0);
		EQ(th[i].code, SI_TIMER);
		EQ(th[i].value, 100 + i);
		EQ(timer_delete(tm[i]), 0);
		printf("%s: ok\n", names[i]);
	}
	cpu();
	return 0;
}
