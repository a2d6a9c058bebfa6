/* SPDX-License-Identifier: MIT */
/*
 * Switching between a G and its M's scheduling stack (g0).
 *
 * A switch changes three things: the stack, the callee-saved registers (with the
 * control bits of mxcsr and the x87, which the ABI also preserves) and the FS base, that is, the
 * TLS. A signal may arrive between any two instructions; its handler runs on the
 * M's signal stack and finds its way by TLS alone: with the G's FS base tls_g is the G,
 * in runtime mode; with the M's, tls_g is NULL and tls_m the M. Both are right at
 * every instruction here, as gp->m is set before gogo and kept until after mcall.
 *
 * Returns are predicted by a stack in the CPU that calls push and returns pop. A switch must leave
 * it as it was, else each return of the G up to its own code is mispredicted, at about
 * 9 ns. So the scheduler on g0 returns to mcall which G to run instead of jumping into it. If that one
 * was parked by the same call of mcall as the one before, its callers
 * are mostly the same as well (a server's threads all wait in one place): then mcall ends in
 * "ret", and the CPU's stack fits. If not, the return address would be mispredicted for sure,
 * and "pop; jmp" is predicted by its history.
 */
#include "offsets.h"

	.text

/* SETFS: FS base := %rax. May clobber rcx, r11 and, without FSGSBASE, rax; keeps rdi, rsi, rdx. */
	.macro SETFS
#ifdef SANITIZE /* tests/sanitize.c's is a function */
	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	andq	$-16, %rsp
	movq	%rax, %rdi
	call	setfsbase
	movq	-8(%rbp), %rdi
	movq	-16(%rbp), %rsi
	movq	-24(%rbp), %rdx
	movq	%rbp, %rsp
	popq	%rbp
#else
	cmpb	$0, havefsgsbase(%rip)
	je	8f
	wrfsbase %rax
	jmp	9f
8:	pushq	%rdi
	pushq	%rsi
	movq	%rax, %rsi
	movl	$ARCH_SET_FS_CODE, %edi
	movl	$SYS_ARCH_PRCTL, %eax
	syscall
	popq	%rsi
	popq	%rdi
9:
#endif
	.endm

/*
 * void mcall(struct g *(*fn)(struct g *))
 * Saves the current G, calls fn(gp) on its M's g0 and runs the G that it returns. mcall returns when
 * gp is executed again, maybe on another M. Go: asm_amd64.s mcall and gogo.
 * On g0, r12 keeps the return address of this call, r13 and r14 mxcsr and the x87 control word: nearly always the next G has
 * the same, and they need not be loaded, which takes longer than to look.
 */
	.globl	mcall
	.hidden	mcall
	.type	mcall, @function
	.p2align 4
mcall:
	.cfi_startproc
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)

	movq	tls_g@gottpoff(%rip), %rax
	movq	%fs:(%rax), %rsi
	movq	%rsp, G_SP(%rsi)
	movl	(%rsp), %r13d
	movzwl	4(%rsp), %r14d
	movq	56(%rsp), %r12
	movq	G_M(%rsi), %rdx
	movq	M_FSBASE(%rdx), %rax
	SETFS
	movq	M_G0SP(%rdx), %rsp
	movq	%rdi, %rax
	movq	%rsi, %rdi
	xorl	%ebp, %ebp
	call	*%rax
	movq	%rax, %rdi
	movq	%r12, %rdx
	movq	G_FSBASE(%rdi), %rax
	SETFS
	movq	G_SP(%rdi), %rsp
	cmpl	%r13d, (%rsp)
	jne	6f
	cmpw	%r14w, 4(%rsp)
	jne	6f
	.cfi_remember_state
5:	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	popq	%r14
	.cfi_adjust_cfa_offset -8
	popq	%r13
	.cfi_adjust_cfa_offset -8
	popq	%r12
	.cfi_adjust_cfa_offset -8
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	cmpq	(%rsp), %rdx
	jne	7f
	ret
7:	popq	%rcx
	.cfi_adjust_cfa_offset -8
	jmp	*%rcx
6:	.cfi_restore_state
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	jmp	5b
	.cfi_endproc
	.size	mcall, .-mcall

/*
 * void gogo(struct g *gp)
 * From g0 into gp, where mcall or ginitstack left it. Go: asm_amd64.s gogo.
 */
	.globl	gogo
	.hidden	gogo
	.type	gogo, @function
	.p2align 4
gogo:
	.cfi_startproc
	.cfi_undefined rip
	movq	G_FSBASE(%rdi), %rax
	SETFS
	movq	G_SP(%rdi), %rsp
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	addq	$8, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	popq	%rcx
	jmp	*%rcx
	.cfi_endproc
	.size	gogo, .-gogo

/*
 * gstart: a new G's first frame, made by ginitstack: r12 is its function, r13 the G.
 * Unwinding ends here.
 */
	.globl	gstart
	.hidden	gstart
	.type	gstart, @function
	.p2align 4
gstart:
	.cfi_startproc
	.cfi_undefined rip
	movq	%r13, %rdi
	call	*%r12
	ud2
	.cfi_endproc
	.size	gstart, .-gstart

#ifndef SANITIZE
/* void setfsbase(uintptr_t) */
	.globl	setfsbase
	.hidden	setfsbase
	.type	setfsbase, @function
	.p2align 4
setfsbase:
	.cfi_startproc
	movq	%rdi, %rax
	SETFS
	ret
	.cfi_endproc
	.size	setfsbase, .-setfsbase

/* uintptr_t getfsbase(void): the word at FS:0, which the TLS ABI makes the base itself. */
	.globl	getfsbase
	.hidden	getfsbase
	.type	getfsbase, @function
	.p2align 4
getfsbase:
	.cfi_startproc
	movq	%fs:0, %rax
	ret
	.cfi_endproc
	.size	getfsbase, .-getfsbase
#endif

	.section .note.GNU-stack, "", @progbits
