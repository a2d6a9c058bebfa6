/* SPDX-License-Identifier: MIT */
/* Moving a function's first instructions, and patching functions of this program. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"
#include "textpatch.h"

/* ---- instructions ---- */

static uint8_t buf[2 * MAXMOVED];

static const char *
moved(const char *code, size_t n, intptr_t distance)
{
	static uint8_t src[64];

	memset(src, 0x90, sizeof src);
	memcpy(src, code, n);
	memset(buf, 0xcc, sizeof buf);
	return insnmove(buf, (uintptr_t)src + (uintptr_t)distance, src, sizeof src);
}

#define MOVED(code, distance) moved(code, sizeof code - 1, distance)

static int32_t
disp(size_t at)
{
	int32_t v;

	memcpy(&v, buf + at, sizeof v);
	return v;
}

START_TEST(test_move_rip_relative)
{
	/* cmpb $0, 0x100(%rip) of 7 bytes; je */
	ck_assert_ptr_null(MOVED("\x80\x3d\x00\x01\x00\x00\x00\x74\x17", 4096));
	ck_assert_mem_eq(buf, "\x80\x3d", 2);
	ck_assert_int_eq(disp(2), 0x100 - 4096); /* the same place */
	ck_assert_int_eq(buf[6], 0);
	ck_assert_int_eq(buf[7], 0xe9);
	ck_assert_int_eq(disp(8), 7 - 4096 - 12); /* back to the je */
	ck_assert_int_eq(buf[12], 0xcc);
}
END_TEST

START_TEST(test_move_short_ones)
{
	/* push %rbp; mov %esi, %r10d; mov %rdi, %rbp */
	ck_assert_ptr_null(MOVED("\x55\x41\x89\xf2\x48\x89\xfd", 4096));
	ck_assert_mem_eq(buf, "\x55\x41\x89\xf2\x48\x89\xfd\xe9", 8);
	/* sub $0x78, %rsp; mov %rcx, 0x58(%rsp) */
	ck_assert_ptr_null(MOVED("\x48\x83\xec\x78\x48\x89\x4c\x24\x58", 4096));
	ck_assert_mem_eq(buf, "\x48\x83\xec\x78\x48\x89\x4c\x24\x58\xe9", 10);
	/* mov (%rdi), %eax; cmp $2, %eax */
	ck_assert_ptr_null(MOVED("\x8b\x07\x83\xf8\x02", 4096));
	ck_assert_mem_eq(buf, "\x8b\x07\x83\xf8\x02\xe9", 6);
	/* xor %r10d, %r10d; mov $1, %edx */
	ck_assert_ptr_null(MOVED("\x45\x31\xd2\xba\x01\x00\x00\x00", 4096));
	ck_assert_mem_eq(buf, "\x45\x31\xd2\xba\x01\x00\x00\x00\xe9", 9);
}
END_TEST

START_TEST(test_move_conditional_jump)
{
	/* cmp $3, %edi; je +0x30 */
	ck_assert_ptr_null(MOVED("\x83\xff\x03\x74\x30", -8192));
	ck_assert_mem_eq(buf, "\x83\xff\x03\x0f\x84", 5);
	ck_assert_int_eq(disp(5), 5 + 0x30 + 8192 - 9);
	ck_assert_int_eq(buf[9], 0xe9);
}
END_TEST

START_TEST(test_move_refuses)
{
	static const struct {
		const char *code;
		size_t n;
	} bad[] = {
		{"\xe8\x00\x00\x00\x00", 5},                 /* call */
		{"\xc3\x90\x90\x90\x90", 5},                 /* ret */
		{"\x0f\x05\x48\x3d\x00", 5},                 /* a system call's return address would be in the jump */
		{"\x48\x8b\x05\x00\x01\x00\x00", 7},         /* mov relative to rip */
		{"\x48\xb8\x00\x00\x00\x00\x00\x00\x00", 9}, /* movabs */
		{"\x48\x8b\x04\x25\x28\x00\x00\x00", 8},     /* mov from an absolute address */
		{"\x64\x48\x8b\x04\x25\x28\x00\x00", 8},     /* mov %fs: */
		{"\xcc\x3d\x00\x01\x00\x00\x00", 7},         /* a breakpoint */
		{"\x55\x55\x55\x55\x55\xeb\xfb", 7},         /* a jump to the third push */
		{"\x55\x55\x55\x55\x55\xe9\xf7\xff\xff\xff", 10},
		{"\x55\x55\x55\x55\x55\x0f\x84\xf8\xff\xff\xff", 11},
		{"\x55\x55\x55\x55\x55\x75\xfa", 7},
	};

	for(size_t i = 0; i < nelem(bad); i++)
		ck_assert_msg(moved(bad[i].code, bad[i].n, 4096) != NULL, "case %zu", i);
	/* back to the first is none to be afraid of: it goes through the jump */
	ck_assert_ptr_null(MOVED("\x55\x55\x55\x55\x55\xeb\xf9", 4096));
	/* too far away */
	ck_assert_ptr_nonnull(MOVED("\x55\x55\x55\x55\x55", (intptr_t)3 << 30));
	ck_assert_ptr_nonnull(MOVED("\x80\x3d\x00\x01\x00\x00\x00", -((intptr_t)3 << 30)));
	/* longer than the function */
	ck_assert_ptr_nonnull(insnmove(buf, (uintptr_t)buf, (const uint8_t *)"\x55\x55\x55\x55\x55", 4));
}
END_TEST

START_TEST(test_unless)
{
	static struct {
		uint8_t code[16];
		char flag, other;
	} f = {{0x80, 0x3d, 9, 0, 0, 0, 0, 0x74, 2}, 1, 1};

	ck_assert_ptr_eq(insnunless(f.code, 16, &f.flag), f.code + 11);
	ck_assert_ptr_null(insnunless(f.code, 16, &f.other));
	ck_assert_ptr_null(insnunless(f.code, 16, NULL));
	ck_assert_ptr_null(insnunless(f.code, 11, &f.flag)); /* out of the function */
	f.code[8] = 0x80;                                    /* backwards */
	ck_assert_ptr_null(insnunless(f.code, 16, &f.flag));
	f.code[8] = 2;
	f.code[6] = 1; /* another value */
	ck_assert_ptr_null(insnunless(f.code, 16, &f.flag));
	f.code[6] = 0;
	f.code[7] = 0x75; /* jne */
	ck_assert_ptr_null(insnunless(f.code, 16, &f.flag));
}
END_TEST

START_TEST(test_syscall_number)
{
	static const uint8_t read[] = {0x90, 0x31, 0xc0, 0x0f, 0x05};
	static const uint8_t poll[] = {0x90, 0xb8, 7, 0, 0, 0, 0x0f, 0x05};

	ck_assert(insnsyscall(read, sizeof read, 0));
	ck_assert(!insnsyscall(read, sizeof read - 1, 0));
	ck_assert(insnsyscall(poll, sizeof poll, 7));
	ck_assert(!insnsyscall(poll, sizeof poll, 0));
	ck_assert(!insnsyscall(poll, sizeof poll, 8));
	ck_assert(!insnsyscall(poll, sizeof poll, 0x107));
}
END_TEST

/* ---- functions of this program, as libc's are ---- */

static bool single;

/* gettid, getpid and one that is like no other: each on a page with the next. */
__asm__(".text\n"
        ".balign 4096\n"
        "fn_tid: cmpb $0, single(%rip)\n"
        "	je 1f\n"
        "	mov $186, %eax\n"
        "	syscall\n"
        "	ret\n"
        "1:	mov $186, %eax\n"
        "	syscall\n"
        "	neg %rax\n"
        "	ret\n"
        "fn_tid_end:\n"
        ".balign 64\n"
        "fn_pid: endbr64\n"
        "	push %rbx\n"
        "	xor %ebx, %ebx\n"
        "	mov %rbx, %rdi\n"
        "	mov $39, %eax\n"
        "	syscall\n"
        "	pop %rbx\n"
        "	ret\n"
        "fn_pid_end:\n"
        ".balign 64\n"
        "fn_odd: call fn_tid\n"
        "	mov $39, %eax\n"
        "	syscall\n"
        "	ret\n"
        "fn_odd_end:\n"
        ".balign 4096\n");
extern const uint8_t fn_tid[], fn_tid_end[], fn_pid[], fn_pid_end[], fn_odd[], fn_odd_end[];

static long
instead(void)
{
	return 4711;
}

#define PATCH(fn, sysno) {.name = #fn, .at = fn, .size = (size_t)(fn##_end - fn), .to = (const void *)instead, .nr = sysno}

static struct textpatch v[4];

static void
setup(void)
{
	const struct textpatch all[] = {PATCH(fn_tid, 186), PATCH(fn_pid, 39), PATCH(fn_odd, 39), PATCH(fn_pid, 40)};

	memcpy(v, all, sizeof v);
}

static long
call(const void *fn)
{
	return ((long (*)(void))fn)();
}

START_TEST(test_patch)
{
	ck_assert_int_eq(textmove(v, nelem(v), NULL), 2);
	ck_assert_str_eq(v[3].why, "not the system call it should be");
	ck_assert_ptr_nonnull(v[2].why);
	ck_assert_int_eq(call(fn_tid), -gettid()); /* not yet */
	ck_assert_int_eq(call(v[0].orig), -gettid());
	ck_assert_int_eq(textpatch(v, nelem(v)), 2);
	ck_assert(v[0].patched && v[1].patched && !v[2].patched && !v[3].patched);
	ck_assert_int_eq(call(fn_tid), 4711);
	ck_assert_int_eq(call(fn_pid), 4711);
	ck_assert_mem_eq(fn_pid, "\xf3\x0f\x1e\xfa\xe9", 5); /* where indirect calls may arrive they still do */
	ck_assert_int_eq(call(fn_odd), getpid());
	ck_assert_int_eq(call(v[0].orig), -gettid());
	*(volatile bool *)&single = true;
	ck_assert_int_eq(call(v[0].orig), gettid());
	ck_assert_int_eq(call(v[1].orig), getpid());
}
END_TEST

START_TEST(test_patch_behind_the_flag)
{
	v[0].why = NULL;
	ck_assert_int_eq(textmove(v, 1, (const char *)&single), 1);
	ck_assert_ptr_eq(v[0].orig, fn_tid + 17); /* what it does when not single */
	ck_assert_int_eq(textpatch(v, 1), 1);
	ck_assert_int_eq(call(fn_tid), 4711);
	ck_assert_int_eq(call(v[0].orig), -gettid());
}
END_TEST

static void *
waits(void *arg)
{
	pthread_barrier_wait(arg);
	return NULL;
}

START_TEST(test_patch_not_with_threads)
{
	pthread_barrier_t b;
	pthread_t t;

	pthread_barrier_init(&b, NULL, 2);
	ck_assert_int_eq(pthread_create(&t, NULL, waits, &b), 0);
	ck_assert_int_eq(textmove(v, nelem(v), NULL), 0);
	for(size_t i = 0; i < nelem(v); i++)
		ck_assert_str_eq(v[i].why, "other threads run");
	ck_assert_int_eq(textpatch(v, nelem(v)), 0);
	ck_assert_int_eq(call(fn_pid), getpid());
	pthread_barrier_wait(&b);
	pthread_join(t, NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("textpatch");
	TCase *t = tcase_create("insn");
	SRunner *r;

	tcase_add_test(t, test_move_rip_relative);
	tcase_add_test(t, test_move_short_ones);
	tcase_add_test(t, test_move_conditional_jump);
	tcase_add_test(t, test_move_refuses);
	tcase_add_test(t, test_unless);
	tcase_add_test(t, test_syscall_number);
	suite_add_tcase(s, t);
	t = tcase_create("patch");
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_patch_not_with_threads); /* before the other: in one process what is patched stays so */
	tcase_add_test(t, test_patch);
	if(srunner_fork_status(r = srunner_create(NULL)) == CK_FORK)
		tcase_add_test(t, test_patch_behind_the_flag);
	srunner_free(r);
	suite_add_tcase(s, t);
	return runsuite(s);
}
