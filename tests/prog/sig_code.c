/* SPDX-License-Identifier: MIT */
/* build: -lrt */
/*
 * What a signal says of itself: si_code, si_pid, si_uid, the value, the status of a child, the address of a fault; of every way to send one, to
 * threads that wait, compute, sleep, or are the senders; by a handler, and by sigwaitinfo. The table is the output.
 */
#include "prog.h"
#include "mq_util.h"
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { SELF, PARKED, READS, RUNS, SLEEPS, WAITS, STATES };
static const char *const states[] = { "itself", "parked", "reads", "runs", "sleeps", "in sigwaitinfo" };
enum { KILL, KILLPG, RAISE, PTHREADKILL, TGKILL, TKILL, SIGQUEUE, PTHREADSIGQUEUE, RTSIGQUEUEINFO, RTTGSIGQUEUEINFO, PIDFD, TIMER, ITIMER, MQ, WAYS };
static const char *const ways[] = { "kill", "killpg", "raise", "pthread_kill", "tgkill", "tkill", "sigqueue", "pthread_sigqueue",
	"rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal", "timer", "setitimer", "mq_notify" };

static struct target {
	pthread_t t;
	int tid, state, fds[2];
	_Atomic int ready, got;
	sem_t sem;
	siginfo_t si;
} to;
static __thread struct target *me;
static _Atomic int astray;

static void
handler(int sig, siginfo_t *si, void *uc)
{
	if(me == NULL) {
		astray++;
		return;
	}
	me->si = *si;
	me->got = 1;
}

static int
signo(int way)
{
	return way == ITIMER ? SIGALRM : way % 2 ? SIGRTMIN + 3 : SIGUSR1;
}

static void
masksig(int how, int sig)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, sig);
	OK(pthread_sigmask(how, &s, NULL));
}

static void
report(int way, int state)
{
	siginfo_t *si = &to.si;

	EQ(si->si_signo, signo(way));
	printf("%s, %s: code %d errno %d", ways[way], states[state], si->si_code, si->si_errno);
	if(si->si_code <= 0 && way != TIMER)
		printf(" pid %d uid %d", si->si_pid == getpid() ? 1 : (int)si->si_pid, si->si_uid == getuid());
	if(si->si_code == SI_QUEUE || si->si_code == SI_TIMER || si->si_code == SI_MESGQ)
		printf(" value %d", si->si_value.sival_int);
	if(si->si_code == SI_TIMER)
		printf(" overrun %d", si->si_overrun);
	puts("");
}

static timer_t timer;
static mqd_t queue = (mqd_t)-1;

static void
send(int way)
{
	union sigval v = { .sival_int = 4711 };
	int sig = signo(way), fd;
	siginfo_t si = { .si_signo = sig, .si_code = SI_QUEUE };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig, .sigev_value = v };
	struct itimerspec it = { .it_value = { 0, 1000000 } };
	struct itimerval iv = { .it_value = { 0, 1000 } };

	si.si_pid = getpid();
	si.si_uid = getuid();
	si.si_value = v;
	switch(way) {
	case KILL: OK(kill(getpid(), sig)); break;
	case KILLPG: OK(killpg(getpgrp(), sig)); break;
	case RAISE: OK(raise(sig)); break;
	case PTHREADKILL: OK(pthread_kill(to.t, sig)); break;
	case TGKILL: OK(tgkill(getpid(), to.tid, sig)); break;
	case TKILL: OK(syscall(SYS_tkill, to.tid, sig)); break;
	case SIGQUEUE: OK(sigqueue(getpid(), sig, v)); break;
	case PTHREADSIGQUEUE: OK(pthread_sigqueue(to.t, sig, v)); break;
	case RTSIGQUEUEINFO: OK(syscall(SYS_rt_sigqueueinfo, getpid(), sig, &si)); break;
	case RTTGSIGQUEUEINFO: OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), to.tid, sig, &si)); break;
	case PIDFD:
		CHECK((fd = (int)syscall(SYS_pidfd_open, getpid(), 0)) >= 0);
		OK(syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0));
		close(fd);
		break;
	case TIMER:
		OK(timer_create(CLOCK_MONOTONIC, &ev, &timer));
		OK(timer_settime(timer, 0, &it, NULL));
		break;
	case ITIMER: OK(setitimer(ITIMER_REAL, &iv, NULL)); break;
	case MQ:
		OK(mq_notify(queue, &ev));
		OK(mq_send(queue, "x", 1, 0));
		break;
	}
}

static void
sent(int way)
{
	char b[16];

	if(way == TIMER)
		OK(timer_delete(timer));
	if(way == MQ)
		EQ(mq_receive(queue, b, sizeof b, NULL), 1);
}

static void *
target(void *arg)
{
	int way = (int)(intptr_t)arg;
	sigset_t s;
	char b;

	me = &to;
	to.tid = gettid();
	sigemptyset(&s);
	sigaddset(&s, signo(way));
	if(to.state != WAITS)
		masksig(SIG_UNBLOCK, signo(way));
	to.ready = 1;
	switch(to.state) {
	case SELF:
		to.t = pthread_self();
		send(way);
		while(!to.got)
			sched_yield();
		break;
	case PARKED:
		while(!to.got)
			if(sem_wait(&to.sem) != 0)
				EQ(errno, EINTR);
		break;
	case READS:
		while(!to.got)
			if(read(to.fds[0], &b, 1) != 1)
				EQ(errno, EINTR);
		break;
	case RUNS:
		while(!to.got)
			;
		break;
	case SLEEPS:
		while(!to.got)
			usleep(100000);
		break;
	case WAITS:
		EQ(sigwaitinfo(&s, &to.si), signo(way));
		break;
	}
	return NULL;
}

static void
one(int way, int state)
{
	if(way == RAISE && state != SELF)
		return;
	memset(&to.si, 0, sizeof to.si);
	to.state = state;
	to.ready = to.got = 0;
	OK(sem_init(&to.sem, 0, 0));
	to.t = spawn(target, (void *)(intptr_t)way);
	while(!to.ready)
		sched_yield();
	if(state != SELF) {
		msleep(1);
		send(way);
	}
	join(to.t);
	sent(way);
	report(way, state);
}

/* ---- children ---- */

static volatile sig_atomic_t nchld;
static siginfo_t chld[8];

static void
onchld(int sig, siginfo_t *si, void *uc)
{
	if(nchld < 8)
		chld[nchld] = *si;
	nchld = nchld + 1;
}

static void
awaitchld(pid_t pid, int n)
{
	while(nchld < n)
		usleep(500);
	printf("child: code %d pid %d uid %d status %d\n", chld[n - 1].si_code, chld[n - 1].si_pid == pid,
	    chld[n - 1].si_uid == getuid(), chld[n - 1].si_status);
}

static void
children(void)
{
	struct sigaction sa = { .sa_sigaction = onchld, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct rlimit none = { 0, 0 };
	pid_t pid;

	OK(sigaction(SIGCHLD, &sa, NULL));
	for(int how = 0; how < 3; how++) {
		nchld = 0;
		fflush(stdout);
		CHECK((pid = fork()) >= 0);
		if(pid == 0) {
			setrlimit(RLIMIT_CORE, &none);
			if(how == 0)
				_exit(41);
			for(;;)
				pause();
		}
		if(how == 1) {
			OK(kill(pid, SIGSTOP));
			awaitchld(pid, 1);
			OK(kill(pid, SIGCONT));
			awaitchld(pid, 2);
		}
		if(how > 0)
			OK(kill(pid, how == 1 ? SIGKILL : SIGTERM));
		awaitchld(pid, how == 1 ? 3 : 1);
		EQ(waitpid(pid, NULL, 0), pid);
	}
}

/* ---- faults ---- */

static __thread sigjmp_buf out;
static __thread siginfo_t fault;

static void
onfault(int sig, siginfo_t *si, void *uc)
{
	fault = *si;
	siglongjmp(out, 1);
}

static void
told(const char *what, const void *addr)
{
	printf("%s: signal %d code %d%s\n", what, fault.si_signo, fault.si_code, addr == NULL ? "" : fault.si_addr == addr ? ", there" : ", elsewhere");
}

#define FAULTS(what, addr, ...)           \
	if(sigsetjmp(out, 1) == 0) {      \
		__VA_ARGS__;              \
		CHECK(!"no fault");       \
	} else                            \
		told(what, addr)

static void *
faults(void *arg)
{
	char *volatile ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *volatile beyond, *volatile low = (char *)64;
	char path[] = "/tmp/sig_codeXXXXXX";
	volatile int zero = 0, one1 = 1;
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	OK(unlink(path));
	beyond = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(beyond != MAP_FAILED && ro != MAP_FAILED);
	FAULTS("no page", low, *low = 1);
	FAULTS("read-only page", ro + 5, ro[5] = 1);
	FAULTS("beyond the file", beyond + 4100, beyond[4100] = 1);
	FAULTS("division", NULL, one1 = one1 / zero);
	FAULTS("undefined instruction", NULL, __builtin_trap());
	FAULTS("breakpoint", NULL, __asm__ volatile("int3"));
	FAULTS("not canonical", NULL, *(volatile char *)0x8000000000000000UL = 1);
	FAULTS("privileged", NULL, __asm__ volatile("hlt"));
	OK(munmap(ro, 4096));
	OK(munmap(beyond, 8192));
	close(fd);
	return arg;
}

int
main(void)
{
	static const int faulty[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	struct mq_attr at = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	char name[64];

	setpgid(0, 0);
	snprintf(name, sizeof name, "/sig_code.%d", getpid());
	queue = mqmake(name, O_RDWR, &at);
	if(queue != (mqd_t)-1)
		mq_unlink(name);
	OK(pipe(to.fds));
	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(sigaction(SIGALRM, &sa, NULL));
	OK(sigaction(SIGRTMIN + 3, &sa, NULL));
	masksig(SIG_BLOCK, SIGUSR1);
	masksig(SIG_BLOCK, SIGALRM);
	masksig(SIG_BLOCK, SIGRTMIN + 3);
	for(int way = 0; way < WAYS; way++)
		if(way != MQ || queue != (mqd_t)-1)
			for(int state = 0; state < STATES; state++)
				one(way, state);
	EQ(astray, 0);
	children();
	sa.sa_sigaction = onfault;
	for(size_t i = 0; i < sizeof faulty / sizeof faulty[0]; i++)
		OK(sigaction(faulty[i], &sa, NULL));
	faults(NULL);
	join(spawn(faults, NULL));
	return 0;
}
