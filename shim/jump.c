/* SPDX-License-Identifier: MIT */
/*
 * Jumps that restore the mask: longjmp's family, and contexts.
 *
 * libc sets the kernel's mask itself, and heddle has to know: so it is set here first, and libc finds it as it is to be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <ucontext.h>

#include "libc.h"
#include "setmask.h"

void contextreturn(void); /* asm/context_amd64.S */
/* swapcontext's, which calls them by name */
__attribute__((used)) __typeof__(&swapcontext) swapplain(const ucontext_t *to);
__attribute__((used)) int swapto(const ucontext_t *to);

/* ---- longjmp ---- */

/* In a jmp_buf libc keeps the stack pointer in a form that is no address: rotated, and combined with a secret in the TCB. */
static uintptr_t
demangle(uintptr_t v)
{
	uintptr_t guard;

	__asm__("movq %%fs:0x30, %0" : "=r"(guard));
	return (v >> 17 | v << 47) ^ guard;
}

static void
unwound(struct __jmp_buf_tag *env)
{
	struct g *gp = getg();

	if(gp == NULL)
		return;
	sigunwound(gp, demangle((uintptr_t)env->__jmpbuf[6]));
	if(env->__mask_was_saved)
		setmask(gp, maskof(&env->__saved_mask));
}

EXPORT void
longjmp(struct __jmp_buf_tag env[1], int val)
{
	unwound(env);
	libc.longjmp(env, val);
	__builtin_unreachable();
}
/* libc's are one function, too: what they do about the mask is said in the jmp_buf. */
ALSO(_longjmp, longjmp)
ALSO(siglongjmp, longjmp)

EXPORT void
__longjmp_chk(struct __jmp_buf_tag env[1], int val)
{
	struct g *gp = getg();

	unwound(env);
	if(gp != NULL && sigonalt(gp))
		libc.longjmp(env, val); /* the check asks the kernel, which knows another alternate stack */
	libc.__longjmp_chk(env, val);
	__builtin_unreachable();
}

/* ---- contexts ---- */

/* Does going to a context change the caller's mask? */
static bool
othermask(struct g *gp, const ucontext_t *to)
{
	return gp != NULL && (maskof(&to->uc_sigmask) & ~SIGNEVER) != gp->sigmask;
}

/* It may leave handlers, as longjmp does. */
EXPORT int
setcontext(const ucontext_t *to)
{
	struct g *gp = getg();

	if(gp != NULL){
		sigunwound(gp, (uintptr_t)to->uc_mcontext.gregs[REG_RSP]);
		setmask(gp, maskof(&to->uc_sigmask));
	}
	return libc.setcontext(to);
}

/* What swapcontext is to jump to: libc's, unless the mask is another one; NULL: see there. */
__typeof__(&swapcontext)
swapplain(const ucontext_t *to)
{
	return othermask(getg(), to) ? NULL : libc.swapcontext;
}

int
swapto(const ucontext_t *to)
{
	setmask(getg(), maskof(&to->uc_sigmask));
	return libc.setcontext(to);
}

/*
 * libc's function would save the mask that has been set for the context to go to. So the caller's is saved before, as it is
 * here, by getcontext; but as of a call that has returned, with the caller's stack pointer and address. No frame of ours may be
 * part of it: `to` may go on with a frame above the caller's, on the same stack, and then writes over what is below. Only the registers
 * that a call keeps matter otherwise, and getcontext sees these as the caller left them.
 */
enum { CONTEXTSP = offsetof(ucontext_t, uc_mcontext.gregs[REG_RSP]), CONTEXTPC = offsetof(ucontext_t, uc_mcontext.gregs[REG_RIP]) };
_Static_assert(CONTEXTSP == 160 && CONTEXTPC == 168, "swapcontext has these as numbers");

EXPORT __attribute__((naked)) int
swapcontext(ucontext_t *from, const ucontext_t *to)
{
	__asm__("pushq	%rdi\n\t.cfi_adjust_cfa_offset 8\n\t"
		"pushq	%rsi\n\t.cfi_adjust_cfa_offset 8\n\t"
		"subq	$8, %rsp\n\t.cfi_adjust_cfa_offset 8\n\t"
		"movq	%rsi, %rdi\n\t"
		"call	swapplain\n\t"
		"testq	%rax, %rax\n\t"
		"jne	1f\n\t"
		"movq	16(%rsp), %rdi\n\t"
		"call	getcontext@PLT\n\t"
		"testl	%eax, %eax\n\t"
		"jne	2f\n\t"
		"movq	16(%rsp), %rdi\n\t"
		"leaq	32(%rsp), %rdx\n\t"
		"movq	%rdx, 160(%rdi)\n\t"
		"movq	24(%rsp), %rdx\n\t"
		"movq	%rdx, 168(%rdi)\n\t"
		"movq	8(%rsp), %rdi\n\t"
		"leaq	swapto(%rip), %rax\n\t"
		"jmp	3f\n"
		"1:	movq	8(%rsp), %rsi\n\t"
		"movq	16(%rsp), %rdi\n"
		"3:	.cfi_remember_state\n\t"
		"addq	$24, %rsp\n\t.cfi_adjust_cfa_offset -24\n\t"
		"jmp	*%rax\n"
		"2:	.cfi_restore_state\n\t"
		"addq	$24, %rsp\n\t.cfi_adjust_cfa_offset -24\n\t"
		"ret");
}

/* The function of a context has returned. */
static noreturn void
contextend(const ucontext_t *link)
{
	if(link != NULL)
		setcontext(link);
	exit(0);
}

/*
 * libc's contexts go on with uc_link by a call that does not come by here. So this takes the place of libc's function: fn
 * returns to contextreturn, which finds contextend and the link in r12 and rbx, as fn keeps these.
 */
EXPORT void
makecontext(ucontext_t *uc, void (*fn)(void), int argc, ...)
{
	static const uint8_t regs[] = {REG_RDI, REG_RSI, REG_RDX, REG_RCX, REG_R8, REG_R9};
	greg_t *gregs = uc->uc_mcontext.gregs;
	uintptr_t sp = (uintptr_t)uc->uc_stack.ss_sp + uc->uc_stack.ss_size;
	int onstack = argc > (int)nelem(regs) ? argc - (int)nelem(regs) : 0;
	uintptr_t *word;
	va_list ap;

	word = (uintptr_t *)((sp - (unsigned)onstack * sizeof *word) & ~15UL) - 1;
	gregs[REG_RSP] = (greg_t)(uintptr_t)word;
	gregs[REG_RIP] = (greg_t)(uintptr_t)fn;
	gregs[REG_RBX] = (greg_t)(uintptr_t)uc->uc_link;
	gregs[REG_R12] = (greg_t)(uintptr_t)contextend;
	*word++ = (uintptr_t)contextreturn;
	va_start(ap, argc);
	for(int i = 0; i < argc; i++)
		if(i < (int)nelem(regs))
			gregs[regs[i]] = va_arg(ap, greg_t);
		else
			*word++ = va_arg(ap, uintptr_t);
	va_end(ap);
}
