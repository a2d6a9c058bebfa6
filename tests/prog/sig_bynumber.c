/* SPDX-License-Identifier: MIT */
/*
 * The system calls about signals by number, in a program with many threads: they act on the thread, as libc's functions do, also
 * after it has waited, and may have gone on elsewhere.
 */
#include "prog.h"
#include <semaphore.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

enum { N = 16, ROUNDS = 20 };
#define BIT(sig) (1ULL << ((sig) - 1))

struct kaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

extern void restorer(void);
__asm__(".globl restorer\nrestorer: mov $15, %eax\n\tsyscall\n");

static _Atomic int usr1, usr2;
static __thread volatile sig_atomic_t mine, onalt;
static __thread char *alt;
static sem_t turn;

static uint64_t
maskset(int how, uint64_t set)
{
	uint64_t old = ~0ULL;

	OK(syscall(SYS_rt_sigprocmask, how, &set, &old, 8));
	return old;
}

static uint64_t
mask(void)
{
	uint64_t old;
	sigset_t s;

	OK(syscall(SYS_rt_sigprocmask, 0, NULL, &old, 8));
	OK(pthread_sigmask(SIG_BLOCK, NULL, &s));
	CHECK(memcmp(&s, &old, sizeof old) == 0);
	return old;
}

static void
handler(int sig, siginfo_t *si, void *uc)
{
	char here;

	mine++;
	onalt = alt != NULL && &here >= alt && &here < alt + 65536;
	sig == SIGUSR1 ? usr1++ : usr2++;
}

/* Lets others run, so that the thread goes on elsewhere. */
static void
move(void)
{
	sem_post(&turn);
	sem_wait(&turn);
	sched_yield();
}

static uint64_t
pending(void)
{
	uint64_t set = ~0ULL;

	OK(syscall(SYS_rt_sigpending, &set, 8));
	return set;
}

static void
waits(int i)
{
	uint64_t set = BIT(SIGRTMIN);
	struct timespec none = {0, 0}, some = {20, 0}, bad = {0, -1};
	siginfo_t si;

	EQ(pthread_sigqueue(pthread_self(), SIGRTMIN, (union sigval){.sival_int = i}), 0);
	move();
	EQ(pending(), BIT(SIGRTMIN));
	EQ(syscall(SYS_rt_sigtimedwait, &set, &si, &some, 8), SIGRTMIN);
	EQ(si.si_value.sival_int, i);
	EQ(si.si_code, SI_QUEUE);
	EQ(syscall(SYS_rt_sigtimedwait, &set, &si, &none, 8), -1);
	EQ(errno, EAGAIN);
	EQ(syscall(SYS_rt_sigtimedwait, &set, &si, &bad, 8), -1);
	EQ(errno, EINVAL);
	EQ(syscall(SYS_rt_sigtimedwait, &set, NULL, &none, 4), -1);
	EQ(errno, EINVAL);
	EQ(syscall(SYS_rt_sigtimedwait, 8, NULL, &none, 8), -1);
	EQ(errno, EFAULT);
}

static void
queues(int i)
{
	siginfo_t si = {.si_signo = SIGRTMIN, .si_code = SI_QUEUE};
	uint64_t set = BIT(SIGRTMIN);

	si.si_value.sival_int = 100 + i;
	OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN, &si));
	move();
	memset(&si, 0, sizeof si);
	EQ(syscall(SYS_rt_sigtimedwait, &set, &si, NULL, 8), SIGRTMIN);
	EQ(si.si_value.sival_int, 100 + i);
}

/* Blocked, then let through by the mask, and by sigsuspend. */
static void
blocks(void)
{
	uint64_t none = BIT(SIGRTMIN) | BIT(SIGUSR2), old;
	int n = mine;

	old = maskset(SIG_BLOCK, BIT(SIGUSR1) | BIT(SIGUSR2));
	EQ(old, BIT(SIGRTMIN));
	move();
	OK(pthread_kill(pthread_self(), SIGUSR1));
	OK(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2));
	move();
	EQ(mine, n);
	EQ(pending(), BIT(SIGUSR1) | BIT(SIGUSR2));
	EQ(mask(), BIT(SIGRTMIN) | BIT(SIGUSR1) | BIT(SIGUSR2));
	EQ(syscall(SYS_rt_sigsuspend, &none, 8), -1);
	EQ(errno, EINTR);
	EQ(mine, n + 1);
	EQ(pending(), BIT(SIGUSR2));
	EQ(maskset(SIG_SETMASK, old), BIT(SIGRTMIN) | BIT(SIGUSR1) | BIT(SIGUSR2));
	EQ(mine, n + 2);
	EQ(pending(), 0);
	EQ(mask(), old);
	move();
	EQ(mask(), old);
}

static void
stack(void)
{
	stack_t ss = {.ss_sp = alt, .ss_size = 65536}, was;

	OK(syscall(SYS_sigaltstack, &ss, NULL));
	move();
	OK(syscall(SYS_sigaltstack, NULL, &was));
	CHECK(was.ss_sp == alt && was.ss_size == 65536 && was.ss_flags == 0);
	OK(pthread_kill(pthread_self(), SIGUSR1));
	CHECK(onalt);
	was.ss_flags = 77;
	EQ(syscall(SYS_sigaltstack, &was, NULL), -1);
	EQ(errno, EINVAL);
	EQ(syscall(SYS_sigaltstack, 8, NULL), -1);
	EQ(errno, EFAULT);
	ss.ss_flags = SS_DISABLE;
	OK(syscall(SYS_sigaltstack, &ss, &was));
	CHECK(was.ss_sp == alt);
	OK(pthread_kill(pthread_self(), SIGUSR1));
	CHECK(!onalt);
}

static void *
thread(void *arg)
{
	alt = malloc(65536);
	EQ(maskset(SIG_SETMASK, BIT(SIGRTMIN)), 0);
	for(int i = 0; i < ROUNDS; i++) {
		waits(i);
		queues(i);
		blocks();
		stack();
	}
	EQ(syscall(SYS_rt_sigprocmask, 9, &(uint64_t){0}, NULL, 8), -1);
	EQ(errno, EINVAL);
	EQ(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, NULL, 4), -1);
	EQ(errno, EINVAL);
	EQ(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 8, NULL, 8), -1);
	EQ(errno, EFAULT);
	EQ(syscall(SYS_rt_sigpending, NULL, 8), -1);
	EQ(errno, EFAULT);
	free(alt);
	return NULL;
}

static void
actions(void)
{
	struct kaction k = {handler, SA_SIGINFO | SA_ONSTACK | SA_RESTART | 0x04000000, restorer, BIT(SIGUSR2)}, was;
	struct sigaction sa;

	OK(syscall(SYS_rt_sigaction, SIGUSR1, &k, NULL, 8));
	k.flags &= ~SA_RESTART;
	OK(syscall(SYS_rt_sigaction, SIGUSR2, &k, &was, 8));
	CHECK(was.handler == NULL);
	OK(syscall(SYS_rt_sigaction, SIGUSR2, NULL, &was, 8));
	CHECK(was.handler == handler && was.mask == BIT(SIGUSR2) && !(was.flags & SA_RESTART) && (was.flags & SA_ONSTACK));
	OK(sigaction(SIGUSR1, NULL, &sa));
	CHECK(sa.sa_sigaction == handler && (sa.sa_flags & SA_RESTART) && sigismember(&sa.sa_mask, SIGUSR2));
	EQ(syscall(SYS_rt_sigaction, SIGKILL, &k, NULL, 8), -1);
	EQ(errno, EINVAL);
	EQ(syscall(SYS_rt_sigaction, 65, NULL, &was, 8), -1);
	EQ(errno, EINVAL);
	EQ(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &was, 4), -1);
	EQ(errno, EINVAL);
	EQ(syscall(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8), -1);
	EQ(errno, EFAULT);
}

int
main(void)
{
	pthread_t t[N];

	OK(sem_init(&turn, 0, 0));
	actions();
	for(int i = 0; i < N; i++)
		t[i] = spawn(thread, NULL);
	sem_post(&turn);
	for(int i = 0; i < N; i++)
		join(t[i]);
	EQ(usr1, 3 * N * ROUNDS);
	EQ(usr2, N * ROUNDS);
	puts("ok");
	return 0;
}
