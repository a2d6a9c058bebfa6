/* SPDX-License-Identifier: MIT */
/*
 * Flags of actions and of alternate stacks, in main, alone and with others, and in threads: SA_NODEFER, SA_RESETHAND, SA_ONSTACK, SA_SIGINFO and none;
 * alternate stacks that are in use, too small, disarmed while in use, a thread's own from the start; what sigaction and sigprocmask tell.
 */
#include "prog.h"
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { ALT = 64 << 10, USR1 = 1 << (SIGUSR1 - 1) };
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static __thread struct {
	char *alt;
	volatile sig_atomic_t hits, depth, deepest, onalt, flags, eperm;
} me;

static int
onalt(const void *p)
{
	return me.alt != NULL && (const char *)p >= me.alt && (const char *)p < me.alt + ALT;
}

static void
nests(int sig)
{
	char here;

	me.hits++;
	me.depth++;
	if(me.depth > me.deepest)
		me.deepest = me.depth;
	me.onalt += onalt(&here);
	if(me.depth < 4 && me.hits < 10)
		OK(raise(sig));
	me.depth--;
}

static void
install(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = flags }, got;

	OK(sigaction(sig, &sa, NULL));
	OK(sigaction(sig, NULL, &got));
	CHECK(got.sa_handler == fn);
	EQ(got.sa_flags & ~0x04000000, flags);
}

static void
clear(void)
{
	me.hits = me.depth = me.deepest = me.onalt = 0;
}

static void
depths(void)
{
	clear();
	install(SIGUSR1, nests, SA_NODEFER);
	OK(raise(SIGUSR1));
	EQ(me.deepest, 4); /* one in the other */
	EQ(me.hits, 4);
	clear();
	install(SIGUSR1, nests, 0);
	OK(raise(SIGUSR1));
	EQ(me.deepest, 1); /* one after the other */
	EQ(me.hits, 10);
}

/* ---- alternate stacks ---- */

static void
looks(int sig)
{
	stack_t ss, new = { .ss_flags = SS_DISABLE };
	char here;

	me.hits++;
	me.onalt += onalt(&here);
	OK(sigaltstack(NULL, &ss));
	me.flags = ss.ss_flags;
	me.eperm = sigaltstack(&new, NULL) == 0 ? 0 : errno;
	if(me.hits == 1)
		OK(raise(SIGUSR2)); /* on the same stack, deeper */
}

static void
usealt(unsigned flags)
{
	stack_t ss = { .ss_sp = me.alt, .ss_size = ALT, .ss_flags = (int)flags }, got;

	OK(sigaltstack(&ss, NULL));
	OK(sigaltstack(NULL, &got));
	CHECK(got.ss_sp == me.alt && got.ss_size == ALT);
	EQ((unsigned)got.ss_flags, flags);
}

static void
stacks(void)
{
	stack_t got;

	OK(sigaltstack(NULL, &got));
	EQ(got.ss_flags, SS_DISABLE); /* no one inherits one */
	me.alt = malloc(ALT);
	usealt(0);
	clear();
	install(SIGUSR1, looks, SA_ONSTACK);
	install(SIGUSR2, looks, SA_ONSTACK);
	OK(raise(SIGUSR1));
	EQ(me.hits, 2);
	EQ(me.onalt, 2);
	EQ(me.flags, SS_ONSTACK);
	EQ(me.eperm, EPERM);
	clear();
	install(SIGUSR1, looks, 0);
	install(SIGUSR2, looks, 0);
	OK(raise(SIGUSR1));
	EQ(me.onalt, 0);
	EQ(me.eperm, 0);
	OK(sigaltstack(NULL, &got));
	EQ(got.ss_flags, 0); /* the handlers have taken it away, each for itself */
}

static void
disarmed(int sig)
{
	stack_t ss;
	char here;

	me.hits++;
	me.onalt += onalt(&here);
	OK(sigaltstack(NULL, &ss));
	me.flags = ss.ss_flags;
	sched_yield();
}

static void
disarms(void)
{
	stack_t ss = { .ss_flags = SS_DISABLE }, got;

	usealt(SS_AUTODISARM);
	clear();
	install(SIGUSR1, disarmed, SA_ONSTACK);
	OK(raise(SIGUSR1));
	EQ(me.onalt, 1);
	EQ(me.flags, SS_DISABLE);
	OK(sigaltstack(NULL, &got));
	EQ((unsigned)got.ss_flags, SS_AUTODISARM); /* armed again */
	CHECK(got.ss_sp == me.alt);
	OK(sigaltstack(&ss, NULL));
	ss = (stack_t){ .ss_sp = me.alt, .ss_size = 1000 };
	EQ(sigaltstack(&ss, NULL), -1);
	EQ(errno, ENOMEM);
	ss = (stack_t){ .ss_sp = me.alt, .ss_size = ALT, .ss_flags = 64 };
	EQ(sigaltstack(&ss, NULL), -1);
	EQ(errno, EINVAL);
	free(me.alt);
	me.alt = NULL;
}

/* ---- once only ---- */

static void
counts(int sig)
{
	me.hits++;
}

static void
once(void)
{
	struct sigaction got;

	clear();
	install(SIGWINCH, counts, (int)(SA_RESETHAND | SA_RESTART));
	OK(raise(SIGWINCH));
	OK(raise(SIGWINCH)); /* ignored by default */
	EQ(me.hits, 1);
	OK(sigaction(SIGWINCH, NULL, &got));
	CHECK(got.sa_handler == SIG_DFL);
	install(SIGWINCH, counts, (int)(SA_RESETHAND | SA_NODEFER));
	OK(raise(SIGWINCH));
	EQ(me.hits, 2);
}

static void *
dies(void *arg)
{
	for(int i = 0; i < 3; i++) {
		OK(raise(SIGTERM)); /* the second kills */
		EQ(me.hits, 1);
	}
	return NULL;
}

static void
oncedies(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	CHECK((pid = fork()) >= 0);
	if(pid == 0) {
		clear();
		install(SIGTERM, counts, (int)SA_RESETHAND);
		dies(join(spawn(dies, NULL)));
		_exit(9);
	}
	EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	EQ(WTERMSIG(status), SIGTERM);
}

/* ---- sets and masks ---- */

static void
sets(void)
{
	sigset_t a, b, c, old;

	EQ(sigemptyset(&a) | sigemptyset(&b), 0);
	EQ(sigisemptyset(&a), 1);
	OK(sigaddset(&a, SIGUSR1));
	OK(sigaddset(&a, SIGRTMAX));
	OK(sigaddset(&b, SIGUSR1));
	EQ(sigorset(&c, &a, &b), 0);
	EQ(sigismember(&c, SIGRTMAX), 1);
	EQ(sigandset(&c, &a, &b), 0);
	EQ(sigismember(&c, SIGRTMAX), 0);
	EQ(sigismember(&c, SIGUSR1), 1);
	OK(sigdelset(&c, SIGUSR1));
	EQ(sigisemptyset(&c), 1);
	EQ(sigaddset(&c, 0), -1);
	EQ(sigaddset(&c, 65), -1);
	EQ(sigismember(&c, 99), -1);
	sigfillset(&c);
	EQ(sigismember(&c, 32), 0); /* libc's own */
	EQ(sigismember(&c, SIGKILL), 1);

	OK(sigprocmask(SIG_BLOCK, &a, &old));
	EQ(sigisemptyset(&old), 1);
	sched_yield();
	OK(sigprocmask(SIG_BLOCK, NULL, &old));
	EQ(sigismember(&old, SIGUSR1) + sigismember(&old, SIGRTMAX), 2);
	OK(sigprocmask(SIG_UNBLOCK, &b, NULL));
	OK(sigprocmask(SIG_SETMASK, &c, &old));
	EQ(sigismember(&old, SIGUSR1), 0);
	EQ(sigismember(&old, SIGRTMAX), 1);
	OK(sigprocmask(SIG_BLOCK, NULL, &old));
	EQ(sigismember(&old, SIGKILL) + sigismember(&old, SIGSTOP), 0); /* cannot be blocked */
	EQ(sigprocmask(77, &a, NULL), -1);
	EQ(errno, EINVAL);
	sigemptyset(&a);
	OK(sigprocmask(SIG_SETMASK, &a, NULL));
}

/* The older names. */
static void
names(void)
{
	struct sigaction got;

	clear();
	CHECK(sysv_signal(SIGUSR1, counts) != SIG_ERR);
	OK(sigaction(SIGUSR1, NULL, &got));
	EQ(got.sa_flags & ~0x04000000, (int)(SA_RESETHAND | SA_NODEFER));
	OK(gsignal(SIGUSR1));
	EQ(me.hits, 1);
	CHECK(ssignal(SIGUSR1, counts) == SIG_DFL);
	OK(sigaction(SIGUSR1, NULL, &got));
	EQ(got.sa_flags & ~0x04000000, SA_RESTART);
	OK(raise(SIGUSR1));
	OK(raise(SIGUSR1));
	EQ(me.hits, 3);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	EQ(sigblock(USR1), 0);
	OK(raise(SIGUSR1));
	EQ(siggetmask(), USR1);
	EQ(me.hits, 3);
	EQ(sigsetmask(0), USR1);
	EQ(me.hits, 4);
#pragma GCC diagnostic pop
}

/* ---- a timer's own calls ---- */

static void
ontick(int sig, siginfo_t *si, void *uc)
{
	me.hits += si->si_overrun + 1;
	me.flags = si->si_value.sival_int;
}

static void
overruns(void)
{
	struct sigaction sa = { .sa_sigaction = ontick, .sa_flags = SA_SIGINFO };
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 6, .sigev_value.sival_int = 99 };
	struct itimerspec it = { { 0, 1 * MS }, { 0, 1 * MS } }, got;
	sigset_t s;
	timer_t t;
	int n;

	clear();
	OK(sigaction(SIGRTMIN + 6, &sa, NULL));
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 6);
	OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
	ev._sigev_un._tid = gettid();
	OK(timer_create(CLOCK_MONOTONIC, &ev, &t));
	OK(timer_settime(t, 0, &it, NULL));
	OK(timer_gettime(t, &got));
	EQ(got.it_interval.tv_nsec, 1 * MS);
	CHECK(got.it_value.tv_sec == 0 && got.it_value.tv_nsec <= 1 * MS && got.it_value.tv_nsec > 0);
	msleep(20);
	OK(pthread_sigmask(SIG_UNBLOCK, &s, NULL));
	it = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
	n = me.hits;
	CHECK(n > 10); /* nearly all in the one that was queued */
	EQ(me.flags, 99);
	OK(timer_settime(t, 0, &it, &got));
	EQ(got.it_interval.tv_nsec, 1 * MS);
	CHECK(timer_getoverrun(t) >= 0);
	OK(timer_delete(t));
	EQ(timer_gettime(t, &got) == -1 ? errno : 0, EINVAL);
}

static sem_t over;

static void *
parked(void *arg)
{
	sigset_t s;

	sigfillset(&s);
	OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
	while(sem_wait(&over) != 0)
		;
	return arg;
}

static void *
all(void *arg)
{
	sets();
	depths();
	stacks();
	disarms();
	once();
	names();
	oncedies();
	overruns();
	printf("%s: ok\n", (char *)arg);
	return NULL;
}

int
main(void)
{
	pthread_t t;
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	OK(sem_init(&over, 0, 0));
	all("alone");
	t = spawn(parked, NULL);
	all("main");
	for(int i = 0; i < 3; i++)
		join(spawn(all, "a thread"));
	sem_post(&over);
	join(t);
	return 0;
}
