/* SPDX-License-Identifier: MIT */
/* errno, __thread variables and their addresses are the thread's own wherever it is run. */
#include "prog.h"

#define N 100

static __thread int counter;
static __thread struct { long a[20]; } block = { { 1, 2, 3 } };
static __thread char aligned[64] __attribute__((aligned(64)));

static void *
work(void *arg)
{
	int id = (intptr_t)arg, loops = scale(300);
	int *volatile errp = &errno;
	int *volatile ctrp = &counter;
	char *volatile alp = aligned;

	EQ(counter, 0);		/* fresh, though the memory may be another thread's of before */
	EQ(block.a[0] + block.a[1] + block.a[2] + block.a[3], 6);
	EQ((uintptr_t)aligned % 64, 0);
	aligned[63] = id;
	for(int k = 0; k < loops; k++) {
		errno = id * 1000 + k;
		counter++;
		block.a[k % 20] = id;
		if(k % 100 == 99)
			msleep(1);
		else
			sched_yield();
		if(k % 100 != 99)
			EQ(errno, id * 1000 + k);
		EQ(counter, k + 1);
		EQ(block.a[k % 20], id);
		CHECK(&errno == errp && &counter == ctrp && alp == aligned);
		if(k % 10 == 0) {
			errno = 0;
			EQ(close(-1), -1);
			EQ(errno, EBADF);
		}
	}
	EQ(aligned[63], (char)id);
	return NULL;
}

int
main(void)
{
	pthread_t t[N];

	for(int round = 0; round < 2; round++) {
		for(intptr_t i = 0; i < N; i++)
			t[i] = spawn(work, (void *)i);
		for(int k = 0; k < 200; k++) {
			errno = k;
			counter = k;
			sched_yield();
			EQ(errno, k);
			EQ(counter, k);
		}
		for(int i = 0; i < N; i++)
			join(t[i]);
	}
	puts("ok");
	return 0;
}
