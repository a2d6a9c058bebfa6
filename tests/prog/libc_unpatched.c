/* SPDX-License-Identifier: MIT */
/* Streams on pipes and sockets with libc as it is. */
#include "io_stdio.c"
