/* SPDX-License-Identifier: MIT */
/*
 * pid_t vfork(void), __vfork, and long vforksyscall(void): the same, for a jump from syscall(2)
 *
 * The child runs on its parent's stack and in its parent's memory until it calls exec or _exit, while the
 * parent's thread waits. It must not act as the parent's G: with tls_g NULL all wrappers go
 * straight to libc, as on a thread without a G. The parent's thread puts tls_g back. All signals are
 * blocked in between, so that no handler runs on that thread without its G; the child gets the mask back at once.
 *
 * Nothing of the parent's may be kept on the stack, which the child goes on to use: r8 holds the
 * return address, r9 the G, r10 the mask.
 */
#define SYS_RT_SIGPROCMASK 14
#define SYS_VFORK 58
#define SETMASK 2

	.text

	.macro SIGPROCMASK set, old
	movl	$SYS_RT_SIGPROCMASK, %eax
	movl	$SETMASK, %edi
	\set
	\old
	movl	$8, %r10d
	syscall
	.endm

	.globl	vfork
	.type	vfork, @function
	.globl	vforksyscall
	.hidden	vforksyscall
	.globl	__vfork
	.type	__vfork, @function
	.p2align 4
vfork:
__vfork:
vforksyscall:
	.cfi_startproc
	popq	%r8
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, r8
	movq	$-1, -16(%rsp)
	SIGPROCMASK "leaq -16(%rsp), %rsi", "leaq -24(%rsp), %rdx"
	movq	-24(%rsp), %r10
	movb	$1, vforkused(%rip)	/* core/netpoll.c: the table of descriptors is the parent's */
	lock incl forkepoch(%rip)	/* they are inherited */
	movq	tls_g@gottpoff(%rip), %rdx
	movq	%fs:(%rdx), %r9
	movq	$0, %fs:(%rdx)
	movl	$SYS_VFORK, %eax
	syscall
	testq	%rax, %rax
	je	1f
	movq	tls_g@gottpoff(%rip), %rdx
	movq	%r9, %fs:(%rdx)
1:	movq	%rax, %r9
	movq	%r10, -16(%rsp)
	SIGPROCMASK "leaq -16(%rsp), %rsi", "xorl %edx, %edx"
	pushq	%r8
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rip, 0
	movq	%r9, %rax
	cmpq	$-4095, %rax
	jae	2f
	ret
2:	negl	%eax
	pushq	%rax
	.cfi_adjust_cfa_offset 8
	call	__errno_location@PLT
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	movl	%ecx, (%rax)
	movq	$-1, %rax
	ret
	.cfi_endproc
	.size	vfork, .-vfork
	.size	__vfork, .-__vfork

	.section .note.GNU-stack, "", @progbits
