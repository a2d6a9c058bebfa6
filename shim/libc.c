/* SPDX-License-Identifier: MIT */
/*
 * Looking up the real functions. See libc.h.
 *
 * Two threads may resolve the same pointer at once: both store the same value.
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "atomic.h"
#include "dlsym.h"
#include "libc.h"

static int
nosys(void)
{
	errno = ENOSYS;
	return -1;
}

/* For those which return an error instead of setting errno. */
static int
nosyserr(void)
{
	return ENOSYS;
}

/*
 * What dlsym takes of a name with several versions was not always the default one (glibc bug
 * 14932, before 2.36): ask for the right one where the old one has another type.
 */
static const char *const versions[] = {"GLIBC_2.3.2"};

static void *
lookup(const char *name)
{
	void *fn;
	size_t i;

	if(strcmp(name, "dlsym") == 0 || strcmp(name, "dlvsym") == 0)
		return dlsymlibc(name); /* the others are looked up by these */
	if(strncmp(name, "pthread_cond_", 13) == 0)
		for(i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
			if((fn = libc.dlvsym(RTLD_NEXT, name, versions[i])) != NULL)
				return fn;
	return libc.dlsym(RTLD_NEXT, name);
}

static void *
resolve(const char *name)
{
	int e = errno;
	void *fn = lookup(name);

	if(fn == NULL)
		fn = strncmp(name, "pthread_", 8) == 0 ? (void *)nosyserr : (void *)nosys;
	errno = e;
	return fn;
}

void *
libcsym(const char *name)
{
	return libc.dlsym(RTLD_NEXT, name);
}

#define API(name)
#define INTERPOSEV INTERPOSE

/* The resolvers: name's first call ends here. */
#define INTERPOSE(ret, name, params, args, kind)                                    \
	static ret resolve_##name params                                            \
	{                                                                           \
		store_relaxed(&libc.name, (__typeof__(libc.name))resolve(#name));   \
		return libc.name args;                                              \
	}
#include "symbols.def"
#undef INTERPOSE

#define INTERPOSE(ret, name, params, args, kind) .name = resolve_##name,
struct libc libc = {
#include "symbols.def"
};
#undef INTERPOSE

void
libcresolve(void)
{
#define INTERPOSE(ret, name, params, args, kind) \
	if(libc.name == resolve_##name)          \
		store_relaxed(&libc.name, (__typeof__(libc.name))resolve(#name));
#include "symbols.def"
#undef INTERPOSE
}
