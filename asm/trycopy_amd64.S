/* SPDX-License-Identifier: MIT */
/*
 * long trycopy(void *dst, const void *src, size_t n)
 *
 * Copies from or to the program's memory, which may not be there: 0, or -EFAULT. The handler of
 * SIGSEGV and SIGBUS finds the fault between trycopy and trycopyfault and goes on at the latter (core/signal.c).
 */
	.text
	.globl	trycopy, trycopyfault
	.hidden	trycopy, trycopyfault
	.type	trycopy, @function
	.p2align 4
trycopy:
	.cfi_startproc
	movq	%rdx, %rcx
	rep movsb
	xorl	%eax, %eax
	ret
trycopyfault:
	movq	$-14, %rax
	ret
	.cfi_endproc
	.size	trycopy, .-trycopy

	.section .note.GNU-stack, "", @progbits
