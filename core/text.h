/* SPDX-License-Identifier: MIT */
/* Where code is: text.c. */
#ifndef HEDDLE_TEXT_H
#define HEDDLE_TEXT_H

struct textrange {
	uintptr_t lo, hi;
};
extern struct textrange textranges[256]; /* executable segments of all objects */
extern size_t ntextranges;
extern bool textonstack; /* some object needs executable stacks (GCC's nested functions) */
bool textonstackask(void);
void textrangesinit(void);
bool textpreemptible(uintptr_t pc);
bool textours(uintptr_t pc); /* heddle's own */

#endif
