/* SPDX-License-Identifier: MIT */
/*
 * rawcall.c: `syscall` instructions in a program's own code.
 *
 * The two bytes 0F 05 are a system call only where an instruction begins; they also occur
 * within other instructions (one in 65,536 by chance) and in data. Where one begins is known by decoding from
 * a place where one does for certain: the start of a function, which funcs.c knows. So
 *
 *	certain    decoding from the function's start arrives there, through nothing that is
 *	           no instruction
 *	uncertain  it arrives there all the same, having skipped such bytes (tables in
 *	           the code), or no function is known there and decoding began at the section
 *
 * and where decoding steps over the bytes they are part of something else. As
 * the bytes are rare, little is ever decoded: large programs take no longer than reading them.
 *
 * The vdso's functions, which libc and Go's runtime call, make no system call as a rule and are in no file.
 */
#include <string.h>

#include "funcs.h"
#include "rawcall.h"
#include "x86len.h"

enum {
	MAXCALLS = 100000,	/* places looked at in one file */
	MAXSECTIONS = 2000,
};
#define MAXCODE ((uint64_t)1 << 29)

const char *
callname(long nr)
{
	static const char *const names[] = {
#include "syscalls.h"
	};

	return nr >= 0 && nr < (long)(sizeof names / sizeof names[0]) ? names[nr] : NULL;
}

int
likely(const struct object *o, const struct rawcall *c)
{
	return c->certain || (o->sparse && c->clean) || callname(c->nr) != NULL;
}

/* Decoding in ascending order of addresses. */
struct sweep {
	const uint8_t *code;	/* at the address base, n bytes */
	uint64_t base, n;
	uint64_t start, pos;	/* began there, is there; offsets in code */
	uint64_t budget;	/* bytes that may still be decoded: functions that overlap could make it endless */
	int bad;		/* has skipped bytes since the start */
	long eax;		/* what the instructions up to pos leave there; -1: not known */
	long pushed;		/* what the last one pushed; -1 */
};

/* Instructions with ModRM that only read the registers it names, at least not change EAX if that is reg. */
static int
onlyreads(const struct insn *in)
{
	if(in->map == 0 && (in->op == 0x89 || in->op == 0x88))
		return (in->modrm & 0xc7) != 0xc0 || (in->rex & 1);
	return in->map == 0 && ((in->op >= 0x38 && in->op <= 0x3b) || in->op == 0x84 || in->op == 0x85);
}

/* Could the instruction change EAX, as far as its ModRM byte says? */
static int
nameseax(const struct insn *in)
{
	int reg = (in->modrm >> 3 & 7) == 0 && !(in->rex & 4);
	int rm = (in->modrm & 0xc7) == 0xc0 && !(in->rex & 1);

	return in->hasmodrm && !in->vex && (reg || rm);
}

/* Follows a constant in EAX through the instruction in. */
static void
follow(struct sweep *s, const struct insn *in)
{
	long pushed = s->pushed;
	int op = in->map == 0 ? in->op : -1;

	s->pushed = -1;
	if(op == 0xb8 && !(in->rex & 1)) {
		s->eax = (long)(uint32_t)in->imm;
	} else if(op == 0xc7 && in->modrm == 0xc0 && !(in->rex & 1)) {
		s->eax = (long)in->imm;
	} else if((op == 0x31 || op == 0x33) && in->modrm == 0xc0 && !(in->rex & 5)) {
		s->eax = 0;
	} else if(op == 0x6a) {
		s->pushed = (long)in->imm;
	} else if(op == 0x58 && !(in->rex & 1)) {
		s->eax = pushed;
	} else if((op >= 0 && op < 0x40 && (op & 6) == 4) || (op >= 0x91 && op <= 0x99) || op == 0xa1 || op == 0xad ||
	    op == 0xac || op == 0xe8 || op == 0xe9 || op == 0xeb || op == 0xc3 || (in->map == 1 && in->op == 0xa2) ||
	    (in->map == 1 && in->op == 0x05)) {
		/* arithmetic on EAX, exchanges, loads, calls, jumps, CPUID, SYSCALL; 3C and 3D only compare */
		if(op != 0x3c && op != 0x3d)
			s->eax = -1;
	} else if(op == 0xff && ((in->modrm >> 3 & 6) == 2 || (in->modrm >> 3 & 6) == 4)) {
		s->eax = -1;	/* indirect calls and jumps */
	} else if(nameseax(in) && !onlyreads(in)) {
		s->eax = -1;
	}
}

/* Decodes on from start, or from where the sweep is, up to the offset to. Does an instruction begin there? */
static int
sweepto(struct sweep *s, uint64_t start, uint64_t to)
{
	struct insn in;

	if(start != s->start || s->pos < start) {
		s->start = s->pos = start;
		s->bad = 0;
		s->eax = s->pushed = -1;
	}
	while(s->pos < to && s->budget > 0) {
		unsigned n = x86decode(s->code + s->pos, s->n - s->pos, &in);

		if(n == 0) {
			s->bad = 1;
			s->eax = s->pushed = -1;
			n = 1;
		} else {
			follow(s, &in);
		}
		s->pos += n;
		s->budget--;
	}
	return s->pos == to;
}

/* The sections that are in memory. None when there are more than a program has. */
struct sections {
	struct {
		uint64_t addr, size;
		int code;
	} s[MAXSECTIONS];
	unsigned n;
};

static struct sections *
findsections(const struct object *o, struct keep *k)
{
	struct sections *all = keep(k, sizeof *all);
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while((scn = elf_nextscn(o->elf, scn)) != NULL) {
		if(gelf_getshdr(scn, &sh) == NULL || !(sh.sh_flags & SHF_ALLOC) || sh.sh_type == SHT_NOBITS)
			continue;
		if(all->n == MAXSECTIONS) {
			all->n = 0;
			break;
		}
		all->s[all->n].addr = sh.sh_addr;
		all->s[all->n].size = sh.sh_size;
		all->s[all->n++].code = (sh.sh_flags & SHF_EXECINSTR) != 0;
	}
	return all;
}

/* The start of the section around addr, if there are sections; 0: it is no code. */
static int
section(const struct sections *all, uint64_t addr, uint64_t *start)
{
	for(unsigned i = 0; i < all->n; i++)
		if(addr - all->s[i].addr < all->s[i].size) {
			*start = all->s[i].addr;
			return all->s[i].code;
		}
	return all->n == 0;
}

/* What is known of the code of an object, once it must be known. */
struct code {
	struct funcs *fs;
	struct sections *sections;
};

/* Looks at the bytes at s->code[off], which are an instruction that makes a system call if they are one. */
static void
candidate(const struct code *code, struct keep *k, struct sweep *s, uint64_t off, struct rawcall ***tail)
{
	uint64_t addr = s->base + off, start = s->base;
	struct function f;
	struct rawcall *c;
	int known;

	if(!section(code->sections, addr, &start))
		return;
	known = funcat(code->fs, addr, &f);
	if(known)
		start = f.start;
	else
		start = funcbefore(code->fs, addr, start);
	if(start < s->base)
		start = s->base;
	if(!sweepto(s, start - s->base, off))
		return;
	c = keep(k, sizeof *c);
	c->addr = addr;
	c->offset = known ? addr - f.start : 0;
	c->function = f.name;
	c->insn = s->code[off] == 0xcd ? "int $0x80" : "syscall";
	c->nr = s->eax;
	c->clean = !s->bad;
	c->certain = known && c->clean;
	**tail = c;
	*tail = &c->next;
}

/* The next offset at or after off with the bytes of a system call; n if there is none. */
static uint64_t
nextcandidate(const uint8_t *code, uint64_t off, uint64_t n)
{
	for(; off + 1 < n; off++) {
		const uint8_t *p = memchr(code + off, 0x05, n - off);
		const uint8_t *q = memchr(code + off, 0x80, p != NULL ? (size_t)(p - code) - off : n - off);

		/* The second byte is the rarer one. */
		if(q != NULL)
			p = q;
		if(p == NULL)
			return n;
		off = (uint64_t)(p - code);
		if(off > 0 && p[-1] == (*p == 0x05 ? 0x0f : 0xcd))
			return off - 1;
	}
	return n;
}

static uint64_t
codesize(const struct object *o)
{
	uint64_t n = 0;

	for(size_t i = 0; i < o->nph; i++)
		if(o->ph[i].p_type == PT_LOAD && (o->ph[i].p_flags & PF_X))
			n += o->ph[i].p_filesz;
	return n;
}

void
findrawcalls(struct object *o, struct keep *k)
{
	struct rawcall **tail = &o->calls;
	struct code code = { NULL, NULL };
	int calls = 0;

	if(o->eh.e_machine != EM_X86_64)
		return;
	for(size_t i = 0; i < o->nph; i++) {
		const GElf_Phdr *ph = &o->ph[i];
		struct sweep s = { .start = UINT64_MAX };

		if(ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		s.base = ph->p_vaddr;
		s.n = ph->p_filesz;
		if(s.n > MAXCODE) {
			s.n = MAXCODE;
			o->unsearched = 1;
		}
		s.budget = 4 * s.n + 1;
		s.code = at(o, ph->p_offset, s.n);
		if(s.code == NULL)
			continue;
		for(uint64_t off = nextcandidate(s.code, 0, s.n); off < s.n; off = nextcandidate(s.code, off + 2, s.n)) {
			if(code.fs == NULL) {
				code.fs = findfuncs(o, k);
				code.sections = findsections(o, k);
				o->sparse = covered(code.fs) < codesize(o) / 2;
			}
			if(calls++ == MAXCALLS || s.budget == 0) {
				o->unsearched = 1;
				return;
			}
			candidate(&code, k, &s, off, &tail);
		}
	}
}
