/* SPDX-License-Identifier: MIT */
/* x86len.h: where does an instruction of x86-64 end? */
#ifndef X86LEN_H
#define X86LEN_H

#include <stddef.h>
#include <stdint.h>

/* What x86decode tells of an instruction. */
struct insn {
	unsigned len;
	uint8_t map;		/* 0: one byte; 1: 0F; 2: 0F 38; 3: 0F 3A; other maps of VEX, EVEX and XOP as they number them */
	uint8_t op;		/* the opcode's last byte */
	uint8_t rex;		/* the REX prefix, 0 without; 0 for VEX and its like */
	uint8_t vex;		/* not 0: coded with VEX, EVEX or XOP */
	uint8_t hasmodrm, modrm;
	int64_t imm;		/* the immediate operand, sign-extended; 0 without */
};

/*
 * Decodes the instruction at p, of which n bytes are there. Returns its
 * length, 1 to 15, or 0 when these bytes are no instruction or are cut off.
 */
unsigned x86decode(const uint8_t *p, size_t n, struct insn *in);

#endif
