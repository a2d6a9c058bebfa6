/* SPDX-License-Identifier: MIT */
/* Offsets that the assembler knows; core/proc.c asserts each against the structures. */
#ifndef HEDDLE_OFFSETS_H
#define HEDDLE_OFFSETS_H

#define G_SP     0
#define G_FSBASE 8
#define G_M      16

#define M_G0SP   0
#define M_FSBASE 8

/* What mcall saves below the return address, lowest first: mxcsr and x87 control word, r15 r14 r13 r12 rbx rbp. */
#define SWITCHFRAME 56

#define ARCH_SET_FS_CODE 0x1002
#define SYS_ARCH_PRCTL   158

#endif
