/* SPDX-License-Identifier: MIT */
/*
 * dynamic.c: what an ELF file says to the dynamic linker.
 *
 * Like ld.so it goes by the program headers: section headers may be stripped
 * or lie. The number of dynamic symbols stands nowhere, so it is
 * gathered from what there is, and bounded by the segment's end. Every loop is bounded by the
 * size of what it reads.
 */
#include <stdlib.h>
#include <string.h>

#include "object.h"
#include "table.h"

enum { MAXNEEDED = 1024, MAXDEFINES = 1000, MAXNAME = 4096, MAXFUNC = 128 };

struct dyn {
	const char *str;		/* the string table, strsz bytes */
	uint64_t strsz;
	uint64_t strtab, symtab, hash, gnuhash, versym, verneed, verdef;
	uint64_t nverneed, nverdef;
	const Elf64_Sym *sym;
	size_t nsym;
	const uint16_t *vers;		/* a version for each symbol; NULL without */
};

/* The versions that the file at hand needs, by their numbers, which have 15 bits. */
static struct version {
	const char *name, *file;
} needs[0x8000];
static size_t nneeds;	/* one more than the highest number */

/* The n bytes at the address addr; NULL if the file has not so many. */
static const void *
atvaddr(const struct object *o, uint64_t addr, uint64_t n)
{
	uint64_t left;
	int64_t off = fileoffset(o, addr, &left);

	return off < 0 || n > left ? NULL : at(o, (uint64_t)off, n);
}

/* A copy of the string at off in the string table; NULL if it does not end there. */
static const char *
string(const struct dyn *d, struct keep *k, uint64_t off)
{
	uint64_t left = off < d->strsz ? d->strsz - off : 0;
	uint64_t len;

	if(left > MAXNAME)
		left = MAXNAME;
	len = left > 0 ? strnlen(d->str + off, left) : 0;
	return len == left ? NULL : keepstr(k, d->str + off, len);
}

/* The string at off into name, if it is one that a function of libc's could have. */
static int
peek(const struct dyn *d, uint64_t off, char *name)
{
	uint64_t left = off < d->strsz ? d->strsz - off : 0;
	size_t len;

	if(left > MAXFUNC)
		left = MAXFUNC;
	len = left > 0 ? strnlen(d->str + off, left) : 0;
	if(len == 0 || len == left)
		return 0;
	memcpy(name, d->str + off, len);
	name[len] = '\0';
	return 1;
}

/* A table of *room entries of that size, made twice as large. */
static void *
grow(struct keep *k, const void *old, size_t *room, size_t size)
{
	void *p = keep(k, (*room * 2 + 16) * size);

	if(*room > 0)
		memcpy(p, old, *room * size);
	*room = *room * 2 + 16;
	return p;
}

/* A function that others may use. */
static int
isfunction(const Elf64_Sym *s)
{
	unsigned type = ELF64_ST_TYPE(s->st_info), seen = ELF64_ST_VISIBILITY(s->st_other);

	return (type == STT_FUNC || type == STT_GNU_IFUNC) && (seen == STV_DEFAULT || seen == STV_PROTECTED);
}

/* The dynamic section's entries, *n of them; NULL without one. */
static const Elf64_Dyn *
entries(const struct object *o, size_t *n)
{
	for(size_t i = 0; i < o->nph; i++)
		if(o->ph[i].p_type == PT_DYNAMIC) {
			*n = o->ph[i].p_filesz / sizeof(Elf64_Dyn);
			return at(o, o->ph[i].p_offset, *n * sizeof(Elf64_Dyn));
		}
	return NULL;
}

/* First pass: where the tables are. */
static const char *
tables(struct object *o, struct dyn *d, const Elf64_Dyn *e, size_t n)
{
	for(size_t i = 0; i < n && e[i].d_tag != DT_NULL; i++)
		switch(e[i].d_tag) {
		case DT_STRTAB:		d->strtab = e[i].d_un.d_ptr; break;
		case DT_STRSZ:		d->strsz = e[i].d_un.d_val; break;
		case DT_SYMTAB:		d->symtab = e[i].d_un.d_ptr; break;
		case DT_HASH:		d->hash = e[i].d_un.d_ptr; break;
		case DT_GNU_HASH:	d->gnuhash = e[i].d_un.d_ptr; break;
		case DT_VERSYM:		d->versym = e[i].d_un.d_ptr; break;
		case DT_VERNEED:	d->verneed = e[i].d_un.d_ptr; break;
		case DT_VERNEEDNUM:	d->nverneed = e[i].d_un.d_val; break;
		case DT_VERDEF:		d->verdef = e[i].d_un.d_ptr; break;
		case DT_VERDEFNUM:	d->nverdef = e[i].d_un.d_val; break;
		case DT_FLAGS_1:	o->pie = (e[i].d_un.d_val & DF_1_PIE) != 0; break;
		}
	if(d->strtab == 0)
		d->strsz = 0;
	d->str = d->strsz > 0 ? atvaddr(o, d->strtab, d->strsz) : "";
	return d->str != NULL ? NULL : "has a damaged table of dynamic strings: perhaps it was copied incompletely";
}

/* Second pass: names. */
static const char *
names(struct object *o, const struct dyn *d, struct keep *k, const Elf64_Dyn *e, size_t n)
{
	size_t needed = 0;

	for(size_t i = 0; i < n && e[i].d_tag != DT_NULL; i++)
		needed += e[i].d_tag == DT_NEEDED;
	if(needed > MAXNEEDED)
		return "says that it needs more than a thousand libraries: it is damaged";
	o->needed = keep(k, (needed + 1) * sizeof *o->needed);
	for(size_t i = 0; i < n && e[i].d_tag != DT_NULL; i++) {
		const char *s, **to = NULL;

		switch(e[i].d_tag) {
		case DT_NEEDED:		to = &o->needed[o->nneeded]; break;
		case DT_SONAME:		to = &o->soname; break;
		case DT_RPATH:		to = &o->rpath; break;
		case DT_RUNPATH:	to = &o->runpath; break;
		}
		if(to == NULL)
			continue;
		s = string(d, k, e[i].d_un.d_val);
		if(s == NULL)
			return "has a damaged name in its dynamic section: perhaps it was copied incompletely";
		*to = s;
		o->nneeded += e[i].d_tag == DT_NEEDED;
	}
	return NULL;
}

/* N of GLIBC_2.N, -1 for anything else. */
static int
glibcminor(const char *version)
{
	const char *s = version + 8;
	int n = 0;

	if(strncmp(version, "GLIBC_2.", 8) != 0 || *s < '0' || *s > '9')
		return -1;
	for(; *s >= '0' && *s <= '9' && n < 100000; s++)
		n = 10 * n + *s - '0';
	return n;
}

static void
setversion(unsigned nr, const char *name, const char *file)
{
	if(needs[nr].name == NULL)
		needs[nr] = (struct version){ name, file };
	if(nr >= nneeds)
		nneeds = nr + 1;
}

/* The versions that are needed of one library: the chain of auxiliary entries at addr. */
static void
needaux(struct object *o, struct dyn *d, struct keep *k, const char *file, uint64_t addr, unsigned count)
{
	const Elf64_Vernaux *a;

	for(unsigned i = 0; i < count && (a = atvaddr(o, addr, sizeof *a)) != NULL; i++) {
		Elf64_Vernaux aux;
		const char *name;
		int minor;

		memcpy(&aux, a, sizeof aux);
		name = string(d, k, aux.vna_name);
		if(name == NULL)
			return;
		setversion(aux.vna_other & 0x7fff, name, file);
		minor = glibcminor(name);
		/* A weak one (as of a weak symbol) need not be there. */
		if(minor > o->glibcneed && !(aux.vna_flags & VER_FLG_WEAK))
			o->glibcneed = minor;
		if(aux.vna_next == 0)
			return;
		addr += aux.vna_next;
	}
}

static void
versions(struct object *o, struct dyn *d, struct keep *k)
{
	uint64_t addr = d->verneed;
	const void *p;

	/* No more chains than fit: each entry but the last is ahead of the next. */
	for(uint64_t i = 0; i < d->nverneed && i < 0x8000 && (p = atvaddr(o, addr, sizeof(Elf64_Verneed))) != NULL; i++) {
		Elf64_Verneed need;
		const char *file;

		memcpy(&need, p, sizeof need);
		file = string(d, k, need.vn_file);
		if(file == NULL)
			break;
		needaux(o, d, k, file, addr + need.vn_aux, need.vn_cnt);
		if(need.vn_next == 0)
			break;
		addr += need.vn_next;
	}
	addr = d->verdef;
	for(uint64_t i = 0; i < d->nverdef && i < 0x8000 && (p = atvaddr(o, addr, sizeof(Elf64_Verdef))) != NULL; i++) {
		Elf64_Verdef def;
		Elf64_Verdaux aux;
		const char *name = NULL;

		memcpy(&def, p, sizeof def);
		p = atvaddr(o, addr + def.vd_aux, sizeof aux);
		if(p != NULL) {
			memcpy(&aux, p, sizeof aux);
			name = string(d, k, aux.vda_name);
		}
		if(name != NULL && glibcminor(name) > o->glibcmax)
			o->glibcmax = glibcminor(name);
		if(def.vd_next == 0)
			break;
		addr += def.vd_next;
	}
}

/* Symbols in the GNU hash table at d->gnuhash: one more than the highest that a chain reaches. */
static uint64_t
gnuhashcount(const struct object *o, const struct dyn *d)
{
	uint32_t head[4], max = 0, word;	/* buckets, first symbol, words of the filter, its shift */
	const void *p = atvaddr(o, d->gnuhash, sizeof head);
	const uint32_t *buckets;
	uint64_t addr;

	if(p == NULL)
		return 0;
	memcpy(head, p, sizeof head);
	addr = d->gnuhash + sizeof head + (uint64_t)head[2] * 8;
	buckets = atvaddr(o, addr, (uint64_t)head[0] * 4);
	if(buckets == NULL)
		return head[1];
	for(uint32_t i = 0; i < head[0]; i++) {
		memcpy(&word, &buckets[i], sizeof word);
		if(word > max)
			max = word;
	}
	if(max < head[1])
		return head[1];
	addr += (uint64_t)head[0] * 4;
	/* The last chain ends with an odd word. */
	for(;; max++) {
		p = atvaddr(o, addr + (uint64_t)(max - head[1]) * 4, 4);
		if(p == NULL || max == UINT32_MAX)
			return max;
		memcpy(&word, p, sizeof word);
		if(word & 1)
			return (uint64_t)max + 1;
	}
}

/* Finds the symbols. A file without exports has an empty GNU hash table: then the section's header or the strings behind tell. */
static void
symbols(struct object *o, struct dyn *d)
{
	uint64_t left, n = 0, m;
	int64_t off = d->symtab != 0 ? fileoffset(o, d->symtab, &left) : -1;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	const void *p;
	uint32_t word[2];

	if(off < 0)
		return;
	p = d->hash != 0 ? atvaddr(o, d->hash, sizeof word) : NULL;
	if(p != NULL) {
		memcpy(word, p, sizeof word);
		n = word[1];
	}
	if(d->gnuhash != 0 && (m = gnuhashcount(o, d)) > n)
		n = m;
	while((scn = elf_nextscn(o->elf, scn)) != NULL)
		if(gelf_getshdr(scn, &sh) != NULL && sh.sh_type == SHT_DYNSYM && sh.sh_addr == d->symtab &&
		    sh.sh_size / sizeof(Elf64_Sym) > n)
			n = sh.sh_size / sizeof(Elf64_Sym);
	if(n <= 1 && d->strtab > d->symtab)
		n = (d->strtab - d->symtab) / sizeof(Elf64_Sym);
	if(n > left / sizeof(Elf64_Sym))
		n = left / sizeof(Elf64_Sym);
	d->sym = at(o, (uint64_t)off, n * sizeof(Elf64_Sym));
	d->nsym = d->sym != NULL ? n : 0;
	d->vers = d->versym != 0 ? atvaddr(o, d->versym, d->nsym * 2) : NULL;
}

static const struct version *
versionof(const struct dyn *d, size_t i)
{
	uint16_t nr;

	if(d->vers == NULL)
		return NULL;
	memcpy(&nr, &d->vers[i], sizeof nr);
	nr &= 0x7fff;
	return needs[nr].name != NULL ? &needs[nr] : NULL;
}

/* Is the version one of glibc's? */
static int
ofglibc(const struct version *v)
{
	return v != NULL && strncmp(v->name, "GLIBC_", 6) == 0;
}

/*
 * Sorts the symbols into what o imports from glibc, or by a name that is one of glibc's, and functions that it defines
 * though heddle does, too. All others are left out: C++ libraries have tens of thousands.
 */
static void
imports(struct object *o, const struct dyn *d, struct keep *k)
{
	size_t room = 0, roomdef = 0;

	for(size_t i = 1; i < d->nsym; i++) {
		const struct version *v = versionof(d, i);
		char name[MAXFUNC];
		Elf64_Sym s;

		memcpy(&s, &d->sym[i], sizeof s);
		/* Undefined functions are not always marked as such: Go's linker calls them objects. */
		if(ELF64_ST_BIND(s.st_info) == STB_LOCAL || !peek(d, s.st_name, name))
			continue;
		if(s.st_shndx == SHN_UNDEF) {
			struct import *im;

			if(!ofglibc(v) && listed(name) == UNKNOWN)
				continue;
			if(o->nimports == room)
				o->imports = grow(k, o->imports, &room, sizeof *o->imports);
			im = &o->imports[o->nimports++];
			im->name = keepstr(k, name, strlen(name));
			im->version = v != NULL ? v->name : "";
			im->from = v != NULL ? v->file : "";
		} else if(strcmp(name, "__tsan_init") == 0) {
			o->tsan = 1;
		} else if(o->ndefines < MAXDEFINES && isfunction(&s) && iswrapped(listed(name))) {
			if(o->ndefines == roomdef)
				o->defines = grow(k, o->defines, &roomdef, sizeof *o->defines);
			o->defines[o->ndefines++] = keepstr(k, name, strlen(name));
		}
	}
}

const char *
readdynamic(struct object *o, struct keep *k)
{
	struct dyn d = { 0 };
	const Elf64_Dyn *e;
	Elf64_Dyn *copy;
	const char *bad;
	size_t n = 0;

	e = entries(o, &n);
	if(e == NULL) {
		for(size_t i = 0; i < o->nph; i++)
			if(o->ph[i].p_type == PT_DYNAMIC)
				return "has a dynamic section beyond its end: perhaps it was copied incompletely";
		return NULL;
	}
	o->dynamic = 1;
	copy = keep(k, n * sizeof *copy);	/* aligned */
	memcpy(copy, e, n * sizeof *copy);
	bad = tables(o, &d, copy, n);
	if(bad == NULL)
		bad = names(o, &d, k, copy, n);
	if(bad != NULL)
		return bad;
	memset(needs, 0, nneeds * sizeof needs[0]);
	nneeds = 0;
	versions(o, &d, k);
	symbols(o, &d);
	imports(o, &d, k);
	return NULL;
}
