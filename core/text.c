/* SPDX-License-Identifier: MIT */
/*
 * Where executable code is: all of it, for dumps; libc's, ld.so's, the vDSO's, a sanitizer's and our own, in which
 * a G is never preempted by signal (a lock or half a switch may be in progress there).
 */
#include <link.h>

#include "runtime.h"
#include "text.h"

struct textrange textranges[256];
size_t ntextranges;
static struct textrange nopreempt[16];
static size_t nnopreempt;
static struct textrange ours;
bool textonstack;

static bool
endswith(const char *path, const char *name)
{
	const char *base = path;

	for(; *path; path++)
		if(*path == '/')
			base = path + 1;
	while(*name && *base == *name)
		base++, name++;
	return *name == 0;
}

/* An object that does not say whether it needs executable stacks is an old one, which may. The vDSO and ld.so do not count. */
static int
objectstack(struct dl_phdr_info *info, size_t size, void *arg)
{
	bool needs = info->dlpi_name == NULL || (!endswith(info->dlpi_name, "linux-vdso") && !endswith(info->dlpi_name, "ld-linux"));

	for(int i = 0; i < info->dlpi_phnum; i++)
		if(info->dlpi_phdr[i].p_type == PT_GNU_STACK)
			needs = info->dlpi_phdr[i].p_flags & PF_X;
	textonstack |= needs;
	return 0;
}

/* textonstackask looks whether a library loaded meanwhile needs executable stacks. Takes the dynamic linker's lock. */
bool
textonstackask(void)
{
	dl_iterate_phdr(objectstack, NULL);
	return textonstack;
}

/* Not the program's own code nor a library's that it chose. */
static bool
underneath(const char *n)
{
	return endswith(n, "libc.so.") || endswith(n, "ld-linux") || endswith(n, "linux-vdso") || endswith(n, "libpthread") ||
	       endswith(n, "libtsan.so.") || endswith(n, "libasan.so.");
}

static int
object(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *n = info->dlpi_name;
	uintptr_t self = (uintptr_t)rtinit;
	bool sys = n && underneath(n);

	for(int i = 0; i < info->dlpi_phnum; i++){
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		struct textrange r = {info->dlpi_addr + ph->p_vaddr, info->dlpi_addr + ph->p_vaddr + ph->p_memsz};

		if(ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		if(ntextranges < nelem(textranges))
			textranges[ntextranges++] = r;
		if(self - r.lo < r.hi - r.lo)
			ours = r;
		if(*(bool *)arg && nnopreempt < nelem(nopreempt) && (sys || self - r.lo < r.hi - r.lo))
			nopreempt[nnopreempt++] = r;
	}
	return 0;
}

/* textrangesinit reads the list of loaded objects anew. Takes the dynamic linker's lock. */
void
textrangesinit(void)
{
	bool first = nnopreempt == 0;

	ntextranges = 0;
	dl_iterate_phdr(object, &first);
	textonstackask();
}

/* textpreemptible tells whether a G may be preempted at pc. Async-signal-safe after textrangesinit. */
bool
textpreemptible(uintptr_t pc)
{
	for(size_t i = 0; i < nnopreempt; i++)
		if(pc - nopreempt[i].lo < nopreempt[i].hi - nopreempt[i].lo)
			return false;
	return true;
}

bool
textours(uintptr_t pc)
{
	return pc - ours.lo < ours.hi - ours.lo;
}
