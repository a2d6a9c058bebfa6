/* SPDX-License-Identifier: MIT */
/*
 * The few instructions of amd64 with which libc's system-call functions begin: how long they are, and how
 * to make them do the same at another address.
 *
 * This is no disassembler. It knows what compilers put at the start of small functions, and takes anything
 * else for a reason to leave the function alone. For most functions that is one instruction,
 *
 *	cmpb $0, __libc_single_threaded(%rip)		80 3d disp32 imm8
 *
 * of 7 bytes, in whose place a jump of 5 fits. In a few it is several short ones. None of
 * them may be the target of a jump, but the first.
 */
#include <string.h>

#include "textpatch.h"

enum { LONGEST = 16 }; /* bytes that decode may look at */

/* What an instruction needs when it is moved. */
enum fix {
	FIX_NONE,
	FIX_DISP, /* its operand is at a distance of 32 bits, which stand at byte `at` */
	FIX_JCC,  /* a conditional jump of 8 bits: made one of 32 */
};

struct insn {
	size_t len; /* 0: not known */
	enum fix fix;
	size_t at;
};

static int32_t
get32(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* The length of a ModRM byte with what follows it; 0 if that depends on where the instruction is, or is rare. */
static size_t
modrmsize(const uint8_t *p)
{
	uint8_t mod = *p >> 6, rm = *p & 7;
	size_t sib = mod != 3 && rm == 4;

	if(mod == 0 && (rm == 5 || (sib && (p[1] & 7) == 5)))
		return 0;
	return 1 + sib + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

static struct insn
decode(const uint8_t *p)
{
	size_t rex = (*p & 0xf0) == 0x40;
	const uint8_t *op = p + rex;
	struct insn in = {0};
	size_t m = modrmsize(op + 1);

	switch(*op){
	case 0x50 ... 0x57: /* push */
		in.len = rex + 1;
		break;
	case 0x31: /* xor, mov, mov, test */
	case 0x89:
	case 0x8b:
	case 0x85:
		in.len = m ? rex + 1 + m : 0;
		break;
	case 0x83: /* add and its like, of a small constant */
		in.len = m ? rex + 2 + m : 0;
		break;
	case 0xb8 ... 0xbf: /* mov of a constant; with REX.W it would be a longer one */
		if(!rex || !(*p & 8))
			in.len = rex + 5;
		break;
	case 0x80: /* cmpb with a constant, relative to rip */
		if(!rex && op[1] == 0x3d)
			in = (struct insn){.len = 7, .fix = FIX_DISP, .at = 2};
		break;
	case 0x70 ... 0x7f:
		if(!rex)
			in = (struct insn){.len = 2, .fix = FIX_JCC};
		break;
	}
	return in;
}

/* The 32 bits at buf, of an instruction that ends `end` bytes on and lies at dst, are to lead to target. */
static bool
setdisp(uint8_t *buf, uintptr_t end, uintptr_t target)
{
	int64_t d = (int64_t)(target - end);
	int32_t v = (int32_t)d;

	memcpy(buf, &v, sizeof v);
	return d == v;
}

bool
insnjump(uint8_t *buf, uintptr_t at, uintptr_t to)
{
	*buf = 0xe9;
	return setdisp(buf + 1, at + JUMPSIZE, to);
}

/* move writes the instruction at src as it has to be at dst. It returns its length there, 0 if that is too far away. */
static size_t
move(uint8_t *buf, uintptr_t dst, const uint8_t *src, struct insn in)
{
	uintptr_t next = (uintptr_t)src + in.len;

	if(in.fix == FIX_JCC){
		buf[0] = 0x0f;
		buf[1] = src[0] + 0x10;
		return setdisp(buf + 2, dst + 6, next + (uintptr_t)(intptr_t)(int8_t)src[1]) ? 6 : 0;
	}
	memcpy(buf, src, in.len);
	if(in.fix == FIX_DISP && !setdisp(buf + in.at, dst + in.len, next + (uintptr_t)(intptr_t)get32(src + in.at)))
		return 0;
	return in.len;
}

/*
 * Does anything in the function jump to where the jump is going to be, past its first byte? Each byte is taken for the
 * start of a jump, most of which are none: at worst a function is left alone for nothing.
 */
static bool
jumpedinto(const uint8_t *code, size_t size)
{
	intptr_t to;

	for(size_t i = 0; i + 2 <= size; i++){
		const uint8_t *p = code + i;

		if((*p & 0xf0) == 0x70 || *p == 0xeb || (*p & 0xfc) == 0xe0){
			to = (intptr_t)i + 2 + (int8_t)p[1];
			if(to > 0 && to < JUMPSIZE)
				return true;
		}
		if(i + 5 <= size && ((*p & 0xfe) == 0xe8 || (i > 0 && p[-1] == 0x0f && (*p & 0xf0) == 0x80))){
			to = (intptr_t)i + 5 + get32(p + 1);
			if(to > 0 && to < JUMPSIZE)
				return true;
		}
	}
	return false;
}

const char *
insnmove(uint8_t *buf, uintptr_t dst, const uint8_t *src, size_t size)
{
	size_t done = 0, n = 0, len;

	while(done < JUMPSIZE){
		uint8_t window[LONGEST] = {0};
		struct insn in;

		memcpy(window, src + done, size - done < LONGEST ? size - done : LONGEST);
		in = decode(window);
		if(in.len == 0 || done + in.len > size)
			return "an instruction that is not known";
		if((len = move(buf + n, dst + n, src + done, in)) == 0)
			return "too far away";
		done += in.len;
		n += len;
	}
	if(jumpedinto(src, size))
		return "a jump to its first instructions";
	return insnjump(buf + n, dst + n, (uintptr_t)src + done) ? NULL : "too far away";
}

const uint8_t *
insnunless(const uint8_t *src, size_t size, const char *flag)
{
	const uint8_t *to;

	/* cmpb $0, flag(%rip); je to */
	if(size < 9 || src[0] != 0x80 || src[1] != 0x3d || (uintptr_t)src + 7 + (uintptr_t)(intptr_t)get32(src + 2) != (uintptr_t)flag ||
	   src[6] != 0 || src[7] != 0x74)
		return NULL;
	to = src + 9 + (int8_t)src[8];
	return to >= src + 9 && to < src + size ? to : NULL;
}

bool
insnsyscall(const uint8_t *code, size_t size, long nr)
{
	uint8_t want[7] = {0xb8, (uint8_t)nr, (uint8_t)(nr >> 8), 0, 0, 0x0f, 0x05}; /* mov $nr, %eax; syscall */
	static const uint8_t want0[4] = {0x31, 0xc0, 0x0f, 0x05};                      /* xor %eax, %eax; syscall */
	const uint8_t *w = nr == 0 ? want0 : want;
	size_t n = nr == 0 ? sizeof want0 : sizeof want;

	for(size_t i = 0; i + n <= size; i++)
		if(memcmp(code + i, w, n) == 0)
			return true;
	return false;
}

size_t
insnskip(const uint8_t *code)
{
	static const uint8_t endbr64[4] = {0xf3, 0x0f, 0x1e, 0xfa};

	return memcmp(code, endbr64, sizeof endbr64) == 0 ? sizeof endbr64 : 0;
}
