/* SPDX-License-Identifier: MIT */
/*
 * Looking up symbols in a loaded library's own tables. See dynsym.h; the hash table is as binutils and ld.so have it.
 *
 * A library that interposes libc's functions looks for these with dlsym, which comes here, before it is ready to be called: so nothing
 * is called here by a name that others may interpose.
 */
#include "atomic.h"
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
	*d = (struct dynsyms){0};
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

/* Is path, whatever its directory, that of a file whose name begins so? */
static bool
filestarts(const char *path, const char *name)
{
	const char *file = path;

	for(const char *c = path; *c != 0; c++)
		if(*c == '/')
			file = c + 1;
	while(*name != 0 && *file == *name)
		file++, name++;
	return *name == 0;
}

static int
object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *s = arg;

	if(!filestarts(info->dlpi_name, s->name))
		return 0;
	return dynsymsof(s->d, info) ? 1 : -1;
}

/* libc's tables without libc's help: from ld.so's list of what it has loaded, of which they say more by themselves. */
static bool
libcsyms(struct dynsyms *d)
{
	for(const struct link_map *l = _r_debug.r_map; l != NULL; l = l->l_next)
		if(filestarts(l->l_name, "libc.so.")){
			const ElfW(Ehdr) *eh = (const ElfW(Ehdr) *)l->l_addr;
			struct dl_phdr_info info = {
			    .dlpi_addr = l->l_addr,
			    .dlpi_phdr = (const ElfW(Phdr) *)(l->l_addr + eh->e_phoff),
			    .dlpi_phnum = eh->e_phnum,
			};

			return dynsymsof(d, &info);
		}
	return false;
}

int
eachobject(objectfn *fn, void *arg)
{
	static int (*iterate)(objectfn *, void *);
	int (*it)(objectfn *, void *) = load_relaxed(&iterate);
	const ElfW(Sym) *s;
	struct dynsyms d;

	if(it == NULL){
		if(!libcsyms(&d) || (s = dynfunc(&d, "dl_iterate_phdr")) == NULL)
			return 0;
		it = (int (*)(objectfn *, void *))(d.base + s->st_value);
		store_relaxed(&iterate, it); /* who else finds it finds the same */
	}
	return it(fn, arg);
}

bool
dynsyms(struct dynsyms *d, const char *name)
{
	struct search s = {d, name};

	return eachobject(object, &s) == 1;
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
same(const char *a, const char *b)
{
	while(*a != 0 && *a == *b)
		a++, b++;
	return *a == *b;
}

static bool
wanted(const struct dynsyms *d, uint32_t i, const char *name)
{
	const ElfW(Sym) *s = &d->tab[i];
	uintptr_t at = d->base + s->st_value;

	return ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_shndx != SHN_UNDEF && same(d->names + s->st_name, name) &&
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
