/* SPDX-License-Identifier: MIT */
/*
 * Making a dead G's TLS as new, quickly.
 *
 * _dl_allocate_tls_init does it under the dynamic linker's lock for every module, at about
 * a third of the cost of a whole thread. But as long as no module has come or gone, all it
 * does to TLS that had been made before is to copy the initial images of the static
 * blocks. So these are noted down once in each generation (ld.so counts the changes), and
 * copied here; dynamic blocks have been freed when the thread ended (tlsexit).
 *
 * libc's own block is left alone, so that malloc's caches pass on.
 *
 * Why this is safe beside a dlopen. ld.so raises the generation before it initialises a new
 * static block in all threads on its lists, which ours are on, dead ones too. Who reads the old
 * generation here touches only blocks of modules that had been there before; who reads the new
 * one goes the long way. A module may be unloaded meanwhile, so its image must not be
 * read then: what is copied from here is a copy, made under the lock that dlclose takes too.
 */
#include <link.h>
#include <string.h>

#include "runtime.h"
#include "tlscal.h"

enum {
	NBLOCKS = 64,
	IMAGESIZE = 16 << 10, /* of all static blocks together */
	NOTESMAX = 64,        /* times that it is worth noting them down; these are never freed */
};

struct snapshot {
	size_t gen;
	bool dynamic; /* there are modules without a static block */
	uint32_t n;
	struct block {
		ptrdiff_t at;
		uint32_t initsize, size, from;
	} block[NBLOCKS];
	uint8_t image[IMAGESIZE];
};

static struct snapshot *current; /* atomic; immutable once published */
static struct mutex notelock;
static uint32_t nnotes; /* notelock */

static size_t
generation(const struct tlscal *cal)
{
	return load_acquire(cal->generation);
}

/* Does current describe all that has been loaded since gp's TLS was made? */
static struct snapshot *
uptodate(struct g *gp, const struct tlscal *cal)
{
	struct snapshot *s = load_acquire(&current);

	if(s == NULL || s->gen != generation(cal) || gp->tlsgen != (uint32_t)s->gen)
		return NULL;
	return s;
}

struct walk {
	struct g *gp;
	const struct tlscal *cal;
	struct snapshot *s;
	uint32_t used;
	bool full;
};

/* A module's static block is where gp's fresh dtv says, between the end of its stack and the TCB. */
static int
notemodule(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct walk *w = arg;
	const ElfW(Phdr) *ph = NULL;
	struct dtv *dtv = tcbword(w->gp, w->cal->dtvp, struct dtv *);
	uintptr_t at;
	struct block *b = &w->s->block[w->s->n];

	for(int i = 0; i < info->dlpi_phnum; i++)
		if(info->dlpi_phdr[i].p_type == PT_TLS)
			ph = &info->dlpi_phdr[i];
	if(ph == NULL || info->dlpi_tls_modid == 0)
		return 0;
	at = info->dlpi_tls_modid <= dtv[-1].len ? (uintptr_t)dtv[info->dlpi_tls_modid].val : 0;
	if(at < tlsstacktop(w->gp) || at >= w->gp->fsbase){
		w->s->dynamic = true;
		return 0;
	}
	b->at = (ptrdiff_t)(at - w->gp->fsbase);
	if(b->at == w->cal->libctls)
		return 0;
	if(w->s->n + 1 == NBLOCKS || w->used + ph->p_filesz > IMAGESIZE){
		w->full = true;
		return 1;
	}
	b->from = w->used;
	b->initsize = (uint32_t)ph->p_filesz;
	b->size = (uint32_t)ph->p_memsz;
	memcpy(w->s->image + w->used, (void *)(info->dlpi_addr + ph->p_vaddr), ph->p_filesz);
	w->used += b->initsize;
	w->s->n++;
	return 0;
}

/* gp's TLS has just been made by ld.so in generation gen. */
void
tlsnote(struct g *gp, const struct tlscal *cal, size_t gen)
{
	struct snapshot *s = load_acquire(&current);
	struct walk w = {.gp = gp, .cal = cal};

	if((s != NULL && s->gen == gen) || !trylock(&notelock))
		return;
	if(nnotes < NOTESMAX && (w.s = persistentalloc(sizeof *w.s, 0)) != NULL){
		nnotes++;
		w.s->gen = gen;
		cal->iteratephdr(notemodule, &w);
		if(!w.full && generation(cal) == gen)
			store_release(&current, w.s);
	}
	unlock(&notelock);
}

bool
tlsquickreset(struct g *gp, const struct tlscal *cal)
{
	struct snapshot *s = uptodate(gp, cal);

	if(s == NULL)
		return false;
	for(struct block *b = s->block; b < s->block + s->n; b++){
		uint8_t *p = (uint8_t *)gp->fsbase + b->at;

		memcpy(p, s->image + b->from, b->initsize);
		memset(p + b->initsize, 0, b->size - b->initsize);
	}
	return true;
}

bool
tlsnodynamic(struct g *gp, const struct tlscal *cal)
{
	struct snapshot *s = uptodate(gp, cal);

	return s != NULL && !s->dynamic;
}

void
tlsimagefork(void)
{
	notelock.key = 0;
}
