/* SPDX-License-Identifier: MIT */
/*
 * Thread-specific data. pthread_key_create, pthread_setspecific and so on work on the
 * current TCB and so need no wrapper; only the destructors, at a thread's
 * end, are run here, just as libc does.
 *
 * A TCB holds a table of pointers to blocks of values; a value counts if its sequence
 * number is that of its key in the process's table, else the key was deleted meanwhile.
 */
#include <limits.h>
#include <string.h>

#include "thread.h"

#define keyfield(key, off, type) load_relaxed((__typeof__(type) *)(tcblayout.keys + (key)*tcblayout.keysize + (off)))

static void
destroy(unsigned key, char *data)
{
	void **value = (void **)(data + tcblayout.keydatavalue), *v = *value;
	void (*destr)(void *);

	if(v == NULL)
		return;
	*value = NULL;
	destr = keyfield(key, tcblayout.keydestr, void (*)(void *));
	if(destr != NULL && *(uintptr_t *)(data + tcblayout.keydataseq) == keyfield(key, tcblayout.keyseq, uintptr_t))
		destr(v);
}

static char **
blocks(struct g *gp)
{
	return &tcbword(gp, tcblayout.specific, char *);
}

static void
round1(struct g *gp)
{
	char **block = blocks(gp);

	for(unsigned i = 0; i < tcblayout.nlevel1; i++)
		if(block[i] != NULL)
			for(unsigned j = 0; j < tcblayout.nlevel2; j++)
				destroy(i * tcblayout.nlevel2 + j, block[i] + j * tcblayout.keydatasize);
}

/* Destructors may set values again: after so many rounds these are dropped. */
void
tsdexit(struct g *gp)
{
	char **block = blocks(gp);

	for(int n = 0; tcbword(gp, tcblayout.specificused, bool); n++){
		tcbword(gp, tcblayout.specificused, bool) = false;
		if(n == PTHREAD_DESTRUCTOR_ITERATIONS){
			for(unsigned i = 0; i < tcblayout.nlevel1; i++)
				if(block[i] != NULL)
					memset(block[i], 0, tcblayout.nlevel2 * tcblayout.keydatasize);
			return;
		}
		round1(gp);
	}
}
