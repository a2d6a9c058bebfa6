/* SPDX-License-Identifier: MIT */
/*
 * heddle check against files made to mislead it: real ones with bytes changed, cut off, or their headers and tables
 * edited. Built with the address and undefined-behaviour sanitizers; each report must end in time, be
 * well-formed JSON, and contain no byte that a terminal would act upon.
 *
 *	build/fuzz/check SECONDS SEED-FILE...	FUZZ_SEED=n: the sequence; the file that fails is in build/fuzz/check.failed
 *
 * With -DLIBFUZZER it is libFuzzer's.
 */
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

void __asan_set_death_callback(void (*fn)(void));

enum { MAXSEED = 1 << 20, MAXREGIONS = 32, LIMIT = 10 /* seconds of processor time for a file */ };

static int fd;			/* a memory file: what is checked */
static char failed[4096] = "failed";	/* where to leave what something is found with */
static const uint8_t *input;	/* what is in it */
static size_t inputsize;

/* Leaves the input behind. Called when a sanitizer has found something, too. */
static void
save(void)
{
	int out = open(failed, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if(out >= 0 && write(out, input, inputsize) == (ssize_t)inputsize)
		dprintf(2, "fuzz: the input is in %s\n", failed);
}

static void
fail(const char *what)
{
	dprintf(2, "fuzz: %s\n", what);
	save();
	_exit(1);
}

static void
toolong(int sig)
{
	fail("a report takes too long");
}

/* ---- JSON, as RFC 8259 has it ---- */

static const char *value(const char *p);

static const char *
space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

static const char *
string(const char *p)
{
	if(p == NULL || *p++ != '"')
		return NULL;
	for(; *p != '"'; p++){
		if((unsigned char)*p < 0x20 || *p == 0x7f)
			return NULL;
		if(*p != '\\')
			continue;
		p++;
		if(*p == 'u' && strspn(p + 1, "0123456789abcdefABCDEF") >= 4)
			p += 4;
		else if(*p == '\0' || strchr("\"\\/bfnrt", *p) == NULL)
			return NULL;
	}
	return p + 1;
}

/* The members of an object, or elements of an array, up to the bracket. */
static const char *
list(const char *p, char bracket)
{
	p = space(p + 1);
	if(*p == bracket)
		return p + 1;
	for(;; p++){
		p = space(p);
		if(bracket == '}'){
			p = string(p);
			if(p == NULL || *(p = space(p)) != ':')
				return NULL;
			p = space(p + 1);
		}
		p = value(p);
		if(p == NULL)
			return NULL;
		p = space(p);
		if(*p == bracket)
			return p + 1;
		if(*p != ',')
			return NULL;
	}
}

static const char *
value(const char *p)
{
	static const char *const words[] = {"true", "false", "null"};

	if(*p == '{' || *p == '[')
		return list(p, *p == '{' ? '}' : ']');
	if(*p == '"')
		return string(p);
	for(int i = 0; i < 3; i++)
		if(strncmp(p, words[i], strlen(words[i])) == 0)
			return p + strlen(words[i]);
	p += *p == '-';
	return strspn(p, "0123456789") > 0 ? p + strspn(p, "0123456789") : NULL;
}

static int
isutf8(const char *s)
{
	for(const unsigned char *p = (const unsigned char *)s; *p != '\0';){
		unsigned n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;

		if(n == 0)
			return 0;
		for(unsigned i = 1; i < n; i++)
			if((p[i] & 0xc0) != 0x80)
				return 0;
		p += n;
	}
	return 1;
}

/* ---- one file ---- */

static void
try(const uint8_t *data, size_t n, int follow)
{
	char path[64], *text, *json;
	struct report r;
	size_t len;
	FILE *f;

	input = data;
	inputsize = n;
	if(ftruncate(fd, 0) < 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
		fail("the memory file cannot be written");
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	r = (struct report){.file = path, .nofollow = !follow};
	setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = LIMIT}, NULL);
	inspect(&r);
	f = open_memstream(&text, &len);
	writetext(f, &r, 1);
	fclose(f);
	for(char *p = text; *p != '\0'; p++)
		if(((unsigned char)*p < 0x20 && *p != '\n') || *p == 0x7f)
			fail("a control character is in a report");
	if(strlen(text) != len)
		fail("a report has a byte of 0");
	free(text);
	f = open_memstream(&json, &len);
	beginjson(f);
	writejson(f, &r, 1);
	endjson(f);
	fclose(f);
	if(strlen(json) != len || !isutf8(json) || value(json) == NULL || *space(value(json)) != '\0')
		fail("a report is not JSON");
	free(json);
	if((r.outcome == ERROR || r.outcome == CANNOT) && r.cause == NULL)
		fail("a report without a cause");
	if(r.outcome == REMARKS && r.remarks == NULL)
		fail("remarks, but none");
	endreport(&r);
	setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = 0}, NULL);
}

static void
setup(void)
{
	struct sigaction sa = {.sa_handler = toolong};

	fd = memfd_create("fuzz", MFD_CLOEXEC);
	sigaction(SIGPROF, &sa, NULL);
	__asan_set_death_callback(save);
}

#ifdef LIBFUZZER

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int ready;

	if(!ready++)
		setup();
	try(data, n, 0);
	return 0;
}

#else

/* ---- mutations ---- */

struct seed {
	uint8_t *data;
	size_t n;
	struct {
		size_t off, n;
	} hot[MAXREGIONS];	/* headers and tables: what is read first */
	int nhot;
};

static uint64_t state;

static uint64_t
random64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static size_t
below(size_t n)
{
	return n > 0 ? random64() % n : 0;
}

static void
hot(struct seed *s, size_t off, size_t n)
{
	if(s->nhot < MAXREGIONS && n > 0 && off < s->n && n <= s->n - off){
		s->hot[s->nhot].off = off;
		s->hot[s->nhot++].n = n;
	}
}

static void
readseed(struct seed *s, const char *path)
{
	int in = open(path, O_RDONLY);
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	Elf64_Shdr sh;
	ssize_t n;

	s->data = malloc(MAXSEED);
	n = in >= 0 && s->data != NULL ? read(in, s->data, MAXSEED) : -1;
	if(n < 64){
		fprintf(stderr, "fuzz: %s: cannot be read\n", path);
		exit(2);
	}
	close(in);
	s->n = (size_t)n;
	memcpy(&eh, s->data, sizeof eh);
	hot(s, 0, sizeof eh);
	hot(s, eh.e_phoff, (size_t)eh.e_phnum * sizeof ph);
	hot(s, eh.e_shoff, (size_t)eh.e_shnum * sizeof sh);
	for(unsigned i = 0; i < eh.e_phnum && eh.e_phoff + (i + 1) * sizeof ph <= s->n; i++){
		memcpy(&ph, s->data + eh.e_phoff + i * sizeof ph, sizeof ph);
		if(ph.p_type != PT_LOAD && ph.p_type != PT_PHDR && ph.p_type != PT_GNU_RELRO)
			hot(s, ph.p_offset, ph.p_filesz);
	}
	for(unsigned i = 0; i < eh.e_shnum && eh.e_shoff + (i + 1) * sizeof sh <= s->n; i++){
		memcpy(&sh, s->data + eh.e_shoff + i * sizeof sh, sizeof sh);
		if(sh.sh_type >= SHT_LOOS || sh.sh_type == SHT_DYNSYM || sh.sh_type == SHT_STRTAB || sh.sh_type == SHT_SYMTAB)
			hot(s, sh.sh_offset, sh.sh_size);
	}
}

static uint64_t
interesting(size_t n)
{
	static const uint64_t values[] = {0, 1, 2, 7, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
	    INT64_MAX, 1ull << 63, UINT64_MAX, UINT64_MAX - 7};

	switch(below(4)){
	case 0:	return n + below(17) - 8;
	case 1:	return below(n);
	case 2:	return random64() >> below(64);
	}
	return values[below(sizeof values / sizeof values[0])];
}

/* Changes the copy in buf of a seed and returns its new size. */
static size_t
mutate(const struct seed *s, uint8_t *buf)
{
	size_t n = s->n, off, len;

	memcpy(buf, s->data, n);
	for(size_t i = 1 + below(below(4) == 0 ? 40 : 4); i > 0; i--){
		size_t lo = 0, size = n;
		uint64_t v = interesting(n);

		if(below(8) != 0 && s->nhot > 0){
			int h = (int)below((size_t)s->nhot);

			lo = s->hot[h].off;
			size = s->hot[h].n;
		}
		off = lo + below(size);
		len = (size_t)1 << below(4);
		if(below(2) == 0)
			off &= ~(len - 1);	/* tables are aligned */
		if(off + 8 > n)
			continue;
		switch(below(6)){
		case 0:	buf[off] ^= (uint8_t)(1 << below(8)); break;
		case 1:	buf[off] = (uint8_t)random64(); break;
		case 2: case 3:	memcpy(buf + off, &v, len); break;
		case 4:	/* a part of the same table over another */
			len = 1 + below(64);
			if(off + len <= n && lo + size >= len)
				memmove(buf + off, buf + lo + below(size - (len < size ? len : size) + 1), len < size ? len : size);
			break;
		case 5:	/* add a little to a number */
			memcpy(&v, buf + off, 8);
			v += below(33) - 16;
			memcpy(buf + off, &v, 8);
			break;
		}
	}
	if(below(16) == 0)
		n = below(8) == 0 ? below(256) : below(n) + 1;
	return n;
}

int
main(int argc, char **argv)
{
	const char *from = getenv("FUZZ_SEED");
	int seeds = argc - 2, seconds = argc > 1 ? atoi(argv[1]) : 0;
	unsigned long count = 0;
	struct seed *s = calloc(argc > 2 ? (size_t)seeds : 1, sizeof *s);
	uint8_t *buf = malloc(MAXSEED);
	struct timespec now, end;
	struct rusage ru;

	if(seconds <= 0 || seeds <= 0 || s == NULL || buf == NULL){
		fprintf(stderr, "usage: check SECONDS SEED-FILE...\n");
		return 2;
	}
	snprintf(failed, sizeof failed, "%s.failed", argv[0]);
	setup();
	for(int i = 0; i < seeds; i++){
		readseed(&s[i], argv[i + 2]);
		try(s[i].data, s[i].n, 1);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	state = from != NULL ? strtoull(from, NULL, 0) : (uint64_t)end.tv_nsec * 2654435761u + (uint64_t)end.tv_sec;
	state |= 1;
	printf("fuzz: FUZZ_SEED=%#llx\n", (unsigned long long)state);
	fflush(stdout);
	end.tv_sec += seconds;
	do{
		const struct seed *one = &s[below((size_t)seeds)];

		try(buf, mutate(one, buf), below(64) == 0);
		count++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	}while(now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	for(int i = 0; i < seeds; i++)
		free(s[i].data);
	free(s);
	free(buf);
	getrusage(RUSAGE_SELF, &ru);
	printf("fuzz: %lu files, nothing found; %ld MiB at most\n", count, ru.ru_maxrss / 1024);
	return 0;
}

#endif
