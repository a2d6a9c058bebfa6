/* SPDX-License-Identifier: MIT */
/*
 * tgkill(2) from another process: a child signals its parent's threads by the ids that these have from gettid(), whatever they are
 * doing. Each gets its own, once, with the child as sender; a wait ends as by pthread_kill. A wrong process or thread is refused.
 */
#include "untilhit.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { FLOCKS = NHIT, SIGWAITS, BLOCKS, N };
static const char *const names[] = { "sleeps", "waits", "polls", "runs", "flocks", "sigwaits", "blocks" };
enum { SIG = 40 };

static struct thread {
	pthread_t t;
	int state;
	atomic_int tid, hits, code, pid;
} th[N];
static __thread struct thread *self;
static char lockpath[64];

static void
onsig(int sig, siginfo_t *si, void *uc)
{
	CHECK(self != NULL && gettid() == self->tid);
	self->code = si->si_code;
	self->pid = si->si_pid;
	self->hits++;
}

static void *
target(void *arg)
{
	struct thread *t = self = arg;
	sigset_t s;
	siginfo_t si;
	int fd;

	sigemptyset(&s);
	sigaddset(&s, SIG);
	if(t->state == SIGWAITS || t->state == BLOCKS)
		OK(pthread_sigmask(SIG_BLOCK, &s, NULL));
	CHECK((fd = open(lockpath, O_RDWR)) >= 0);
	t->tid = gettid();
	switch(t->state) {
	case FLOCKS:
		interrupted(flock(fd, LOCK_EX));
		break;
	case SIGWAITS:
		EQ(sigwaitinfo(&s, &si), SIG);
		t->code = si.si_code;
		t->pid = si.si_pid;
		t->hits++;
		break;
	case BLOCKS:
		do
			OK(sigpending(&s));
		while(!sigismember(&s, SIG));
		EQ(t->hits, 0);
		OK(pthread_sigmask(SIG_UNBLOCK, &s, NULL));
		break;
	default:
		untilhit(t->state, &t->hits);
	}
	EQ(t->hits, 1);
	close(fd);
	return NULL;
}

/* Runs in a child; returns its process id. */
static int
inchild(void (*fn)(int), int arg)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if(pid == 0) {
		fn(arg);
		_exit(0);
	}
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 0);
	return pid;
}

static void
sends(int i)
{
	OK(i % 2 != 0 ? tgkill(getppid(), th[i].tid, SIG) : syscall(SYS_tgkill, getppid(), th[i].tid, SIG));
}

static void
refused(int i)
{
	EQ(tgkill(getpid(), th[i].tid, SIG), -1);
	EQ(errno, ESRCH);
	EQ(syscall(SYS_tgkill, getpid(), th[i].tid, SIG), -1);
	EQ(errno, ESRCH);
	EQ(tgkill(getppid(), gettid(), SIG), -1);
	EQ(errno, ESRCH);
	EQ(tgkill(1, th[i].tid, SIG), -1);
	EQ(errno, ESRCH);
	EQ(tgkill(getppid(), th[i].tid, 65), -1);
	EQ(errno, EINVAL);
	EQ(tgkill(getppid(), th[i].tid, SIGCHLD), 0); /* ignored */
	EQ(tgkill(getppid(), th[i].tid, 0), 0);
}

static void *
waits(void *arg)
{
	*(atomic_int *)arg = gettid();
	for(;;)
		pause();
}

static void
terminates(int tid)
{
	OK(tgkill(getppid(), tid, SIGTERM));
}

/* A signal to a thread that has the default action ends its process. */
static void
dies(int arg)
{
	static atomic_int tid;
	pthread_t t = spawn(waits, &tid);

	while(tid == 0)
		sched_yield();
	inchild(terminates, tid);
	join(t);
}

int
main(void)
{
	struct sigaction sa = { .sa_sigaction = onsig, .sa_flags = SA_SIGINFO };
	int fd, pid, status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	OK(sigaction(SIG, &sa, NULL));
	snprintf(lockpath, sizeof lockpath, "/tmp/sig_remote.XXXXXX");
	CHECK((fd = mkstemp(lockpath)) >= 0);
	OK(flock(fd, LOCK_EX));
	for(int i = 0; i < N; i++) {
		th[i].state = i;
		th[i].t = spawn(target, &th[i]);
		while(th[i].tid == 0)
			sched_yield();
	}
	msleep(20);
	for(int i = 0; i < N; i++) {
		inchild(refused, i);
		pid = inchild(sends, i);
		join(th[i].t);
		EQ(th[i].code, i == SIGWAITS ? SI_USER : SI_TKILL); /* libc makes it that */
		EQ(th[i].pid, pid);
		for(int k = i + 1; k < N; k++)
			EQ(th[k].hits, 0);
		printf("%s: ok\n", names[i]);
	}
	unlink(lockpath);
	if((pid = fork()) == 0)
		dies(0);
	EQ(waitpid(pid, &status, 0), pid);
	EQ(WIFSIGNALED(status) ? WTERMSIG(status) : -1, SIGTERM);
	puts("default: ok");
	return 0;
}
