/* SPDX-License-Identifier: MIT */
/* native: no */
/* procs: 2 */
/*
 * A malloc whose lock is a pthread mutex. Heddle's monitor frees what libc keeps for threads that have ended, when many are left over
 * for some seconds; who waits for the lock meanwhile is woken.
 */
#include "prog.h"
#include <sys/syscall.h>

static pthread_mutex_t lk = PTHREAD_MUTEX_INITIALIZER;
static char heap[64 << 20] __attribute__((aligned(64)));
static size_t used;
static __thread int mine __attribute__((tls_model("initial-exec")));
static _Atomic int started, others;

/* The program's own threads have it soon. */
static void
lock(void)
{
	struct timespec ts = {0, 3 * MS};
	long r;

	pthread_mutex_lock(&lk);
	if(started && !mine) {
		others++;
		__asm__ volatile("syscall" : "=a"(r) : "a"(SYS_nanosleep), "D"(&ts), "S"(0L) : "rcx", "r11", "memory");
	}
}

void *
malloc(size_t n)
{
	char *p = NULL;

	lock();
	n = (n + 15 + 16) & ~(size_t)15;
	if(n < sizeof heap - used) {
		p = heap + used + 16;
		*(size_t *)(p - 16) = n - 16;
		used += n;
	}
	pthread_mutex_unlock(&lk);
	return p;
}

void *
calloc(size_t n, size_t size)
{
	return malloc(n * size); /* never given out before: zero */
}

void
free(void *p)
{
	lock();
	pthread_mutex_unlock(&lk);
}

void *
realloc(void *p, size_t n)
{
	void *q = malloc(n);
	size_t old = p != NULL ? *(size_t *)((char *)p - 16) : 0;

	if(q != NULL && p != NULL)
		memcpy(q, p, old < n ? old : n);
	return q;
}

static pthread_barrier_t bar;

static void *
short_(void *arg)
{
	mine = 1;
	pthread_barrier_wait(&bar);
	return arg;
}

static void *
frees(void *arg)
{
	mine = 1;
	while(others < 20) {
		for(int i = 0; i < 100; i++)
			free(NULL);
		usleep(50);
	}
	return arg;
}

int
main(void)
{
	enum { N = 1500 };
	pthread_t t[N], u[3];

	mine = 1;
	OK(pthread_barrier_init(&bar, NULL, N));
	for(int i = 0; i < N; i++)
		t[i] = spawn(short_, NULL);
	for(int i = 0; i < N; i++)
		join(t[i]);
	started = 1;
	for(int i = 0; i < 3; i++)
		u[i] = spawn(frees, NULL);
	for(int i = 0; i < 3; i++)
		join(u[i]);
	started = 0;
	puts("ok");
	return 0;
}
