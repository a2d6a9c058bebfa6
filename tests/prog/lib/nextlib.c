/* SPDX-License-Identifier: MIT */
/* Interposes functions, for those who look here, and asks for the next ones: what preloaded wrappers do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

int nextcalls;

ssize_t
read(int fd, void *buf, size_t n)
{
	ssize_t (*next)(int, void *, size_t) = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");

	nextcalls++;
	return next(fd, buf, n);
}

void *
nextof(const char *name)
{
	void *r = dlsym(RTLD_NEXT, name);

	__asm__ volatile("" : "+r"(r)); /* no jump: dlsym looks at who calls it */
	return r;
}

void *
nextversion(const char *name, const char *version)
{
	void *r = dlvsym(RTLD_NEXT, name, version);

	__asm__ volatile("" : "+r"(r));
	return r;
}
