/* SPDX-License-Identifier: MIT */
/* Looking up symbols past heddle's own dlsym. */
#ifndef HEDDLE_DLSYM_H
#define HEDDLE_DLSYM_H

#include <stdbool.h>

/* dlsymlibc finds a function in the tables of libc itself, without ld.so; NULL if there is none. */
void *dlsymlibc(const char *name);
/* uringsym finds one of liburing, wherever that is loaded; NULL: nowhere. */
void *uringsym(const char *name);

#endif
