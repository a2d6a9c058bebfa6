/* SPDX-License-Identifier: MIT */
/* What futex.c and futexpi.c share: the arguments of futex(2), and what is done with them. */
#ifndef HEDDLE_FUTEX_H
#define HEDDLE_FUTEX_H

#include "sync.h"

struct futexargs {
	uint32_t *addr;
	int op;
	uint32_t val;
	const struct timespec *timeout; /* or val2 */
	uint32_t *addr2;
	uint32_t val3;
};

static inline int
futexcmd(const struct futexargs *f)
{
	return f->op & FUTEX_CMD_MASK;
}

static inline uint32_t
val2(const struct futexargs *f)
{
	return (uint32_t)(uintptr_t)f->timeout;
}

/* ---- futex.c ---- */

/* futexdeadline: FUTEX_WAIT's time is relative, all others are absolute. 0 or -EINVAL. */
int futexdeadline(const struct futexargs *f, struct deadline *d);
/* futexqueue puts w on the queue of its key if f->addr still has the value; runtime mode. */
bool futexqueue(const struct futexargs *f, struct semawait *w);

/* ---- futexpi.c: the operations of these names on memory that is this process's only. A result or a negative errno; user mode. */
long futexlockpi(struct g *gp, const struct futexargs *f);
long futextrylockpi(struct g *gp, const struct futexargs *f);
long futexunlockpi(struct g *gp, const struct futexargs *f);
long futexwaitrequeuepi(struct g *gp, const struct futexargs *f);
long futexcmprequeuepi(struct g *gp, const struct futexargs *f);

#endif
