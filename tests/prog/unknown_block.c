/* SPDX-License-Identifier: MIT */
/* A thread that blocks in a system call of its own making (no libc function) does not stop the others. */
#include "prog.h"
#include <sys/syscall.h>

#define N 12

static int fds[N][2];
static _Atomic int answered;

/* read(2) without libc. */
static long
rawread(int fd, void *p, size_t n)
{
#if defined __x86_64__
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(SYS_read), "D"(fd), "S"(p), "d"(n) : "rcx", "r11", "memory");
	return ret;
#elif defined __aarch64__
	register long x8 __asm__("x8") = SYS_read;
	register long x0 __asm__("x0") = fd;
	register void *x1 __asm__("x1") = p;
	register size_t x2 __asm__("x2") = n;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
#else
	return syscall(SYS_read, fd, p, n);
#endif
}

static void *
blocks(void *arg)
{
	int k = (intptr_t)arg;
	char ch;

	for(int i = 0; i < 5; i++) {
		EQ(rawread(fds[k][0], &ch, 1), 1);	/* an EINTR would be a failure too */
		EQ(ch, (char)(k + i));
		answered++;
	}
	return NULL;
}

int
main(void)
{
	pthread_t t[N];
	char ch;

	for(intptr_t i = 0; i < N; i++) {
		EQ(pipe(fds[i]), 0);
		t[i] = spawn(blocks, (void *)i);
	}
	for(int i = 0; i < 5; i++) {
		msleep(20);
		EQ(answered, i * N);
		for(int k = N - 1; k >= 0; k--) {
			ch = k + i;
			EQ(write(fds[k][1], &ch, 1), 1);
		}
		for(int64_t t0 = nowns(); answered < (i + 1) * N;) {
			CHECK(nowns() - t0 < 20 * SEC);
			sched_yield();
		}
	}
	for(int i = 0; i < N; i++)
		join(t[i]);
	puts("ok");
	return 0;
}
