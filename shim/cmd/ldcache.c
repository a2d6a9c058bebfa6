/* SPDX-License-Identifier: MIT */
/*
 * ldcache.c: /etc/ld.so.cache, in the format that glibc's ldconfig has written since 2.2:
 *
 *	"glibc-ld.so.cache1.1"	20 bytes
 *	u32 entries, u32 length of strings, 20 bytes of other things
 *	entries of 24 bytes	i32 flags, u32 name, u32 path, u32 OS version, u64 hwcap
 *
 * name and path are offsets from the header's beginning. Until 2.32 an older table came
 * before, and the header was somewhere behind it, aligned.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ldcache.h"

enum { HEADER = 48, ENTRY = 24, MAXNAME = 4096 };

static const char magic[] = "glibc-ld.so.cache1.1";

static struct {
	int tried;
	void *map;
	size_t size;		/* of map */
	const char *table;	/* from the header on; NULL without a cache */
	size_t n;		/* bytes from there */
	uint32_t entries;
} cache;

static void
opencache(void)
{
	int fd = open("/etc/ld.so.cache", O_RDONLY | O_CLOEXEC);
	struct stat st;
	const char *p;

	cache.tried = 1;
	if(fd < 0)
		return;
	if(fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > HEADER) {
		cache.size = (size_t)st.st_size;
		cache.map = mmap(NULL, cache.size, PROT_READ, MAP_PRIVATE, fd, 0);
		if(cache.map == MAP_FAILED)
			cache.map = NULL;
	}
	close(fd);
	p = cache.map != NULL ? memmem(cache.map, cache.size, magic, sizeof magic - 1) : NULL;
	if(p == NULL)
		return;
	cache.n = cache.size - (size_t)(p - (const char *)cache.map);
	if(cache.n < HEADER)
		return;
	memcpy(&cache.entries, p + 20, 4);
	if(cache.entries > (cache.n - HEADER) / ENTRY)
		cache.entries = 0;
	cache.table = p;
}

/* The string at off; NULL if it does not end within the file. */
static const char *
string(uint32_t off)
{
	size_t left = off < cache.n ? cache.n - off : 0;

	if(left > MAXNAME)
		left = MAXNAME;
	return left > 0 && memchr(cache.table + off, '\0', left) != NULL ? cache.table + off : NULL;
}

const char *
cached(struct keep *k, const char *name, unsigned number)
{
	if(!cache.tried)
		opencache();
	if(cache.table == NULL)
		return NULL;
	for(uint32_t i = 0; i < cache.entries; i++) {
		const char *e = cache.table + HEADER + (size_t)i * ENTRY, *s;
		uint32_t nameoff, pathoff;

		memcpy(&nameoff, e + 4, 4);
		memcpy(&pathoff, e + 8, 4);
		s = string(nameoff);
		if(s == NULL || strcmp(s, name) != 0 || number-- > 0)
			continue;
		s = string(pathoff);
		return s != NULL ? keepstr(k, s, strlen(s)) : NULL;
	}
	return NULL;
}

void
closecache(void)
{
	if(cache.map != NULL)
		munmap(cache.map, cache.size);
	memset(&cache, 0, sizeof cache);
}
