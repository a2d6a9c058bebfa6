/* SPDX-License-Identifier: MIT */
/*
 * x86len.c: the lengths of x86-64 instructions, from the opcode maps of the
 * Intel and AMD manuals. An instruction is
 *
 *	legacy prefixes, REX | VEX | EVEX | XOP, opcode, ModRM, SIB, displacement, immediate
 *
 * and all that its length depends on is whether the opcode has a ModRM byte and
 * what immediate. Two opcodes (F6, F7) have one only for some values of ModRM.
 */
#include <string.h>

#include "x86len.h"

enum {
	NONE,		/* no operand bytes */
	M,		/* ModRM */
	B,		/* an immediate byte */
	Z,		/* an immediate of 4 bytes, 2 with prefix 66 */
	D,		/* a displacement of 4 bytes, whatever the prefix */
	W,		/* an immediate of 2 bytes */
	V,		/* Z, or 8 bytes with REX.W */
	A,		/* an absolute address: 8 bytes, 4 with prefix 67 */
	E,		/* ENTER: 2 bytes and 1 */
	MB, MZ,		/* ModRM and an immediate */
	G,		/* group 3: ModRM, and a B or Z if its reg is 0 or 1 */
	P,		/* a prefix or an escape: handled before */
	X,		/* no instruction in 64-bit mode */
	MAXLEN = 15,
};

static const uint8_t onebyte[256] = {
	/* 00 */ M, M, M, M, B, Z, X, X, M, M, M, M, B, Z, X, P,
	/* 10 */ M, M, M, M, B, Z, X, X, M, M, M, M, B, Z, X, X,
	/* 20 */ M, M, M, M, B, Z, P, X, M, M, M, M, B, Z, P, X,
	/* 30 */ M, M, M, M, B, Z, P, X, M, M, M, M, B, Z, P, X,
	/* 40 */ P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P,
	/* 50 */ NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
	/* 60 */ X, X, P, M, P, P, P, P, Z, MZ, B, MB, NONE, NONE, NONE, NONE,
	/* 70 */ B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
	/* 80 */ MB, MZ, X, MB, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 90 */ NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, X, NONE, NONE, NONE, NONE, NONE,
	/* a0 */ A, A, A, A, NONE, NONE, NONE, NONE, B, Z, NONE, NONE, NONE, NONE, NONE, NONE,
	/* b0 */ B, B, B, B, B, B, B, B, V, V, V, V, V, V, V, V,
	/* c0 */ MB, MB, W, NONE, P, P, MB, MZ, E, NONE, W, NONE, NONE, B, X, NONE,
	/* d0 */ M, M, M, M, X, X, X, NONE, M, M, M, M, M, M, M, M,
	/* e0 */ B, B, B, B, B, B, B, B, D, D, X, B, NONE, NONE, NONE, NONE,
	/* f0 */ P, NONE, P, P, NONE, NONE, G, G, NONE, NONE, NONE, NONE, NONE, NONE, M, M,
};

static const uint8_t twobyte[256] = {
	/* 00 */ M, M, M, M, X, NONE, NONE, NONE, NONE, NONE, X, NONE, X, M, NONE, MB,
	/* 10 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 20 */ M, M, M, M, X, X, X, X, M, M, M, M, M, M, M, M,
	/* 30 */ NONE, NONE, NONE, NONE, NONE, NONE, X, NONE, P, X, P, X, X, X, X, X,
	/* 40 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 50 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 60 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 70 */ MB, MB, MB, MB, M, M, M, NONE, M, M, X, X, M, M, M, M,
	/* 80 */ D, D, D, D, D, D, D, D, D, D, D, D, D, D, D, D,
	/* 90 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* a0 */ NONE, NONE, NONE, M, MB, M, M, M, NONE, NONE, NONE, M, MB, M, M, M,
	/* b0 */ M, M, M, M, M, M, M, M, M, M, MB, M, M, M, M, M,
	/* c0 */ M, M, MB, M, MB, MB, MB, M, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
	/* d0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* e0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* f0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
};

/* The bytes not yet decoded. short: fewer were there than asked for. */
struct cursor {
	const uint8_t *p, *end;
	int cut;
};

static uint8_t
next(struct cursor *c)
{
	if(c->p < c->end)
		return *c->p++;
	c->cut = 1;
	return 0;
}

/* A little-endian number of n bytes, sign-extended. */
static int64_t
number(struct cursor *c, unsigned n)
{
	uint64_t v = 0;

	for(unsigned i = 0; i < n; i++)
		v |= (uint64_t)next(c) << (8 * i);
	if(n > 0 && n < 8 && (v >> (8 * n - 1) & 1))
		v |= ~(uint64_t)0 << (8 * n);
	return (int64_t)v;
}

/* ModRM with its SIB and displacement. */
static void
modrm(struct cursor *c, struct insn *in, int always11)
{
	uint8_t m = next(c), mod = m >> 6, rm = m & 7;

	in->hasmodrm = 1;
	in->modrm = m;
	if(mod == 3 || always11)
		return;
	if(rm == 4) {
		uint8_t sib = next(c);

		if(mod == 0 && (sib & 7) == 5)
			number(c, 4);
	} else if(mod == 0 && rm == 5) {
		number(c, 4);	/* relative to the next instruction */
	}
	if(mod == 1)
		number(c, 1);
	else if(mod == 2)
		number(c, 4);
}

/* The forms of the maps that VEX, EVEX and XOP select. */
static uint8_t
vexform(struct insn *in)
{
	switch(in->map) {
	case 1:
		if(in->op == 0x77 && in->vex != 0x62)
			return NONE;
		return in->op >= 0x70 && in->op <= 0x73 ? MB :
		    in->op == 0xc2 || (in->op >= 0xc4 && in->op <= 0xc6) ? MB : M;
	case 2: case 5: case 6: case 9:
		return M;
	case 3: case 8:
		return MB;
	case 10:
		return MZ;
	}
	return X;
}

/*
 * The prefixes and the opcode; the form of what follows it. *p66, *p67, *pf2: seen. Before
 * VEX and its like the prefixes 66, F2, F3, F0 and REX are not allowed, but no compiler writes them there.
 */
static uint8_t
opcode(struct cursor *c, struct insn *in, int *p66, int *p67, int *pf2)
{
	uint8_t b = next(c), m;

	while(b == 0x66 || b == 0x67 || b == 0xf2 || b == 0xf3 || b == 0xf0 || b == 0x64 || b == 0x65 ||
	    (b & 0xe7) == 0x26) {
		*p66 |= b == 0x66;
		*p67 |= b == 0x67;
		*pf2 |= b == 0xf2;
		b = next(c);
		if(c->cut)
			return X;
	}
	if((b & 0xf0) == 0x40) {
		in->rex = b;
		b = next(c);
	}
	in->op = b;
	if(b == 0x0f) {
		in->op = next(c);
		in->map = 1;
		if(in->op == 0x38 || in->op == 0x3a) {
			in->map = in->op == 0x38 ? 2 : 3;
			in->op = next(c);
			return in->map == 2 ? M : MB;
		}
		if(in->op == 0x78 && (*p66 || *pf2))
			return MB;	/* EXTRQ, INSERTQ: two bytes, see x86decode */
		return twobyte[in->op];
	}
	if(b == 0xc5) {
		in->vex = b;
		next(c);
		in->map = 1;
	} else if(b == 0xc4 || b == 0x62) {
		in->vex = b;
		in->map = next(c) & (b == 0x62 ? 7 : 0x1f);
		next(c);
		if(b == 0x62)
			next(c);
	} else if(b == 0x8f && c->p < c->end && (*c->p & 0x1f) >= 8) {
		in->vex = b;
		in->map = next(c) & 0x1f;
		next(c);
	} else {
		m = onebyte[b];
		return m == P ? X : m;
	}
	in->rex = 0;
	in->op = next(c);
	return vexform(in);
}

unsigned
x86decode(const uint8_t *p, size_t n, struct insn *in)
{
	struct cursor c = { p, p + (n < MAXLEN ? n : MAXLEN), 0 };
	int p66 = 0, p67 = 0, pf2 = 0;
	unsigned z;
	uint8_t form;

	memset(in, 0, sizeof *in);
	form = opcode(&c, in, &p66, &p67, &pf2);
	if(form == X || c.cut)
		return 0;
	z = p66 && !(in->rex & 8) && !in->vex ? 2 : 4;
	if(form == M || form == MB || form == MZ || form == G)
		modrm(&c, in, in->map == 1 && !in->vex && in->op >= 0x20 && in->op <= 0x23);
	if(form == G)
		form = (in->modrm >> 3 & 7) > 1 ? M : in->op == 0xf6 ? MB : MZ;
	switch(form) {
	case B: case MB:	in->imm = number(&c, 1); break;
	case Z: case MZ:	in->imm = number(&c, z); break;
	case D:			in->imm = number(&c, 4); break;
	case W:			in->imm = number(&c, 2); break;
	case V:			in->imm = number(&c, in->rex & 8 ? 8 : z); break;
	case A:			number(&c, p67 ? 4 : 8); break;
	case E:			number(&c, 3); break;
	}
	if(in->map == 1 && in->op == 0x78 && form == MB && !in->vex)
		next(&c);
	if(c.cut)
		return 0;
	return in->len = (unsigned)(c.p - p);
}
