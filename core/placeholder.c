/* SPDX-License-Identifier: MIT */
/* Weak definitions for what has not landed yet. */
#include "runtime.h"
__attribute__((weak)) void stackscavenge(int64_t n){}
