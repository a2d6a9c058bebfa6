/* SPDX-License-Identifier: MIT */
/*
 * dlsym and dlvsym: who looks for a function of libc's that heddle interposes gets heddle's, as who is linked with it does.
 *
 * ld.so finds heddle's by itself where it looks through all libraries from the first on. Where it does not (a handle of libc's or
 * of a library that needs it, RTLD_NEXT in a library that comes after heddle) it finds libc's, and the program would
 * have threads of both kinds. So libc's answer is replaced by heddle's function of that name, if it is what
 * heddle's function itself calls. It is not if a third library interposes the same function: its answers are left as they are, or
 * that library, asking for the next one, would be given heddle's, which calls it.
 *
 * RTLD_NEXT means what comes after the library that asks. libc is not asked for that, as it would take
 * heddle for the one; but what comes after heddle is known to be libc's, and so is what comes after any library behind heddle: also one
 * that is loaded later, which looks through the same list. Of a library before heddle the next one is heddle's if none in
 * between has one.
 */
#include <dlfcn.h>

#include "atomic.h"
#include "dlsym.h"
#include "dynsym.h"

/* libc's own, for the jumps. Any thread may set them, to the same values. */
void *dlsymnext, *dlvsymnext;
void *dlsymours(void *handle, const char *name, const char *version, const void *caller);

/*
 * dlsym and dlvsym. libc tells by the return address who asks, and what is "next" for him: so what is not ours to answer is
 * a jump to libc's, with the stack and the arguments as they were.
 */
#define LOOKUP(name, setversion, next)                                                  \
	__asm__(".text\n"                                                               \
	        ".globl " #name "\n"                                                    \
	        ".type " #name ", @function\n"                                          \
	        ".p2align 4\n" #name ":\n"                                              \
	        ".cfi_startproc\n"                                                      \
	        "pushq %rdi\n .cfi_adjust_cfa_offset 8\n"                               \
	        "pushq %rsi\n .cfi_adjust_cfa_offset 8\n"                               \
	        "pushq %rdx\n .cfi_adjust_cfa_offset 8\n" setversion                    \
	        "movq 24(%rsp), %rcx\n" /* who asks */                                  \
	        "call dlsymours\n"                                                      \
	        "popq %rdx\n .cfi_adjust_cfa_offset -8\n"                               \
	        "popq %rsi\n .cfi_adjust_cfa_offset -8\n"                               \
	        "popq %rdi\n .cfi_adjust_cfa_offset -8\n"                               \
	        "testq %rax, %rax\n"                                                    \
	        "jz 1f\n"                                                               \
	        "ret\n"                                                                 \
	        "1: jmp *" #next "(%rip)\n"                                             \
	        ".cfi_endproc\n"                                                        \
	        ".size " #name ", . - " #name "\n")

LOOKUP(dlsym, "xorl %edx, %edx\n", dlsymnext);
LOOKUP(dlvsym, "", dlvsymnext);

static struct tables {
	struct dynsyms libc, heddle;
	bool valid;
} tables;

static void *
functionof(const struct dynsyms *d, const char *name)
{
	const ElfW(Sym) *s = dynfunc(d, name);

	return s == NULL ? NULL : (void *)(d->base + s->st_value);
}

void *
dlsymlibc(const char *name)
{
	struct dynsyms d;
	void *fn = NULL;

	if(dynsyms(&d, "libc.so."))
		fn = functionof(&d, name);
	if(fn == NULL && dynsyms(&d, "libdl.so.")) /* before glibc 2.34 */
		fn = functionof(&d, name);
	return fn;
}

/* The tables of symbols, looked for once; two threads that do so at the same time find the same. */
static bool
ready(void)
{
	struct tables t;

	if(likely(load_acquire(&tables.valid)))
		return true;
	store_relaxed(&dlsymnext, dlsymlibc("dlsym"));
	store_relaxed(&dlvsymnext, dlsymlibc("dlvsym"));
	if(!dynsyms(&t.libc, "libc.so.") || !dynsyms(&t.heddle, "libheddle.so"))
		return false;
	tables.libc = t.libc;
	tables.heddle = t.heddle;
	store_release(&tables.valid, true);
	return true;
}

struct walk {
	uintptr_t caller;
	const char *name;
	bool past, found; /* heddle has been seen; the caller */
	bool ours;
};

static bool
within(const struct dl_phdr_info *info, uintptr_t at)
{
	for(int i = 0; i < info->dlpi_phnum; i++){
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if(ph->p_type == PT_LOAD && at - (info->dlpi_addr + ph->p_vaddr) < ph->p_memsz)
			return true;
	}
	return false;
}

static int
step(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct walk *w = arg;
	struct dynsyms d;

	if(info->dlpi_addr == tables.heddle.base){
		w->past = w->ours = true;
		return w->found;
	}
	if(!w->found)
		w->found = within(info, w->caller);
	else if(!w->past && dynsymsof(&d, info) && dynfunc(&d, w->name) != NULL)
		return 1; /* an interposer before heddle */
	return w->found && w->past;
}

/* Is the next one, after the library of the caller, heddle's, or libc's behind it? Libraries come in the order of loading. */
static bool
oursnext(const char *name, const void *caller)
{
	struct walk w = {.caller = (uintptr_t)caller, .name = name};

	return eachobject(step, &w) != 0 && w.ours;
}

/* libc's own answer to heddle. */
static void *
ask(void *handle, const char *name, const char *version)
{
	if(version == NULL)
		return ((void *(*)(void *, const char *))dlsymnext)(handle, name);
	return ((void *(*)(void *, const char *, const char *))dlvsymnext)(handle, name, version);
}

/* Called by dlsym (version is NULL) and dlvsym: the function, or NULL if libc is to answer. */
void *
dlsymours(void *handle, const char *name, const char *version, const void *caller)
{
	void *own, *theirs;

	if(!ready() || name == NULL)
		return NULL;
	if((own = functionof(&tables.heddle, name)) == NULL)
		return NULL;
	if((theirs = functionof(&tables.libc, name)) == NULL)
		return handle != RTLD_NEXT && handle != RTLD_DEFAULT && (theirs = uringsym(name)) != NULL &&
		       ask(handle, name, version) == theirs ? own : NULL;
	if(ask(RTLD_NEXT, name, version) != theirs)
		return NULL;
	if(handle == RTLD_NEXT)
		return oursnext(name, caller) ? own : NULL;
	if(handle == RTLD_DEFAULT) /* heddle's functions have none of libc's versions */
		return version != NULL && ask(handle, name, NULL) == own ? own : NULL;
	return ask(handle, name, version) == theirs ? own : NULL;
}
