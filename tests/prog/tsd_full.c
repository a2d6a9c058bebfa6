/* SPDX-License-Identifier: MIT */
/* All the keys there are, made before the first thread: no thread sees the values of another that had its memory before. */
#include "prog.h"
#include <limits.h>

static pthread_key_t keys[PTHREAD_KEYS_MAX];
static int nkeys;
static _Atomic int dtors;

static void
drop(void *v)
{
	CHECK(v != NULL);
	dtors++;
}

static void *
set(void *arg)
{
	for(int i = 0; i < nkeys; i++) {
		CHECK(pthread_getspecific(keys[i]) == NULL);
		OK(pthread_setspecific(keys[i], &keys[i]));
	}
	return arg;
}

int
main(void)
{
	while(nkeys < PTHREAD_KEYS_MAX && pthread_key_create(&keys[nkeys], nkeys % 2 ? drop : NULL) == 0)
		nkeys++;
	CHECK(nkeys > PTHREAD_KEYS_MAX / 2);
	for(int i = 0; i < 20; i++) {
		join(spawn(set, NULL));
		EQ(dtors, (i + 1) * (nkeys / 2));
	}
	puts("ok");
	return 0;
}
