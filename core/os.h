/* SPDX-License-Identifier: MIT */
/*
 * Raw system calls: no errno, no cancellation point, no interposed symbol.
 * Each returns the kernel's result, a negative errno on failure.
 */
#ifndef HEDDLE_OS_H
#define HEDDLE_OS_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

static inline long
rawsyscall6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
	                 : "=a"(r)
	                 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return r;
}

#define RAW_1(n)                   rawsyscall6(n, 0, 0, 0, 0, 0, 0)
#define RAW_2(n, a)                rawsyscall6(n, (long)(a), 0, 0, 0, 0, 0)
#define RAW_3(n, a, b)             rawsyscall6(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define RAW_4(n, a, b, c)          rawsyscall6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define RAW_5(n, a, b, c, d)       rawsyscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define RAW_6(n, a, b, c, d, e)    rawsyscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define RAW_7(n, a, b, c, d, e, f) rawsyscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define RAW_PICK(_1, _2, _3, _4, _5, _6, _7, m, ...) m
/* rawsyscall(SYS_name, args...) */
#define rawsyscall(...) RAW_PICK(__VA_ARGS__, RAW_7, RAW_6, RAW_5, RAW_4, RAW_3, RAW_2, RAW_1, 0)(__VA_ARGS__)

/* nanotime is CLOCK_MONOTONIC in nanoseconds (through the vDSO, without touching errno). */
int64_t nanotime(void);
/* clockbykernel: from now on by a system call, as reading the time stamp counter is fatal to some thread. */
void clockbykernel(void);
extern int (*rtclock)(clockid_t, struct timespec *); /* its: host's, once there is one */

/*
 * futexsleep waits until futexwakeup(addr) or the time is up, if *addr is still val.
 * deadline: absolute CLOCK_MONOTONIC ns, negative for none. Returns 0, -EAGAIN, -EINTR or -ETIMEDOUT.
 */
int futexsleep(uint32_t *addr, uint32_t val, int64_t deadline);
void futexwakeup(uint32_t *addr, int cnt);

/* usleep_ns sleeps ns nanoseconds in the kernel; for Ms and sysmon only. */
void usleep_ns(int64_t ns);

#endif
