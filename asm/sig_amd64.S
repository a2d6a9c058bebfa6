/* SPDX-License-Identifier: MIT */
/*
 * Where signal handlers return to.
 *
 * Unwinders must find their way through these frames (exceptions, pthread_exit and
 * backtraces from within handlers). So each entry is described as a signal frame: the stack
 * pointer is at the ucontext, which holds every register; a byte before the entry belongs to it,
 * as unwinders look up a return address minus one.
 */
	.text

/* DW_CFA_expression: register r is saved at rsp + off (one or two bytes of SLEB128) */
	.macro REGAT r, off
	.if \off < 64
	.cfi_escape 0x10, \r, 2, 0x77, \off
	.else
	.cfi_escape 0x10, \r, 3, 0x77, (\off & 0x7f) | 0x80, \off >> 7
	.endif
	.endm

	.macro SIGFRAME
	.cfi_signal_frame
	/* DW_CFA_def_cfa_expression: *(rsp + 160), the interrupted rsp */
	.cfi_escape 0x0f, 4, 0x77, 0xa0, 0x01, 0x06
	REGAT 8, 40
	REGAT 9, 48
	REGAT 10, 56
	REGAT 11, 64
	REGAT 12, 72
	REGAT 13, 80
	REGAT 14, 88
	REGAT 15, 96
	REGAT 5, 104	/* rdi */
	REGAT 4, 112	/* rsi */
	REGAT 6, 120	/* rbp */
	REGAT 3, 128	/* rbx */
	REGAT 1, 136	/* rdx */
	REGAT 0, 144	/* rax */
	REGAT 2, 152	/* rcx */
	REGAT 7, 160	/* rsp */
	REGAT 16, 168	/* rip */
	.endm

/* sigrestore: the kernel's own frames, on gsignal. The two instructions are those that unwinders know by heart. */
	.globl	sigrestore
	.hidden	sigrestore
	.type	sigrestore, @function
	.p2align 4
	.cfi_startproc simple
	SIGFRAME
	nop
sigrestore:
	movq	$15, %rax
	syscall
	.cfi_endproc
	.size	sigrestore, .-sigrestore

/*
 * sigreturnentry: a handler on a G's stack returns here. rsp is at the ucontext, 16-aligned.
 * sigreturnprep(ucontext) returns with all signals blocked; the kernel restores everything.
 */
	.globl	sigreturnentry
	.hidden	sigreturnentry
	.type	sigreturnentry, @function
	.p2align 4
	.cfi_startproc simple
	SIGFRAME
	nop
sigreturnentry:
	movq	%rsp, %rdi
	call	sigreturnprep
	movq	$15, %rax
	syscall
	.cfi_endproc
	.size	sigreturnentry, .-sigreturnentry

	.section .note.GNU-stack, "", @progbits
