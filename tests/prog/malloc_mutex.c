/* SPDX-License-Identifier: MIT */
/*
 * A malloc whose lock is a pthread mutex, as jemalloc's is, and which waits in the kernel with the lock
 * held: whatever needs a new kernel thread meanwhile, and memory for it, must not keep the holder from going on.
 */
#include "prog.h"
#include <sys/syscall.h>

static pthread_mutex_t lk = PTHREAD_MUTEX_INITIALIZER;
static char heap[256 << 20] __attribute__((aligned(64)));
static size_t used;
static int slow;

/* A wait that nobody knows of: as of a page that has to be read. */
static void
stall(void)
{
	struct timespec ts = {0, 30 * MS};
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(SYS_nanosleep), "D"(&ts), "S"(0L) : "rcx", "r11", "memory");
}

void *
malloc(size_t n)
{
	char *p = NULL;

	pthread_mutex_lock(&lk);
	if(slow > 0) {
		slow--;
		stall();
	}
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
	pthread_mutex_lock(&lk);
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

static volatile int stop;

static void *
work(void *arg)
{
	volatile char *p;

	for(int i = 0; i < 20; i++) {
		p = malloc(100);
		p[0] = 1;
		stall();
	}
	return NULL;
}

static void *
yields(void *arg)
{
	while(!stop)
		sched_yield();
	return NULL;
}

int
main(void)
{
	pthread_t t[20], y[2];

	for(int i = 0; i < 2; i++)
		y[i] = spawn(yields, NULL);
	for(int i = 0; i < 20; i++)
		t[i] = spawn(work, NULL);
	for(int i = 0; i < 20; i++) {
		pthread_mutex_lock(&lk);
		slow = 1;
		pthread_mutex_unlock(&lk);
		free(malloc(1000));
	}
	for(int i = 0; i < 20; i++)
		join(t[i]);
	stop = 1;
	for(int i = 0; i < 2; i++)
		join(y[i]);
	puts("ok");
	return 0;
}
