/* SPDX-License-Identifier: MIT */
/* A library with thread-local storage of every size, loaded while threads run. */
#include <string.h>

static __thread int counter = 100;
static __thread char block[5000];
static __thread struct { long a, b; } pair = { 11, 22 };
static int inits;

__attribute__((constructor)) static void
init(void)
{
	inits++;
}

/* Counts calls of this thread; -1 if what this thread wrote is not there. */
int
tlslib_next(int id)
{
	if(counter == 100) {
		for(unsigned i = 0; i < sizeof block; i++)
			if(block[i] != 0)
				return -1;
		if(pair.a != 11 || pair.b != 22)
			return -1;
		memset(block, id, sizeof block);
		pair.a = id;
	}
	if(block[0] != (char)id || block[sizeof block - 1] != (char)id || pair.a != id)
		return -1;
	return ++counter - 100;
}

int *
tlslib_addr(void)
{
	return &counter;
}

int
tlslib_inits(void)
{
	return inits;
}
