/* SPDX-License-Identifier: MIT */
/*
 * object.c: opening an ELF file.
 *
 * libelf maps the file and decodes its headers. Nothing else in it is believed: every
 * offset, count and string is checked against the file's size before it
 * is used, here and in dynamic.c. That the file may shrink meanwhile is
 * check.c's concern (SIGBUS).
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "object.h"

enum {
	MAXPATH = 4096,
	MAXPHDRS = 65536 / sizeof(Elf64_Phdr),	/* more the kernel does not take */
	MAXNOTES = 64 * 1024,
};

const void *
at(const struct object *o, uint64_t off, uint64_t n)
{
	return off <= o->size && n <= o->size - off ? o->file + off : NULL;
}

int64_t
fileoffset(const struct object *o, uint64_t addr, uint64_t *left)
{
	for(size_t i = 0; i < o->nph; i++) {
		const GElf_Phdr *ph = &o->ph[i];
		uint64_t d = addr - ph->p_vaddr;

		if(ph->p_type != PT_LOAD || d >= ph->p_filesz || ph->p_offset >= o->size ||
		    d >= o->size - ph->p_offset)
			continue;
		*left = ph->p_filesz - d;
		if(*left > o->size - ph->p_offset - d)
			*left = o->size - ph->p_offset - d;
		return (int64_t)(ph->p_offset + d);
	}
	return -1;
}

int
likeus(const struct object *o)
{
	static const union {
		uint16_t number;
		uint8_t first;
	} order = { 1 };

	return o->eh.e_ident[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
	    o->eh.e_ident[EI_DATA] == (order.first ? ELFDATA2LSB : ELFDATA2MSB) &&
#ifdef __x86_64__
	    o->eh.e_machine == EM_X86_64;
#else
	    o->eh.e_machine == EM_AARCH64;
#endif
}

/* The file's type as one says it; NULL for a regular one. */
static const char *
nofile(const struct stat *st)
{
	switch(st->st_mode & S_IFMT) {
	case S_IFREG:	return NULL;
	case S_IFDIR:	return "is a directory: name a program in it";
	case S_IFIFO:	return "is a FIFO: name a program file";
	case S_IFSOCK:	return "is a socket: name a program file";
	}
	return "is a device: name a program file";
}

/* What it is if not ELF: names of what users may have mistaken for a program. */
static const char *
notelf(const struct object *o, Elf_Kind kind)
{
	if(kind == ELF_K_AR)
		return "is an archive of object files (.a): check the program linked with it";
	if(o->size >= 2 && memcmp(o->file, "MZ", 2) == 0)
		return "is a program for Windows: heddle runs programs for Linux";
	return "is neither an ELF file nor a script with #!: name a program or a library";
}

static const char *
readheaders(struct object *o, struct keep *k)
{
	size_t n;

	if(gelf_getehdr(o->elf, &o->eh) == NULL)
		return "has a damaged ELF header: perhaps it was copied incompletely";
	if(elf_getphdrnum(o->elf, &n) < 0)
		return "has damaged program headers: perhaps it was copied incompletely";
	if(n > MAXPHDRS)
		return "has more program headers than the kernel accepts: it is damaged";
	o->ph = keep(k, n * sizeof *o->ph);
	for(size_t i = 0; i < n; i++)
		if(gelf_getphdr(o->elf, (int)i, &o->ph[i]) == NULL)
			return "has damaged program headers: perhaps it was copied incompletely";
	o->nph = n;
	return NULL;
}

/* The dynamic linker that it names. */
static const char *
readinterp(struct object *o, struct keep *k)
{
	for(size_t i = 0; i < o->nph; i++) {
		const GElf_Phdr *ph = &o->ph[i];
		const char *s;
		size_t len;

		if(ph->p_type != PT_INTERP)
			continue;
		s = at(o, ph->p_offset, ph->p_filesz);
		if(s == NULL || ph->p_filesz < 2 || ph->p_filesz > MAXPATH)
			return "has a damaged name of its dynamic linker: perhaps it was copied incompletely";
		len = strnlen(s, ph->p_filesz);
		if(len == ph->p_filesz)
			return "has a name of its dynamic linker that does not end";
		o->interp = keepstr(k, s, len);
		return NULL;
	}
	return NULL;
}

/* Is there a note of the Go linker's? Notes: sizes of name and content, type; both padded to 4 bytes. */
static int
madebygo(const struct object *o)
{
	for(size_t i = 0; i < o->nph; i++) {
		const GElf_Phdr *ph = &o->ph[i];
		const uint8_t *p = at(o, ph->p_offset, ph->p_filesz);
		uint64_t left = ph->p_filesz, n;
		uint32_t size[2];

		if(left > MAXNOTES)
			left = MAXNOTES;
		for(; ph->p_type == PT_NOTE && p != NULL && left >= 16; p += n, left -= n) {
			memcpy(size, p, sizeof size);
			if(size[0] == 4 && memcmp(p + 12, "Go\0", 4) == 0)
				return 1;
			n = 12 + (((uint64_t)size[0] + 3) & ~(uint64_t)3) + (((uint64_t)size[1] + 3) & ~(uint64_t)3);
			if(n > left)
				break;
		}
	}
	return 0;
}

const char *
openobject(struct object *o, struct keep *k, const char *path)
{
	const char *e;
	struct stat st;
	int fd;

	o->path = keepstr(k, path, strlen(path));
	o->glibcmax = o->glibcneed = -1;
	/* O_NONBLOCK: a FIFO must not hold us up. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if(fd < 0)
		return errno == EACCES ? "cannot be read: Permission denied" : strerror(errno);
	e = fstat(fd, &st) < 0 ? strerror(errno) : nofile(&st);
	if(e == NULL && st.st_size == 0)
		e = "is empty";
	if(e != NULL) {
		close(fd);
		return e;
	}
	o->dev = st.st_dev;
	o->ino = st.st_ino;
	o->mode = st.st_mode;
	elf_version(EV_CURRENT);
	o->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if(o->elf != NULL)
		o->file = (const uint8_t *)elf_rawfile(o->elf, &o->size);
	/* From here on all of it is mapped, or read if that cannot be. */
	if(o->elf == NULL || o->file == NULL || elf_cntl(o->elf, ELF_C_FDREAD) < 0) {
		close(fd);
		return st.st_size < (off_t)sizeof(Elf64_Ehdr) ? "is too short: perhaps it was copied incompletely" :
		    "cannot be read";
	}
	close(fd);
	if(elf_kind(o->elf) != ELF_K_ELF)
		return notelf(o, elf_kind(o->elf));
	e = readheaders(o, k);
	if(e == NULL)
		e = readinterp(o, k);
	o->go = e == NULL && madebygo(o);
	return e;
}

void
closeobject(struct object *o)
{
	if(o->elf != NULL)
		elf_end(o->elf);
	o->elf = NULL;
}
