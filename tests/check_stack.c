/* SPDX-License-Identifier: MIT */
/*
 * Stacks: sizes, guards, reuse, and what happens when the kernel refuses. Each
 * test runs in a process of its own (Check forks), so limits and filters stay there.
 */
#include <check.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime.h"
#include "suite.h"

enum { KB = 1 << 10, PAGE = 4096 };

static struct g *
newg(size_t size, size_t guard)
{
	struct g *gp = calloc(1, sizeof *gp);

	ck_assert_int_eq(stackalloc(gp, size, guard), 0);
	gp->fsbase = gp->stack.hi; /* where nothing is: no TLS is in the way */
	return gp;
}

/* Does a write there end the process? */
static bool
faults(uintptr_t addr)
{
	int status;
	pid_t pid = fork();

	if(pid == 0){
		signal(SIGSEGV, SIG_DFL);
		*(volatile char *)addr = 1;
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static bool
mapped(uintptr_t addr)
{
	unsigned char v;

	return mincore((void *)addr, PAGE, &v) == 0;
}

static const struct {
	size_t size, guard;
} shapes[] = {
	{16 * KB, PAGE}, {64 * KB, PAGE}, {64 * KB, 0}, {64 * KB + 1, 1}, {1024 * KB, 64 * KB}, {8192 * KB, PAGE},
	{8192 * KB - PAGE, PAGE}, {64 << 20, 1 << 20},
};

START_TEST(test_bounds)
{
	size_t size = shapes[_i].size, guard = shapes[_i].guard;
	size_t up = (size + PAGE - 1) / PAGE * PAGE, gup = (guard + PAGE - 1) / PAGE * PAGE;

	for(int i = 0; i < 10; i++){
		struct g *gp = newg(size, guard);

		ck_assert_uint_eq(gp->stack.hi - gp->stack.lo, up);
		ck_assert_uint_eq(gp->stacksize, up + gup);
		ck_assert_uint_eq(gp->stacksize, stackmapsize(size, guard));
		ck_assert_uint_eq(gp->stack.hi % PAGE, 0);
		*(volatile char *)gp->stack.lo = 1;
		*(volatile char *)(gp->stack.hi - 1) = 1;
		if(gup != 0){
			ck_assert(faults(gp->stack.lo - 1));
			ck_assert(faults(gp->stack.lo - gup));
		}
	}
}
END_TEST

static int
bylow(const void *a, const void *b)
{
	const struct g *const *g1 = a, *const *g2 = b;

	return (*g1)->stack.lo < (*g2)->stack.lo ? -1 : 1;
}

START_TEST(test_disjoint)
{
	enum { N = 3000 };
	static struct g *gs[N];

	for(int i = 0; i < N; i++)
		gs[i] = newg(shapes[i % nelem(shapes)].size, shapes[i % nelem(shapes)].guard);
	qsort(gs, N, sizeof gs[0], bylow);
	for(int i = 1; i < N; i++)
		ck_assert_uint_le(gs[i - 1]->stack.hi, gs[i]->stack.hi - gs[i]->stacksize);
}
END_TEST

/* A stack comes back zeroed and unmapped regions are gone. */
START_TEST(test_free)
{
	enum { N = 200 };
	static struct g *gs[N];
	uintptr_t some;

	for(int round = 0; round < 20; round++){
		for(int i = 0; i < N; i++){
			gs[i] = newg(64 * KB, PAGE);
			for(uintptr_t p = gs[i]->stack.lo; p < gs[i]->stack.hi; p += PAGE){
				ck_assert_int_eq(*(char *)p, 0);
				*(char *)p = 1;
			}
		}
		/* half of them, in another order */
		for(int i = 1; i < N; i += 2){
			stackfree(gs[i]);
			ck_assert_uint_eq(gs[i]->stacksize, 0);
			ck_assert_int_eq(stackalloc(gs[i], 64 * KB, PAGE), 0);
			ck_assert_int_eq(*(char *)gs[i]->stack.lo, 0);
		}
		some = gs[N / 2]->stack.lo;
		ck_assert(mapped(some));
		for(int i = 0; i < N; i++){
			stackfree(gs[(i * 7) % N]);
			free(gs[(i * 7) % N]);
		}
		ck_assert(!mapped(some));
	}
}
END_TEST

/* One slot with guards of different sizes in turn. */
START_TEST(test_guard_changes)
{
	struct g *keep = newg(64 * KB, 4 * PAGE), *gp = newg(64 * KB, 4 * PAGE);
	uintptr_t base = gp->stack.hi - gp->stacksize;

	ck_assert(faults(base + 3 * PAGE));
	stackguard(gp, PAGE);
	ck_assert_uint_eq(gp->stack.lo, base + PAGE);
	ck_assert(faults(base));
	ck_assert(!faults(base + PAGE));
	stackguard(gp, 0);
	ck_assert(!faults(base));
	stackguard(gp, 2 * PAGE);
	ck_assert(faults(base + PAGE));
	ck_assert(!faults(base + 2 * PAGE));
	stackfree(gp);
	ck_assert_int_eq(stackalloc(gp, 66 * KB + 2 * KB, 3 * PAGE), 0); /* the same slot, with another guard */
	ck_assert(faults(gp->stack.lo - 1));
	ck_assert(!faults(gp->stack.lo));
	stackfree(keep);
}
END_TEST

START_TEST(test_absurd)
{
	struct g g = {0};

	ck_assert_uint_eq(stackmapsize((size_t)1 << 50, PAGE), 0);
	ck_assert_uint_eq(stackmapsize(64 * KB, (size_t)1 << 50), 0);
	ck_assert_uint_eq(stackmapsize(SIZE_MAX, SIZE_MAX), 0);
	ck_assert_int_eq(stackalloc(&g, (size_t)1 << 50, PAGE), EAGAIN);
	ck_assert_uint_eq(g.stacksize, 0);
}
END_TEST

/* Under RLIMIT_AS as many as fit; one that is freed makes room for another. */
START_TEST(test_limit)
{
	struct rlimit rl = {.rlim_cur = 1UL << 30, .rlim_max = 1UL << 30};
	static struct g gs[200];
	int n = 0;

	ck_assert_int_eq(setrlimit(RLIMIT_AS, &rl), 0);
	while(n < 200 && stackalloc(&gs[n], 8192 * KB, PAGE) == 0)
		n++;
	ck_assert_int_ge(n, 110);
	ck_assert_int_lt(n, 130);
	ck_assert_int_eq(stackalloc(&gs[n], 8192 * KB, PAGE), EAGAIN);
	ck_assert_uint_eq(gs[n].stacksize, 0);
	for(int i = 0; i < 500; i++){
		stackfree(&gs[i * 13 % n]);
		ck_assert_int_eq(stackalloc(&gs[i * 13 % n], 8192 * KB, PAGE), 0);
	}
	for(int i = 0; i < n; i++)
		*(volatile char *)gs[i].stack.lo = 1;
}
END_TEST

/* Makes madvise(102), MADV_GUARD_INSTALL, fail as on an older kernel. */
static void
oldkernel(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 102, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {nelem(code), code};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
}

START_TEST(test_guard_mprotect)
{
	enum { N = 40000 };
	static struct g *gs[N];
	int guarded = 0;

	oldkernel();
	for(int i = 0; i < N; i++)
		gs[i] = newg(16 * KB, PAGE);
	/* the first ones have theirs, the last ones do without, and all of them can be used */
	for(int i = 0; i < 100; i++)
		ck_assert(faults(gs[i]->stack.lo - 1));
	for(int i = 0; i < N; i += N / 20)
		guarded += faults(gs[i]->stack.lo - 1);
	ck_assert_int_gt(guarded, 0);
	ck_assert_int_lt(guarded, 20);
	for(int i = 0; i < N; i++)
		*(volatile char *)gs[i]->stack.lo = 1;
	for(int i = 0; i < N; i++)
		stackfree(gs[i]);
	/* and what was taken for guards has come back */
	for(int i = 0; i < 100; i++)
		ck_assert(faults(newg(16 * KB, PAGE)->stack.lo - 1));
}
END_TEST

static size_t
resident(struct g *gp)
{
	static unsigned char v[8192 * KB / PAGE];
	size_t n = 0, pages = (gp->stack.hi - gp->stack.lo) / PAGE;

	ck_assert_int_eq(mincore((void *)gp->stack.lo, pages * PAGE, v), 0);
	for(size_t i = 0; i < pages; i++)
		n += v[i] & 1;
	return n;
}

/* Uses so much of a stack as calls do: every 500 bytes a word. */
static void
use(struct g *gp, size_t depth)
{
	for(uintptr_t p = gp->stack.hi - 8; p > gp->stack.hi - depth; p -= 504)
		*(volatile uint64_t *)(p & ~7UL) = p;
}

/* The pages of a deep stack go when the thread ends, those that every thread uses stay. */
START_TEST(test_trim)
{
	struct g *gp = newg(8192 * KB, PAGE);

	for(int i = 0; i < 3; i++){
		use(gp, 40 * KB);
		ck_assert_uint_eq(resident(gp), 10);
		stacktrim(gp);
		ck_assert_uint_ge(resident(gp), 10);
		use(gp, 4000 * KB);
		ck_assert_uint_ge(resident(gp), 1000);
		stacktrim(gp);
		ck_assert_uint_le(resident(gp), 16);
		ck_assert_uint_ge(resident(gp), 10);
		rawsyscall(SYS_madvise, gp->stack.lo, gp->stack.hi - gp->stack.lo, MADV_DONTNEED);
	}
	gp = newg(64 * KB, PAGE);
	use(gp, 64 * KB);
	stacktrim(gp);
	ck_assert_uint_eq(resident(gp), 16); /* not worth it */
}
END_TEST

START_TEST(test_guard_off)
{
	struct g *gp;

	options.guard = false;
	gp = newg(64 * KB, PAGE);
	ck_assert_uint_eq(gp->stack.hi - gp->stack.lo, 64 * KB);
	ck_assert(!faults(gp->stack.lo - 1));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stack");
	TCase *tc = tcase_create("stack");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_bounds, 0, (int)nelem(shapes));
	tcase_add_test(tc, test_disjoint);
	tcase_add_test(tc, test_free);
	tcase_add_test(tc, test_guard_changes);
	tcase_add_test(tc, test_absurd);
#ifdef SANITIZE
	(void)test_limit; /* a sanitizer reserves terabytes */
#else
	tcase_add_test(tc, test_limit);
#endif
	tcase_add_test(tc, test_guard_mprotect);
	tcase_add_test(tc, test_trim);
	tcase_add_test(tc, test_guard_off);
	suite_add_tcase(s, tc);
	return runsuite(s);
}
