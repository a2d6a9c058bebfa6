/* SPDX-License-Identifier: MIT */
/*
 * The wrappers of kind BLOCK: calls that may block in the kernel, where
 * nothing but the call itself could say for how long. The P can be taken meanwhile.
 */
#include "cancel.h"
#include "fd.h"
#include "libc.h"
#include "runtime.h"

/* Some write, to pipes and files. Still on the thread that has made the call: iofailed. */
#define BLOCKRESULT(call)                                         \
	({                                                        \
		__typeof__(call) block_r = (call);                \
		if(unlikely((long)block_r == -1))                 \
			rawerror();                               \
		block_r;                                          \
	})

/* The asm label stands for the name: of a variadic function the header's type would differ. */
#define WRAP_BLOCK(ret, name, params, args)                       \
	EXPORT ret block_##name params __asm__(#name);            \
	ret block_##name params                                   \
	{                                                         \
		struct g *gp = getg();                            \
		ret r;                                            \
                                                                  \
		if(gp == NULL)                                    \
			return libc.name args;                    \
		unwindsyscall();                                  \
		rtenter(gp);                                      \
		entersyscall(gp);                                 \
		r = BLOCKRESULT(libc.name args);                  \
		exitsyscall(gp);                                  \
		rtexit(gp);                                       \
		return r;                                         \
	}
#define WRAP_PARK(ret, name, params, args)
#define WRAP_POLL(ret, name, params, args)
#define WRAP_HANDOFF(ret, name, params, args)
#define WRAP_OUTSIDE(ret, name, params, args)
#define WRAP_PLAIN(ret, name, params, args)

#define API(name)
#define INTERPOSE(ret, name, params, args, kind)  WRAP_##kind(ret, name, params, args)
#define INTERPOSEV(ret, name, params, args, kind) WRAP_##kind(ret, name, params, args)
#include "symbols.def"
