/* SPDX-License-Identifier: MIT */
/* ldcache.h: where the system keeps its libraries. */
#ifndef LDCACHE_H
#define LDCACHE_H

#include "keep.h"

/*
 * The path that /etc/ld.so.cache has for the library name, by number: there may be several, for
 * other machines or better processors. NULL when there are no more.
 */
const char *cached(struct keep *k, const char *name, unsigned number);

/* Forgets the cache. */
void closecache(void);

#endif
