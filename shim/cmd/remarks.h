/* SPDX-License-Identifier: MIT */
/* remarks.h: putting a report together. */
#ifndef REMARKS_H
#define REMARKS_H

#include "check.h"

/* A text made as by printf, in the report's memory. */
const char *format(struct keep *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Adds a remark. */
void remark(struct report *r, const char *key, const char *text);

/* The worst outcome stays, and the first cause of it. */
void conclude(struct report *r, enum outcome outcome, const char *cause, const char *remedy);

/* Judges the program, which has been read with its libraries. */
void judgeall(struct report *r);

#endif
