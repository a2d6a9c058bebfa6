/* SPDX-License-Identifier: MIT */
/*
 * asyncpreempt: a call that the preemption signal's handler injects between two
 * instructions of the program (Go: preempt_amd64.s). The handler has moved the
 * stack pointer below the red zone and pushed the interrupted pc, so that here
 *	(%rsp)            pc to go back to
 *	8(%rsp)..         128 bytes of red zone, not ours
 * Every register is live: all of them, the flags and the whole extended state
 * (XSAVE, as large as the CPU says) are kept on the G's stack. The unwinding of a thread that is
 * cancelled asynchronously goes through here, so the registers that a caller may rely on are described.
 */
	.text
	.globl	asyncpreempt
	.hidden	asyncpreempt
	/* where what is: core/preempted.c */
	.globl	asyncpreemptflags, asyncpreemptbase, asyncpreemptpush, asyncpreemptpushed, asyncpreemptsaved
	.globl	asyncpreemptloaded, asyncpreemptpopped, asyncpreemptreturn, asyncpreemptend
	.hidden	asyncpreemptflags, asyncpreemptbase, asyncpreemptpush, asyncpreemptpushed, asyncpreemptsaved
	.hidden	asyncpreemptloaded, asyncpreemptpopped, asyncpreemptreturn, asyncpreemptend
	.type	asyncpreempt, @function
	.p2align 4
asyncpreempt:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa rsp, 8+128
	.cfi_offset rip, -8-128
	pushfq
asyncpreemptflags:
	.cfi_adjust_cfa_offset 8
	pushq	%rbp
asyncpreemptbase:
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	movq	%rsp, %rbp
asyncpreemptpush:
	.cfi_def_cfa_register rbp
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rbx
	.cfi_offset rbx, -184
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	.cfi_offset r12, -240
	pushq	%r13
	.cfi_offset r13, -248
	pushq	%r14
	.cfi_offset r14, -256
	pushq	%r15
	.cfi_offset r15, -264
	cld
asyncpreemptpushed:
	movq	%rsp, %rbx
	subq	xsavesize(%rip), %rsp
	andq	$-64, %rsp
	/* xsave writes only part of its header; xrstor wants the rest zero */
	xorl	%eax, %eax
	leaq	512(%rsp), %rdi
	movl	$8, %ecx
	rep stosq
	movl	$-1, %eax
	movl	$-1, %edx
	xsave64	(%rsp)
asyncpreemptsaved:
	/* the next G expects the x87's stack to be empty, as it is between calls */
	fninit
	call	asyncpreempt2
	movq	$0, (%rax)	/* gp->preempted */
	movl	$-1, %eax
	movl	$-1, %edx
	xrstor64 (%rsp)
asyncpreemptloaded:
	movq	%rbx, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rbx
	popq	%rdx
	popq	%rcx
	popq	%rax
	popq	%rbp
asyncpreemptpopped:
	.cfi_def_cfa rsp, 16+128
	popfq
	.cfi_def_cfa rsp, 8+128
asyncpreemptreturn:
	ret	$128
asyncpreemptend:
	.cfi_endproc
	.size	asyncpreempt, .-asyncpreempt

	.section .note.GNU-stack, "", @progbits
