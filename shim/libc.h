/* SPDX-License-Identifier: MIT */
/*
 * The real functions behind those that heddle interposes.
 *
 * libc.read(...) is libc's read(). Each pointer starts out as a small resolver,
 * which looks its function up on the first call; so wrappers work before any
 * constructor has run, and a program that makes no thread pays nothing for
 * the others. What this libc does not have fails with ENOSYS.
 */
#ifndef HEDDLE_LIBC_H
#define HEDDLE_LIBC_H

#include <aio.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/inotify.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <threads.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
/*
 * ALSO gives `of`, a function defined in the same file, a second name: one by which programs and libraries of old import
 * it. What the attributes promise is what headers promise of nearly all; nobody calls such a name here.
 */
#define ALSO(name, of) EXPORT __typeof__(of) name __attribute__((alias(#of), nothrow, leaf));

typedef __itimer_which_t itimer; /* an enumeration in C, and in C++ an int */

struct libc {
#define API(name)
#define INTERPOSE(ret, name, params, args, kind)  ret(*name) params;
#define INTERPOSEV(ret, name, params, args, kind) ret(*name) params;
#include "symbols.def"
#undef INTERPOSE
#undef INTERPOSEV
};
extern struct libc libc;

/* The wrappers: each row of symbols.def must agree with libc's headers. */
#define INTERPOSE(ret, name, params, args, kind) ret name params;
#define INTERPOSEV(ret, name, params, args, kind)
#include "symbols.def"
#undef INTERPOSE
#undef INTERPOSEV
#undef API

/* libcresolve looks up everything that is not yet: within runtime mode nothing may call the dynamic linker. */
void libcresolve(void);

/* libcsym looks up a function of libc's that heddle does not interpose, or NULL. */
void *libcsym(const char *name);

#endif
