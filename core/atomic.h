/* SPDX-License-Identifier: MIT */
/*
 * Atomics with the memory order in the name.
 *
 * Anything stronger than relaxed says at its use what it pairs with. C11's
 * store(release) followed by a load of another word is *not* ordered: wherever
 * a protocol publishes and then tests, it uses fence_seqcst() or one of the
 * read-modify-write operations below, which are full barriers on amd64.
 */
#ifndef HEDDLE_ATOMIC_H
#define HEDDLE_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#define load_relaxed(p)      __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p)      __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_relaxed(p, v)  __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v)  __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define xchg(p, v)           __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define add_fetch(p, v)      __atomic_add_fetch((p), (v), __ATOMIC_SEQ_CST)
#define fetch_add(p, v)      __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define fetch_or(p, v)       __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define fetch_and(p, v)      __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define fence_seqcst()       __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define compiler_barrier()   __asm__ volatile("" ::: "memory")
#define cpurelax()           __builtin_ia32_pause()

/* cas replaces *p by n if it is o; a full barrier. It evaluates to true if it did. */
#define cas(p, o, n)                                                                     \
	({                                                                               \
		__typeof__(*(p)) cas_old = (o);                                          \
		__atomic_compare_exchange_n((p), &cas_old, (n), false, __ATOMIC_SEQ_CST, \
		    __ATOMIC_RELAXED);                                                   \
	})

/* for functions so short that a call costs more, where gcc would rather save space */
#define inlined inline __attribute__((always_inline))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
