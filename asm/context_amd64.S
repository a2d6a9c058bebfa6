/* SPDX-License-Identifier: MIT */
/*
 * contextreturn: where the function of a context (makecontext) returns to. r12 holds the function to call then, which does
 * not return, and rbx its argument; the stack is 16-aligned, and there is no frame above.
 */
	.text
	.globl	contextreturn
	.hidden	contextreturn
	.type	contextreturn, @function
	.p2align 4
	.cfi_startproc
	.cfi_undefined rip
	nop	/* unwinders look up a return address minus one */
contextreturn:
	movq	%rbx, %rdi
	call	*%r12
	ud2
	.cfi_endproc
	.size	contextreturn, .-contextreturn

	.section .note.GNU-stack, "", @progbits
