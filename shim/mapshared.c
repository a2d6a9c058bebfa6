/* SPDX-License-Identifier: MIT */
/*
 * Is this memory shared with other processes? Linux 6.11 answers for one address by
 * an ioctl on /proc/self/maps; before that the file has to be read.
 *
 * The answer is not kept: mappings come and go without our knowing.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "mapshared.h"
#include "os.h"

/* From Linux's uapi/linux/fs.h, which may be older on the machine that this is built on. */
struct mapquery {
	uint64_t size, flags, addr;
	uint64_t vmastart, vmaend, vmaflags, pagesize, offset, inode;
	uint32_t major, minor, namesize, buildidsize;
	uint64_t name, buildid;
};
#define MAPQUERY   _IOWR('f', 17, struct mapquery)
#define MAP_SHAREDVMA 8

/* Reading the lines "start-end rwxp ...": what is known of the current one. */
struct mapline {
	uint64_t start, end;
	int field; /* 0 start, 1 end, 2 and on: permissions so far + 2, then the rest */
	bool hit;
};

/* feed takes the next character. 1: addr is in a shared mapping, 0: in a private one, -1: go on. */
static int
feed(struct mapline *l, char c, uint64_t addr)
{
	unsigned digit = c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);

	if(c == '\n'){
		*l = (struct mapline){0};
	}else if(l->field == 0){
		if(c == '-')
			l->field = 1;
		else
			l->start = l->start << 4 | digit;
	}else if(l->field == 1){
		if(c == ' ')
			l->field = 2;
		else
			l->end = l->end << 4 | digit;
	}else if(l->field < 6 && l->field++ == 5 && l->start <= addr && addr < l->end){
		return c == 's';
	}
	return -1;
}

static bool
readmaps(long fd, uint64_t addr)
{
	struct mapline line = {0};
	char buf[2048];
	long n, i;
	int r;

	while((n = rawsyscall(SYS_read, fd, buf, sizeof buf)) > 0)
		for(i = 0; i < n; i++)
			if((r = feed(&line, buf[i], addr)) >= 0)
				return r;
	return true;
}

bool
mapshared(const void *addr)
{
	struct mapquery q = {.size = sizeof q, .addr = (uintptr_t)addr};
	long fd = rawsyscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
	bool shared;

	if(fd < 0)
		return true;
	if(rawsyscall(SYS_ioctl, fd, MAPQUERY, &q) == 0)
		shared = q.vmaflags & MAP_SHAREDVMA;
	else
		shared = readmaps(fd, (uintptr_t)addr);
	rawsyscall(SYS_close, fd);
	return shared;
}
