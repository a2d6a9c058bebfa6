/* SPDX-License-Identifier: MIT */
/*
 * patchtext: a page for code that is made when the runtime starts, the moved first instructions of functions that
 * core/textpatch.c patches. It is in the library so that it lies near libc, and its code counts as the library's own:
 * stacks can be unwound through it and nothing is preempted in it. What is not in use traps.
 */
	.section .text.patch, "ax", @progbits
	.globl	patchtext, patchtextend
	.hidden	patchtext, patchtextend
	.type	patchtext, @function
	.balign 4096
	.cfi_startproc
patchtext:
	.fill	4096, 1, 0xcc
patchtextend:
	.cfi_endproc
	.size	patchtext, .-patchtext

	.section .note.GNU-stack, "", @progbits
