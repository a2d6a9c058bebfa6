/* SPDX-License-Identifier: MIT */
/*
 * A signal handler interrupts what a thread of libc's own (SIGEV_THREAD's) waits in: with SA_RESTART and without each call ends
 * with EINTR, or waits on, as natively.
 */
#include "foreign.h"
#include <linux/futex.h>
#include <poll.h>
#include <semaphore.h>

static sem_t sem, begin;
static int pipefd[2], word;
static _Atomic int tid, entered, returned, handled, over;
static int result, error;

static void
onusr(int sig)
{
	handled++;
}

static struct timespec
late(void)
{
	return deadline(CLOCK_REALTIME, 100 * SEC);
}

static int dosem(void) { return sem_wait(&sem); }
static int dosemtimed(void) { struct timespec ts = late(); return sem_timedwait(&sem, &ts); }
static int doread(void) { char c; return read(pipefd[0], &c, 1); }
static int dopoll(void) { struct pollfd p = {pipefd[0], POLLIN, 0}; return poll(&p, 1, 100000); }
static int dofutex(void) { return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0); }

static int
dofutextimed(void)
{
	struct timespec ts = {100, 0};

	return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0);
}

static void relsem(void) { OK(sem_post(&sem)); }
static void relpipe(void) { EQ(write(pipefd[1], "x", 1), 1); }
static void relfutex(void) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); }

static const struct {
	const char *name;
	int (*wait)(void);
	void (*release)(void);
} ops[] = {
	{"sem_wait", dosem, relsem}, {"sem_timedwait", dosemtimed, relsem}, {"read", doread, relpipe},
	{"poll", dopoll, relpipe}, {"futex", dofutex, relfutex}, {"futex with a time", dofutextimed, relfutex},
};
enum { NOPS = sizeof ops / sizeof *ops };

static void
foreign(union sigval v)
{
	foreignmask(SIG_UNBLOCK, SIGUSR1);
	tid = (int)syscall(SYS_gettid);
	for(int k = 0; k < 2; k++)
		for(int i = 0; i < NOPS; i++) {
			while(sem_wait(&begin) != 0)
				EQ(errno, EINTR);
			entered = 1;
			errno = 0;
			result = ops[i].wait();
			error = errno;
			returned = 1;
		}
	foreignmask(SIG_BLOCK, SIGUSR1);
	over = 1;
	for(;;)
		pause();
}

/* A thread of the usual kind, so that heddle's runtime is there. */
static void *
usual(void *arg)
{
	while(!over)
		msleep(5);
	return NULL;
}

/* Until the thread has slept for a while. */
static void
asleep(void)
{
	char path[64], text[256], *p;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	for(int quiet = 0; quiet < 4; quiet++) {
		FILE *f = fopen(path, "r");

		CHECK(f != NULL && fgets(text, sizeof text, f) != NULL);
		fclose(f);
		CHECK((p = strrchr(text, ')')) != NULL);
		if(p[2] != 'S')
			quiet = -1;
		msleep(3);
	}
}

static void
one(int i)
{
	int before = handled, sure = 0;

	entered = returned = 0;
	OK(sem_post(&begin));
	while(!entered)
		msleep(1);
	asleep();
	CHECK(!returned);
	OK(syscall(SYS_tgkill, getpid(), tid, SIGUSR1));
	while(handled == before)
		msleep(1);
	for(int k = 0; k < 50 && !returned; k++)
		msleep(2);
	sure = returned;
	if(!returned) {
		asleep();
		ops[i].release();
	}
	while(!returned)
		msleep(1);
	printf("  %s: %s, %d %s\n", ops[i].name, sure ? "ends" : "goes on", result, result < 0 ? strerrorname_np(error) : "");
}

int
main(void)
{
	struct sigaction sa = {.sa_handler = onusr};
	pthread_t u = spawn(usual, NULL);

	OK(sem_init(&sem, 0, 0));
	OK(sem_init(&begin, 0, 0));
	OK(pipe(pipefd));
	foreignthreads(foreign, 1, 0);
	while(tid == 0)
		msleep(1);
	for(int k = 0; k < 2; k++) {
		sa.sa_flags = k == 0 ? SA_RESTART : 0;
		OK(sigaction(SIGUSR1, &sa, NULL));
		printf("SA_RESTART %s:\n", k == 0 ? "set" : "not set");
		for(int i = 0; i < NOPS; i++)
			one(i);
	}
	join(u);
	return 0;
}
