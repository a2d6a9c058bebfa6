/* SPDX-License-Identifier: MIT */
#ifndef HEDDLE_MAPSHARED_H
#define HEDDLE_MAPSHARED_H

#include <stdbool.h>

/* mapshared says that the memory at addr may be shared with another process: it lies in a MAP_SHARED mapping, or it
 * cannot be found out. Some system calls; errno is kept. */
bool mapshared(const void *addr);

#endif
