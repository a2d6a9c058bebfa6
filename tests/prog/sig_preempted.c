/* SPDX-License-Identifier: MIT */
/*
 * Threads that compute, more than there are processors, get signals from main: some while they run, some while they wait for a CPU. The handler's
 * context is that of the loop, each register of it, as garbage collectors and profilers expect. What the handler changes there
 * is in force when it returns, also the address to go on at.
 */
#include "prog.h"
#include <signal.h>
#include <ucontext.h>

enum { N = 5, ROUNDS = 12 };

static struct loop {
	uint64_t in;         /* 0: the thread is in its loop. The loop knows the offsets of these three */
	uint64_t sp;
	uint64_t x[2];
	uint64_t marks[2];   /* what r15 and xmm7 have at the end */
	uint32_t hits, bad;
	pthread_t t;
} loops[N];
static int wanted = ROUNDS;
static __thread struct loop *me;

void spin(struct loop *);
extern const char loopbegin[], loopend[];

/* rax and rcx count, all others are known; r14 is the struct. */
__asm__(
    "	.text\n"
    "	.p2align 4\n"
    "spin:\n"
    "	pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
    "	subq $200, %rsp\n"
    "	movq %rdi, %r14\n"
    "	movq %rsp, 8(%r14)\n"
    "	movdqu 16(%r14), %xmm7\n"
    "	movq $0x1001, %rbx; movq $0x1002, %rdx; movq $0x1003, %rsi; movq $0x1004, %rdi; movq $0x1005, %rbp\n"
    "	movq $0x1006, %r8; movq $0x1007, %r9; movq $0x1008, %r10; movq $0x1009, %r11; movq $0x100a, %r12\n"
    "	movq $0x100b, %r13; movq $0, %r15; xorl %eax, %eax; xorl %ecx, %ecx\n"
    "	movq $-1, -8(%rsp)\n" /* the red zone is the program's */
    "loopbegin:\n"
    "	movq $1, (%r14)\n"
    "	incq %rax\n"
    "	movq %rax, %rcx\n"
    "	cmpq $-1, -8(%rsp)\n"
    "	jne 1f\n"
    "	cmpq %rax, %rcx\n" /* what is interrupted between the two has its flags */
    "	je loopbegin\n"
    "1:	ud2\n"
    "loopend:\n"
    "	movq %r15, 32(%r14)\n"
    "	movq %xmm7, 40(%r14)\n"
    "	addq $200, %rsp\n"
    "	popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp\n"
    "	ret\n");

static uint32_t
wrong(const ucontext_t *uc, const struct loop *l)
{
	static const uint8_t regs[] = {REG_RBX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13};
	const greg_t *r = uc->uc_mcontext.gregs;
	const uint32_t *seven = uc->uc_mcontext.fpregs->_xmm[7].element;
	char here;

	if(r[REG_RIP] < (greg_t)loopbegin || r[REG_RIP] >= (greg_t)loopend)
		return 1;
	if(r[REG_RSP] != (greg_t)l->sp || (uintptr_t)&here > l->sp - 128)
		return 2;
	for(size_t i = 0; i < sizeof regs; i++)
		if(r[regs[i]] != (greg_t)(0x1001 + i))
			return 16 + (uint32_t)i;
	if(r[REG_R14] != (greg_t)l || r[REG_R15] != l->hits)
		return 3;
	if(r[REG_RAX] - r[REG_RCX] < 0 || r[REG_RAX] - r[REG_RCX] > 1)
		return 4;
	if(seven[0] != 0x77777777 + l->hits || seven[1] != 0 || seven[2] != 0x7a7a7a7a)
		return 5;
	if(r[REG_EFL] & 0x500)
		return 6;
	return sigismember(&uc->uc_sigmask, SIGUSR1) ? 7 : 0;
}

static void
handler(int sig, siginfo_t *info, void *ucv)
{
	ucontext_t *uc = ucv;
	struct loop *l = me;
	uint32_t bad = wrong(uc, l);

	if(sig != SIGUSR1 || info->si_signo != sig || info->si_code != SI_TKILL || info->si_pid != getpid())
		bad = 8;
	if(bad != 0)
		l->bad = bad;
	uc->uc_mcontext.gregs[REG_R15]++;
	uc->uc_mcontext.fpregs->_xmm[7].element[0]++;
	if((int)l->hits + 1 == wanted)
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)loopend;
	__atomic_store_n(&l->hits, l->hits + 1, __ATOMIC_RELEASE);
}

static void *
compute(void *arg)
{
	me = arg;
	me->x[0] = 0x77777777;
	me->x[1] = 0x7a7a7a7a;
	spin(me);
	return NULL;
}

int
main(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};

	OK(sigaction(SIGUSR1, &sa, NULL));
	for(int i = 0; i < N; i++)
		loops[i].t = spawn(compute, &loops[i]);
	for(int i = 0; i < N; i++)
		while(__atomic_load_n(&loops[i].in, __ATOMIC_ACQUIRE) == 0)
			usleep(100);
	for(uint32_t n = 0; n < ROUNDS; n++) {
		for(int i = 0; i < N; i++)
			OK(pthread_kill(loops[i].t, SIGUSR1));
		for(int i = 0; i < N; i++)
			while(__atomic_load_n(&loops[i].hits, __ATOMIC_ACQUIRE) == n)
				usleep(100);
	}
	for(int i = 0; i < N; i++) {
		join(loops[i].t);
		EQ(loops[i].bad, 0);
		EQ(loops[i].hits, ROUNDS);
		EQ(loops[i].marks[0], ROUNDS);
		EQ(loops[i].marks[1], 0x77777777 + ROUNDS);
	}
	puts("ok");
	return 0;
}
