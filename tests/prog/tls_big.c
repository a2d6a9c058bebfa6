/* SPDX-License-Identifier: MIT */
/* native: no */
/*
 * Libraries with much static thread-local storage (OpenBLAS has 60 KiB): each kernel thread needs room for it, too, beside its stack.
 * A thread that computes is interrupted, calls that block hold up nobody, and threads that have used their stacks end, as ever.
 */
#include "kthreads.h"
#include <sys/syscall.h>

#define BLOCKED 6
#define PARKED  60

static __thread char big[700 << 10];
static int stop, fds[2];
static pthread_barrier_t b, end;

static void *
hog(void *arg)
{
	int64_t end = nowns() + 20 * SEC;

	big[0] = 1;
	while(!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		CHECK(nowns() < end);
	return arg;
}

/* Reads by the system call instruction, of which heddle knows nothing. */
static void *
blocked(void *arg)
{
	char ch;
	long r;

	memset(big, (int)(intptr_t)arg, sizeof big);
	pthread_barrier_wait(&b);
	__asm__ volatile("syscall" : "=a"(r) : "0"((long)SYS_read), "D"((long)fds[0]), "S"(&ch), "d"(1L) : "rcx", "r11", "memory");
	EQ(r, 1);
	for(size_t i = 0; i < sizeof big; i++)
		CHECK(big[i] == (char)(intptr_t)arg);
	return NULL;
}

static void *
parked(void *arg)
{
	CHECK(big[0] == 0 && big[sizeof big - 1] == 0);
	pthread_barrier_wait(&b);
	pthread_barrier_wait(&end);
	memset(big, 1, sizeof big);
	return arg;
}

static void *
again(void *arg)
{
	for(size_t i = 0; i < sizeof big; i++)
		CHECK(big[i] == 0);
	return arg;
}

int
main(void)
{
	pthread_t h, t[BLOCKED], p[PARKED];

	EQ(pipe(fds), 0);
	OK(pthread_barrier_init(&b, NULL, BLOCKED + PARKED + 1));
	OK(pthread_barrier_init(&end, NULL, PARKED + 1));
	for(int i = 0; i < PARKED; i++)
		OK(pthread_create(&p[i], NULL, parked, NULL));
	for(int i = 0; i < BLOCKED; i++)
		OK(pthread_create(&t[i], NULL, blocked, (void *)(intptr_t)(i + 1)));
	pthread_barrier_wait(&b);
	OK(pthread_create(&h, NULL, hog, NULL));
	msleep(20);
	fewthreads(BLOCKED + 30);
	EQ(write(fds[1], "123456", BLOCKED), BLOCKED);
	for(int i = 0; i < BLOCKED; i++)
		OK(pthread_join(t[i], NULL));
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	OK(pthread_join(h, NULL));
	pthread_barrier_wait(&end);
	for(int i = 0; i < PARKED; i++)
		OK(pthread_join(p[i], NULL));
	for(int i = 0; i < PARKED; i++){ /* on the stacks of those */
		OK(pthread_create(&h, NULL, again, NULL));
		OK(pthread_join(h, NULL));
	}
	printf("big\n");
	return 0;
}
