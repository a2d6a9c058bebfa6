/* SPDX-License-Identifier: MIT */
/*
 * A preempted G goes through asyncpreempt one instruction at a time. At each of them the context that a signal's handler would
 * be given is that of the interrupted code: preempted.c.
 */
#include <stdlib.h>
#include <string.h>

#include "gs.h"
#include "sig.h"
#include "suite.h"

enum { FLAGS = 0x85, FLAGMASK = 0x8d5, CWD = 0x077f, ROOM = 16 << 10, LEAST = 52, TRIES = 10000 };

static struct {
	struct g *gp;      /* who is preempted; the trap flag stays with the thread for others */
	uintptr_t sp;      /* the interrupted stack pointer */
	uintptr_t left;    /* gp->preempted at the end */
	uint32_t steps, within, bad;
	uintptr_t badpc;
	int badreg;
} seen;
static uint8_t stepped[512]; /* instructions of asyncpreempt, by their offsets */

void step(uintptr_t *sp, uintptr_t *frame);
extern const char stepbegin[], stepped0[], stepend[], asyncpreemptend[];

/*
 * Does what inject does, with known registers, and sets the trap flag before it goes on with asyncpreempt. Where that returns to is stepped0.
 */
__asm__(
    "	.text\n"
    "step:\n"
    "stepbegin:\n"
    "	pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
    "	subq $24, %rsp\n"
    "	fnstcw (%rsp)\n"
    "	movq %rsp, (%rdi)\n"
    "	leaq -136(%rsp), %rax\n"
    "	movq %rax, (%rsi)\n"
    "	leaq stepped0(%rip), %rcx\n"
    "	movq %rcx, (%rax)\n"
    "	movl $0x077f, 8(%rsp); fldcw 8(%rsp)\n"
    "	movq $0x1000, %rax; movq %rax, %xmm7; movq $0x1001, %rbx; movq $0x1002, %rcx; movq $0x1003, %rdx\n"
    "	movq $0x1004, %rsi; movq $0x1005, %rdi; movq $0x1006, %rbp; movq $0x1007, %r8; movq $0x1008, %r9\n"
    "	movq $0x1009, %r10; movq $0x100a, %r11; movq $0x100b, %r12; movq $0x100c, %r13; movq $0x100d, %r14\n"
    "	movq $0x100e, %r15\n"
    "	leaq -8(%rsp), %rsp\n"
    "	movq $0x385, (%rsp)\n" /* carry, parity, sign; interrupts; trap */
    "	popfq\n"
    "	leaq -136(%rsp), %rsp\n"
    "	jmp asyncpreempt\n"
    "stepped0:\n"
    "	pushq $0x202\n"
    "	popfq\n"
    "	fldcw (%rsp)\n"
    "	addq $24, %rsp\n"
    "	popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp\n"
    "	ret\n"
    "stepend:\n");

/* Which of the registers is not as it was? 0: none. */
static int
wrong(const struct ucontextk *uc)
{
	static const uint8_t regs[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_R8, REG_R9, REG_R10, REG_R11,
	    REG_R12, REG_R13, REG_R14, REG_R15};
	const struct _libc_fpstate *fp = (const struct _libc_fpstate *)uc->fp;

	for(size_t i = 0; i < sizeof regs; i++)
		if(uc->gregs[regs[i]] != 0x1000 + i)
			return 100 + regs[i];
	if(uc->gregs[REG_RSP] != seen.sp)
		return 100 + REG_RSP;
	if(uc->gregs[REG_RIP] != (uintptr_t)stepped0)
		return 100 + REG_RIP;
	if((uc->gregs[REG_EFL] & FLAGMASK) != FLAGS)
		return 100 + REG_EFL;
	if(fp->cwd != CWD)
		return 1;
	return fp->_xmm[7].element[0] == 0x1000 && fp->_xmm[7].element[1] == 0 ? 0 : 2;
}

static void
look(struct g *gp, const struct ucontextk *uc)
{
	static uint8_t fp[ROOM] __attribute__((aligned(64)));
	struct ucontextk copy = *uc;
	uintptr_t frame = gp->preempted;
	uint32_t size;
	int r;

	memcpy(&size, uc->fp + 468, sizeof size);
	memcpy(fp, uc->fp, size < ROOM ? size : ROOM);
	copy.fp = fp;
	preemptedcontext(gp, &copy);
	gp->preempted = frame;
	if((r = wrong(&copy)) != 0 && seen.bad++ == 0){
		seen.badreg = r;
		seen.badpc = uc->gregs[REG_RIP];
	}
}

static void
ontrap(int sig, siginfo_t *info, void *ucv)
{
	const struct ucontextk *uc = ucv;
	const char *pc = (const char *)uc->gregs[REG_RIP];
	struct g *gp = getg();

	if(gp != seen.gp || (pc >= stepbegin && pc < stepend))
		return;
	seen.steps++;
	if(pc >= (const char *)asyncpreempt && pc < asyncpreemptend){
		seen.within++;
		stepped[pc - (const char *)asyncpreempt] = 1;
		look(gp, uc);
	}else if(uc->gregs[REG_RSP] < gp->stack.lo || uc->gregs[REG_RSP] >= gp->stack.hi)
		return; /* between the stacks: no handler runs there */
	else if(gp->preempted != 0)
		look(gp, uc);
	else if(seen.bad++ == 0)
		seen.badpc = (uintptr_t)pc;
}

static int
instructions(void)
{
	int n = 0;

	for(size_t i = 0; i < sizeof stepped; i++)
		n += stepped[i];
	return n;
}

/* The flag is the kernel thread's. If the G goes on elsewhere once it has yielded the second half is not stepped through: then it tries again. */
static void *
preempted(void *arg)
{
	seen.gp = getg();
	for(int i = 0; i < TRIES && instructions() < LEAST; i++){
		step(&seen.sp, &seen.gp->preempted);
		seen.left |= seen.gp->preempted;
	}
	return NULL;
}

/* Until it is done. */
static void
sleeping(void)
{
	struct g *gp = getg();

	rtenter(gp);
	entersyscallblock(gp);
	while(load_acquire(&live) != 0)
		usleep_ns(MSEC);
	exitsyscallblock(gp);
	rtexit(gp);
}

START_TEST(test_each_instruction)
{
	struct sigaction sa = {.sa_sigaction = ontrap, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	start(1);
	ck_assert_int_eq(sigaction(SIGTRAP, &sa, NULL), 0);
	spawn(preempted, NULL);
	sleeping();
	waitall();
	ck_assert_msg(seen.bad == 0, "%u steps are wrong; the first, at asyncpreempt + %ld, in %d", seen.bad,
	    (long)(seen.badpc - (uintptr_t)asyncpreempt), seen.badreg);
	ck_assert_uint_eq(seen.left, 0);
	ck_assert_uint_gt(seen.steps, seen.within); /* asyncpreempt2, too */
	ck_assert_int_ge(instructions(), LEAST);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("preempted");
	TCase *tc = tcase_create("context");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_each_instruction);
	suite_add_tcase(s, tc);
	return runsuite(s);
}
