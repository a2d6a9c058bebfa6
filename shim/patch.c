/* SPDX-License-Identifier: MIT */
/*
 * What libc waits for inside its own functions: fgets for a socket, getaddrinfo for an answer, syslog for
 * its daemon, malloc for another thread. Such calls do not come by the dynamic linker, so the entries
 * of libc's functions in patch.def are changed to jump here (core/textpatch.c), when the runtime starts.
 *
 *	fgets --> read (libc's): jmp --> gate --> read (heddle's: io.c) --> park, or libc.read
 *	                                  '-- not for heddle: libc.read
 *	libc.read: the moved first instruction, then the rest of libc's read
 *
 * So libc.read and the like, by which all of heddle calls libc, are no longer libc's entries: no call of
 * heddle's comes back to it. The gate lets the call through to libc as it is
 *
 *	on a thread without a G: one of libc's own, an M on g0, the child of a fork or vfork, where no runtime runs;
 *	in runtime mode, when the P cannot go anyway;
 *	within entersyscall, where the wrapper of another function has told the runtime already that the G may
 *	block: system, popen and posix_spawn, whose child, moreover, runs in our memory with the G's TLS.
 *
 * The child of a fork keeps the patches, which are harmless there, as before they are in the process that
 * has no runtime; if it starts one it finds them done.
 *
 * Before it is patched a function is looked at: libc's symbol table must name it where heddle's calls go,
 * with a size; its code must make the system call that it is known to make; its first instructions must
 * be some that can be moved. One that looks different is left alone and named on the log. Nothing depends on
 * a version of libc or on an address.
 */
#include <string.h>

#include "fd.h"
#include "patch.h"
#include "textpatch.h"

/* ---- the gates ---- */

#define PATCH(ret, name, params, args, nr)                                      \
	static ret gate_##name params                                           \
	{                                                                       \
		struct g *gp = getg();                                          \
                                                                                \
		if(gp == NULL || gp->locks != 0 || gp->insyscall != 0)          \
			return libc.name args;                                  \
		return name args;                                               \
	}
#include "patch.def"
#undef PATCH

/*
 * libc closes streams' and other descriptors of its own by a function that is no cancellation point. What is known of the
 * number ends with it. Of that only those kinds are taken on trust where they are wrong with which a call goes to the
 * kernel at once and would block there, in a pipe of popen's, say, where a file has been.
 */
static int closeoriginal(int fd);

static int
closequietly(int fd)
{
	struct polldesc *pd = pollfind(fd);
	int k = pd != NULL ? load_relaxed(&pd->kind) : Kunknown;

	if(k == Kfile || k == Kblock || k == Kpollin)
		fdsetkind(pd, Kunknown);
	return closeoriginal(fd);
}

/* ---- what to patch ---- */

static struct textpatch patches[] = {
#define PATCH(ret, name_, params, args, nr_) {.name = #name_, .to = (const void *)gate_##name_, .nr = nr_},
#include "patch.def"
#undef PATCH
	{.name = "__lll_lock_wait_private", .to = (const void *)lllwait, .nr = SYS_futex},
	{.name = "__lll_lock_wake_private", .to = (const void *)lllwake, .nr = SYS_futex},
	{.name = "__close_nocancel", .to = (const void *)closequietly, .nr = SYS_close},
};

enum { NPATCH = nelem(patches), NCALLS = NPATCH - 3, LLLWAIT = NCALLS, LLLWAKE, CLOSE };

static int
closeoriginal(int fd)
{
	return ((int (*)(int))patches[CLOSE].orig)(fd);
}

/* By which pointer heddle calls each; the last ones it does not call. */
static void **const pointers[NCALLS] = {
#define PATCH(ret, name, params, args, nr) (void **)&libc.name,
#include "patch.def"
#undef PATCH
};

/* What must be seen in the locks' functions, besides their system call, for them to be those that lll.c knows. */
static const struct {
	uint8_t code[10];
	size_t n;
} lockcode[2] = {
	{{0xb8, 2, 0, 0, 0, 0x87, 0x07, 0x85, 0xc0}, 9},       /* mov $2, %eax; xchg %eax, (%rdi); test %eax, %eax */
	{{0xba, 1, 0, 0, 0, 0xbe, 0x81, 0, 0, 0}, 10},         /* mov $1, %edx; mov $FUTEX_WAKE | FUTEX_PRIVATE_FLAG, %esi */
};

static const char *
find(const struct dynsyms *d, struct textpatch *v)
{
	const ElfW(Sym) *s = dynfunc(d, v->name);
	size_t i = (size_t)(v - patches);

	if(s == NULL)
		return "libc has no such symbol";
	v->at = (const uint8_t *)(d->base + s->st_value);
	v->size = s->st_size;
	if(i < NCALLS)
		return *pointers[i] == v->at ? NULL : "another library takes its place";
	if(i == CLOSE)
		return NULL;
	i -= LLLWAIT;
	return memmem(v->at, v->size, lockcode[i].code, lockcode[i].n) ? NULL : "not the code it should be";
}

/* Whoever calls libc, calls the original. The pointers have several names for one function, as libc does. */
static void
setpointers(void)
{
	void **p = (void **)&libc, **end = (void **)(&libc + 1);

	for(; p < end; p++)
		for(size_t i = 0; i < NPATCH; i++)
			if(*p == patches[i].at && patches[i].orig != NULL)
				store_relaxed(p, (void *)patches[i].orig);
}

/* One line for each reason. */
static void
report(size_t done)
{
	char names[800];
	size_t n;

	for(size_t i = 0; i < NPATCH; i++){
		const char *why = patches[i].why;

		if(why == NULL)
			continue;
		n = 0;
		for(size_t k = i; k < NPATCH; k++)
			if(patches[k].why != NULL && strcmp(patches[k].why, why) == 0){
				n += (size_t)fmtbuf(names + n, sizeof names - n, " %s", patches[k].name);
				if(k != i)
					patches[k].why = NULL;
			}
		rtlog("libc's %s not patched, so waits in it may hold up other threads for some ms (%s):%s",
		    done == 0 ? "functions are" : "functions are partly", why, names);
	}
}

void
patchlibc(void)
{
	static bool begun;
	struct dynsyms d, rt;
	size_t done = 0;

	if(!options.patch || begun)
		return;
	begun = true;
	if(!dynsyms(&d, "libc.so.") || !dynsyms(&rt, "ld-linux")){
		rtlog("libc's functions are not patched, so waits in it may hold up other threads for some ms (no symbol table)");
		return;
	}
	for(size_t i = 0; i < NPATCH; i++)
		patches[i].why = find(&d, &patches[i]);
	if(textmove(patches, NPATCH, libcsym("__libc_single_threaded")) > 0){
		setpointers();
		done = textpatch(patches, NPATCH);
	}
	lllinit(patches[LLLWAIT].patched && patches[LLLWAKE].patched, rt.datalo, rt.datahi);
	report(done);
}
