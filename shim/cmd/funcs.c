/* SPDX-License-Identifier: MIT */
/*
 * funcs.c: the functions of a program.
 *
 * Symbols name them, but few programs are installed with any but dynamic ones. The unwind information, which
 * exceptions and backtraces need and so is never stripped, has the bounds of
 * nearly all: .eh_frame_hdr, which has a program header, is a table of their starts, sorted, with
 * the address of each one's entry (FDE) in .eh_frame. Only the encodings that
 * linkers write there are understood.
 */
#include <stdlib.h>
#include <string.h>

#include "funcs.h"

enum {
	PE_ABSPTR = 0, PE_UDATA2 = 2, PE_UDATA4 = 3, PE_UDATA8 = 4, PE_SDATA2 = 10, PE_SDATA4 = 11, PE_SDATA8 = 12,
	PE_DATAREL = 0x30,
	MAXSYMNAME = 256,
	MAXTABLES = 8,		/* a program has two tables of symbols */
};

struct range {
	uint64_t start, end;
	const char *name;	/* in the file, checked to end there; NULL without */
};

struct funcs {
	struct object *o;
	struct keep *k;
	struct range *r;	/* by start; of equal ones the shorter first */
	uint64_t *reach;	/* the highest end of r[0] to r[i] */
	size_t n;
};

static int
bystart(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if(x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* A number of 4 bytes at p. */
static int32_t
word(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* ---- unwind information ---- */

/* Skips a LEB128 number. */
static const uint8_t *
skipleb(const uint8_t *p, const uint8_t *end)
{
	while(p < end && *p & 0x80)
		p++;
	return p < end ? p + 1 : end;
}

static unsigned
encodedsize(uint8_t enc)
{
	switch(enc & 15) {
	case PE_UDATA2: case PE_SDATA2:			return 2;
	case PE_UDATA4: case PE_SDATA4:			return 4;
	case PE_ABSPTR: case PE_UDATA8: case PE_SDATA8:	return 8;
	}
	return 0;
}

/* How the CIE at p, of n bytes, says that its FDEs' addresses are encoded: the size of one, 0 if it cannot be told. */
static unsigned
ciesize(const uint8_t *p, uint64_t n)
{
	const uint8_t *end = p + n, *aug, *q;

	if(n < 9 || (aug = p + 9, memchr(aug, '\0', n - 9) == NULL))
		return 0;
	q = aug + strlen((const char *)aug) + 1;
	if(*aug != 'z')
		return *aug == '\0' ? 8 : 0;
	q = skipleb(skipleb(q, end), end);		/* alignment of code, of data */
	q = p[8] == 1 ? q + 1 : skipleb(q, end);	/* return address's register */
	q = skipleb(q, end);				/* length of what follows */
	for(aug++; *aug != '\0' && q < end; aug++)
		switch(*aug) {
		case 'R':
			return encodedsize(*q);
		case 'P':
			q += 1 + encodedsize(*q);
			break;
		case 'L':
			q++;
			break;
		case 'S': case 'B':
			break;
		default:
			return 0;
		}
	return *aug == '\0' ? 8 : 0;
}

/* The length of the function whose FDE is at the address fde; 0 if it cannot be told. */
static uint64_t
fdelength(const struct object *o, uint64_t fde)
{
	uint64_t left, cieleft, len = 0;
	int64_t off = fileoffset(o, fde, &left), cieoff;
	unsigned size;
	const uint8_t *p;

	if(off < 0 || left < 24 || (p = at(o, (uint64_t)off, 24)) == NULL)
		return 0;
	cieoff = fileoffset(o, fde + 4 - (uint64_t)(int64_t)word(p + 4), &cieleft);
	if(cieoff < 0 || cieleft < 16)
		return 0;
	if(cieleft > 64)
		cieleft = 64;	/* what is looked at comes first */
	size = ciesize(o->file + cieoff, cieleft);
	if(size == 0)
		return 0;
	memcpy(&len, p + 8 + size, size);
	return len;
}

static void
addrange(struct funcs *fs, size_t room, uint64_t start, uint64_t len, const char *name)
{
	if(fs->n < room && len > 0 && start + len > start)
		fs->r[fs->n++] = (struct range){ start, start + len, name };
}

/* The table in .eh_frame_hdr and how many entries it has; NULL if there is none that we understand. */
static const uint8_t *
unwindtable(const struct object *o, uint64_t *base, size_t *n)
{
	for(size_t i = 0; i < o->nph; i++) {
		const GElf_Phdr *ph = &o->ph[i];
		const uint8_t *p;

		if(ph->p_type != PT_GNU_EH_FRAME || ph->p_filesz < 12 ||
		    (p = at(o, ph->p_offset, ph->p_filesz)) == NULL)
			continue;
		if(p[0] != 1 || encodedsize(p[1]) != 4 || p[2] != PE_UDATA4 || p[3] != (PE_DATAREL | PE_SDATA4))
			return NULL;
		*base = ph->p_vaddr;
		*n = (uint32_t)word(p + 8);
		if(*n > (ph->p_filesz - 12) / 8)
			*n = (ph->p_filesz - 12) / 8;
		return p + 12;
	}
	return NULL;
}

/* ---- symbols ---- */

struct symtab {
	const uint8_t *sym;	/* n symbols */
	size_t n;
	const char *str;
	uint64_t strsz;
};

/* The next section of symbols after *scn, when *nth have been had; 0 when there is no more. */
static int
nextsymtab(const struct object *o, Elf_Scn **scn, int *nth, struct symtab *t)
{
	GElf_Shdr sh, strsh;
	Elf_Scn *str;

	while((*scn = elf_nextscn(o->elf, *scn)) != NULL) {
		if(gelf_getshdr(*scn, &sh) == NULL || (sh.sh_type != SHT_SYMTAB && sh.sh_type != SHT_DYNSYM))
			continue;
		str = elf_getscn(o->elf, sh.sh_link);
		if(str == NULL || gelf_getshdr(str, &strsh) == NULL)
			continue;
		t->n = sh.sh_size / sizeof(Elf64_Sym);
		t->sym = at(o, sh.sh_offset, sh.sh_size);
		t->strsz = strsh.sh_size;
		t->str = at(o, strsh.sh_offset, strsh.sh_size);
		if(t->sym != NULL && t->str != NULL)
			return (*nth)++ < MAXTABLES;
	}
	return 0;
}

static void
addsymbols(struct funcs *fs, size_t room)
{
	Elf_Scn *scn = NULL;
	struct symtab t;
	int nth = 0;

	while(nextsymtab(fs->o, &scn, &nth, &t))
		for(size_t i = 0; i < t.n; i++) {
			Elf64_Sym s;
			uint64_t left;

			memcpy(&s, t.sym + i * sizeof s, sizeof s);
			if(ELF64_ST_TYPE(s.st_info) != STT_FUNC || s.st_shndx == SHN_UNDEF || s.st_name >= t.strsz)
				continue;
			left = t.strsz - s.st_name < MAXSYMNAME ? t.strsz - s.st_name : MAXSYMNAME;
			if(memchr(t.str + s.st_name, '\0', left) != NULL)
				addrange(fs, room, s.st_value, s.st_size, t.str + s.st_name);
		}
}

struct funcs *
findfuncs(struct object *o, struct keep *k)
{
	struct funcs *fs = keep(k, sizeof *fs);
	size_t nfde = 0, nsym = 0;
	const uint8_t *table;
	Elf_Scn *scn = NULL;
	struct symtab t;
	uint64_t base = 0;
	int nth = 0;

	fs->o = o;
	fs->k = k;
	table = unwindtable(o, &base, &nfde);
	while(nextsymtab(o, &scn, &nth, &t))
		nsym += t.n;
	if(nsym > o->size / sizeof(Elf64_Sym))
		nsym = o->size / sizeof(Elf64_Sym);	/* tables that do not overlap have no more */
	fs->r = keep(k, (nfde + nsym + 1) * sizeof *fs->r);
	for(size_t i = 0; table != NULL && i < nfde; i++) {
		uint64_t start = base + (uint64_t)(int64_t)word(table + 8 * i);

		addrange(fs, nfde, start, fdelength(o, base + (uint64_t)(int64_t)word(table + 8 * i + 4)), NULL);
	}
	addsymbols(fs, nfde + nsym);
	qsort(fs->r, fs->n, sizeof *fs->r, bystart);
	fs->reach = keep(k, (fs->n + 1) * sizeof *fs->reach);
	for(size_t i = 0; i < fs->n; i++)
		fs->reach[i] = i > 0 && fs->reach[i - 1] > fs->r[i].end ? fs->reach[i - 1] : fs->r[i].end;
	return fs;
}

/* How many functions start at or before addr. */
static size_t
startbefore(const struct funcs *fs, uint64_t addr)
{
	size_t lo = 0, hi = fs->n;

	while(lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if(fs->r[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int
funcat(struct funcs *fs, uint64_t addr, struct function *f)
{
	enum { BACK = 64 };	/* ranges lie side by side, or a few within one another */
	size_t i = startbefore(fs, addr);
	int found = 0;

	f->name = NULL;
	for(size_t n = 0; i > 0 && n < BACK && fs->reach[i - 1] > addr; n++) {
		const struct range *r = &fs->r[--i];

		if(r->end <= addr)
			continue;
		if(!found) {
			f->start = r->start;
			f->end = r->end;
			found = 1;
		}
		if(r->name != NULL) {
			f->name = keepstr(fs->k, r->name, strnlen(r->name, MAXSYMNAME));
			break;
		}
	}
	return found;
}

uint64_t
covered(const struct funcs *fs)
{
	uint64_t n = 0, upto = 0;

	for(size_t i = 0; i < fs->n; i++) {
		uint64_t start = fs->r[i].start > upto ? fs->r[i].start : upto;

		if(fs->r[i].end > start) {
			n += fs->r[i].end - start;
			upto = fs->r[i].end;
		}
	}
	return n;
}

uint64_t
funcbefore(struct funcs *fs, uint64_t addr, uint64_t lo)
{
	size_t i = startbefore(fs, addr);

	return i > 0 && fs->reach[i - 1] > lo && fs->reach[i - 1] <= addr ? fs->reach[i - 1] : lo;
}
