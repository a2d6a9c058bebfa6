/* SPDX-License-Identifier: MIT */
/*
 * Patching functions of a library that is in use (PROTOTYPES: libc's own calls of its system-call
 * functions do not go through the dynamic linker).
 *
 *	library                        patchtext (asm/patch_amd64.S)
 *	poll: jmp to ----------.       orig: cmpb $0, __libc_single_threaded(%rip)
 *	      (2 bytes unused) |             jmp poll+7
 *	  +7  je ...           '---> to ... may call orig, which is poll as it was
 *
 * Pages
 * -----
 * No page is ever both writable and executable, and no page that may be executing is ever not executable. A page is changed in a
 * copy that is writable and not executable; that is then made executable and not writable, and only then moved to
 * the page's place, by one mremap(2). The kernel takes away the old page and puts the new one there under one lock, on which a thread
 * that takes a page fault meanwhile waits: to other threads, and to a signal handler here, it is one step, between
 * two of their instructions. Whoever forbids this (SELinux's execmod and execmem, a seccomp filter, no memory) does so at a step that
 * has changed nothing yet: then the page stays as it is.
 *
 * The copy is of the library's file, mapped at the same offset, if its contents there are those of the memory: so
 * perf, gdb and /proc/PID/maps see the library as ever. Where the file cannot be had (chroot) or differs (a
 * debugger's breakpoint) the copy is of the memory.
 *
 * Other threads
 * -------------
 * A thread that has executed some of the first instructions, but not all, would go on in the middle of the jump. So
 * there must be no other thread: textpatch is called before the runtime has made one, and if there is one all the same
 * nothing is done. A signal handler that runs meanwhile returns to this file.
 *
 * Rejected: writing to the page itself, made writable and later executable again: the second step may be refused, and then the
 * process is lost. Writing through /proc/self/mem, which asks nobody.
 */
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "textpatch.h"

enum { PAGE = 4096 };

extern uint8_t patchtext[], patchtextend[];

/* ---- the file behind a page ---- */

struct behind {
	uintptr_t page;
	const char *path;
	off_t offset;
};

static int
findobject(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct behind *b = arg;

	for(int i = 0; i < info->dlpi_phnum; i++){
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t at = b->page - info->dlpi_addr - ph->p_vaddr;

		if(ph->p_type == PT_LOAD && (ph->p_flags & PF_X) && at < ph->p_filesz){
			b->path = info->dlpi_name;
			b->offset = (off_t)(ph->p_offset + at);
			return 1;
		}
	}
	return 0;
}

static bool
isaddr(long r)
{
	return (unsigned long)r < -4095UL;
}

/* copyfile maps the page from its file, or returns 0 if what is there is not what is in memory. */
static long
copyfile(uintptr_t page)
{
	struct behind b = {.page = page};
	struct stat st;
	long fd, copy = 0;

	dl_iterate_phdr(findobject, &b);
	if(b.path == NULL || *b.path == 0 || (fd = rawsyscall(SYS_openat, AT_FDCWD, b.path, O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	if(rawsyscall(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode) && b.offset + PAGE <= st.st_size)
		copy = rawsyscall(SYS_mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, b.offset);
	rawsyscall(SYS_close, fd);
	if(copy == 0 || !isaddr(copy))
		return 0;
	if(memcmp((void *)copy, (void *)page, PAGE) == 0)
		return copy;
	rawsyscall(SYS_munmap, copy, PAGE);
	return 0;
}

/* ---- changing a page ---- */

/* newpage returns a copy of the page, writable, or a negative errno. */
static long
newpage(uintptr_t page)
{
	long copy = copyfile(page);

	if(copy != 0)
		return copy;
	copy = rawsyscall(SYS_mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if(isaddr(copy))
		memcpy((void *)copy, (void *)page, PAGE);
	return copy;
}

/* putpage puts the copy, made executable, in the page's place. 0 or a negative errno: the copy is gone. */
static long
putpage(long copy, uintptr_t page)
{
	long r = rawsyscall(SYS_mprotect, copy, PAGE, PROT_READ | PROT_EXEC);

	if(r == 0 && isaddr(r = rawsyscall(SYS_mremap, copy, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page)))
		return 0;
	rawsyscall(SYS_munmap, copy, PAGE);
	return r;
}

static uintptr_t
pageof(const void *p)
{
	return (uintptr_t)p & ~(uintptr_t)(PAGE - 1);
}

/* ---- the patches ---- */

/* Where the jump goes. */
static const uint8_t *
place(const struct textpatch *v)
{
	return v->at + insnskip(v->at);
}

/*
 * moveentry writes v's first instructions to *buf, which will be at `at`. It returns how many bytes are taken: none if all they do
 * is ask whether there are several threads. There will be, and the other way is right in either case, so the original is
 * entered behind them. (That spares a page, of which many are touched between two system calls as it is.)
 */
static size_t
moveentry(struct textpatch *v, uint8_t *buf, const uint8_t *at, const char *single)
{
	const uint8_t *from = place(v);
	uint8_t jump[JUMPSIZE];

	if(v->why != NULL)
		return 0;
	if(v->size < (size_t)(from - v->at) + JUMPSIZE)
		v->why = "too short";
	else if(!insnsyscall(v->at, v->size, v->nr))
		v->why = "not the system call it should be";
	else if(pageof(from) != pageof(from + JUMPSIZE - 1))
		v->why = "on two pages";
	else if(!insnjump(jump, (uintptr_t)from, (uintptr_t)v->to))
		v->why = "too far away";
	else
		v->why = insnmove(buf, (uintptr_t)at, from, v->size - (size_t)(from - v->at));
	if(v->why != NULL || (v->orig = insnunless(from, v->size - (size_t)(from - v->at), single)) != NULL)
		return 0;
	v->orig = at;
	return MAXMOVED;
}

/*
 * Is this the only thread? With /proc the kernel says so: a directory for each. Without it libc tells at least whether
 * it has ever made one.
 */
static bool
alone(const char *single)
{
	struct stat st;

	if(rawsyscall(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0) == 0 && S_ISDIR(st.st_mode))
		return st.st_nlink == 3;
	return single != NULL && *single != 0;
}

static size_t
refuse(struct textpatch *v, size_t n, const char *why)
{
	for(size_t i = 0; i < n; i++)
		if(v[i].why == NULL)
			v[i].why = why;
	return 0;
}

size_t
textmove(struct textpatch *v, size_t n, const char *single)
{
	size_t used = 0, count = 0;
	long copy;

	if(!alone(single))
		return refuse(v, n, "other threads run");
	if(!isaddr(copy = newpage((uintptr_t)patchtext)))
		return refuse(v, n, "no memory for its first instructions");
	for(size_t i = 0; i < n; i++){
		if(v[i].why == NULL && used + MAXMOVED > (size_t)(patchtextend - patchtext))
			v[i].why = "no room for its first instructions";
		used += moveentry(&v[i], (uint8_t *)copy + used, patchtext + used, single);
		count += v[i].why == NULL;
	}
	if(putpage(copy, (uintptr_t)patchtext) != 0)
		return refuse(v, n, "no executable memory for its first instructions");
	return count;
}

/* The jumps on v's page, of which v is the first. */
static size_t
patchpage(struct textpatch *v, size_t n)
{
	uintptr_t page = pageof(place(v));
	long copy = newpage(page);
	const char *why = NULL;
	size_t count = 0;

	for(size_t i = 0; i < n && isaddr(copy); i++)
		if(v[i].why == NULL && pageof(place(&v[i])) == page)
			insnjump((uint8_t *)copy + ((uintptr_t)place(&v[i]) - page), (uintptr_t)place(&v[i]), (uintptr_t)v[i].to);
	if(!isaddr(copy) || putpage(copy, page) != 0)
		why = "its page cannot be changed";
	for(size_t i = 0; i < n; i++)
		if(v[i].why == NULL && pageof(place(&v[i])) == page){
			v[i].why = why;
			v[i].patched = why == NULL;
			count += v[i].patched;
		}
	return count;
}

size_t
textpatch(struct textpatch *v, size_t n)
{
	size_t count = 0;

	for(size_t i = 0; i < n; i++)
		if(v[i].why == NULL && !v[i].patched)
			count += patchpage(&v[i], n - i);
	return count;
}
