/* SPDX-License-Identifier: MIT */
/* Looking up symbols in a loaded library's own tables. See dynsym.h; the hash table is as binutils and ld.so have it. */
#include <string.h>

#include "dynsym.h"

struct search {
	struct dynsyms *d;
	const char *name;
};

/* ld.so has added the base to the addresses in the dynamic section, on most machines. */
static const void *
dynptr(const struct dynsyms *d, const ElfW(Dyn) *e)
{
	uintptr_t p = e->d_un.d_ptr;

	return (const void *)(p < d->base ? p + d->base : p);
}

static void
tables(struct dynsyms *d, const ElfW(Dyn) *e)
{
	for(; e->d_tag != DT_NULL; e++)
		switch(e->d_tag){
		case DT_SYMTAB:
			d->tab = dynptr(d, e);
			break;
		case DT_STRTAB:
			d->names = dynptr(d, e);
			break;
		case DT_VERSYM:
			d->versions = dynptr(d, e);
			break;
		case DT_GNU_HASH:
			d->hash = dynptr(d, e);
			break;
		}
}

bool
dynsymsof(struct dynsyms *d, const struct dl_phdr_info *info)
{
	memset(d, 0, sizeof *d);
	d->base = info->dlpi_addr;
	for(int i = 0; i < info->dlpi_phnum; i++){
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t lo = d->base + ph->p_vaddr;

		if(ph->p_type == PT_DYNAMIC)
			tables(d, (const ElfW(Dyn) *)lo);
		else if(ph->p_type == PT_LOAD && (ph->p_flags & PF_X))
			d->lo = lo, d->hi = lo + ph->p_memsz;
		else if(ph->p_type == PT_LOAD && (ph->p_flags & PF_W))
			d->datalo = lo, d->datahi = lo + ph->p_memsz;
	}
	return d->tab && d->names && d->hash && d->hash[0] != 0;
}

static int
object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *s = arg;
	const char *base = strrchr(info->dlpi_name, '/');

	base = base ? base + 1 : info->dlpi_name;
	if(strncmp(base, s->name, strlen(s->name)) != 0)
		return 0;
	return dynsymsof(s->d, info) ? 1 : -1;
}

bool
dynsyms(struct dynsyms *d, const char *name)
{
	struct search s = {d, name};

	return dl_iterate_phdr(object, &s) == 1;
}

static uint32_t
gnuhash(const char *s)
{
	uint32_t h = 5381;

	while(*s)
		h = h * 33 + (uint8_t)*s++;
	return h;
}

static bool
wanted(const struct dynsyms *d, uint32_t i, const char *name)
{
	const ElfW(Sym) *s = &d->tab[i];
	uintptr_t at = d->base + s->st_value;

	return ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_shndx != SHN_UNDEF && strcmp(d->names + s->st_name, name) == 0 &&
	       !(d->versions && (d->versions[i] & 0x8000)) && /* not the default version */
	       at >= d->lo && at < d->hi && s->st_size <= d->hi - at;
}

const ElfW(Sym) *
dynfunc(const struct dynsyms *d, const char *name)
{
	uint32_t nbuckets = d->hash[0], first = d->hash[1], bloomwords = d->hash[2];
	const uint32_t *buckets = d->hash + 4 + bloomwords * (sizeof(ElfW(Addr)) / 4);
	const uint32_t *chain = buckets + nbuckets;
	uint32_t h = gnuhash(name), i = buckets[h % nbuckets];

	if(i < first)
		return NULL;
	for(;; i++){
		uint32_t c = chain[i - first]; /* the lowest bit marks the last of a bucket */

		if((c | 1) == (h | 1) && wanted(d, i, name))
			return &d->tab[i];
		if(c & 1)
			return NULL;
	}
}
