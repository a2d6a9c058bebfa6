#!/bin/bash
# SPDX-License-Identifier: MIT
#
# glibc_support.sh TREE DIR: builds DIR/libsupport.a, what glibc's tests link, from glibc's source tree against the installed
# headers, and DIR/cflags for the tests themselves. They are ordinary programs, but include a few of glibc's internal headers:
# those that do no harm are linked into DIR/inc, and for others there are stand-ins.
set -u
tree=$1 dir=$2 inc=$2/inc
rm -rf "$inc" "$dir/sup"
mkdir -p "$inc" "$dir/inc2" "$dir/sup"
cd "$tree" || exit 1

for d in support malloc sysdeps nptl rt socket io time signal posix stdlib; do ln -s "$tree/$d" "$inc/$d"; done
for h in include/{array_length,libc-diag,libc-pointer-arith,intprops,verify,list_t,libc-internal,scratch_buffer,check_fds}.h \
	include/{file_change_detection,dso_handle,alloc_buffer}.h test-skeleton.c misc/mremap-failure.h \
	sysdeps/generic/{eloop-threshold,malloc-size,mremap-failure}.h sysdeps/nptl/tst-tls5.h \
	sysdeps/unix/sysv/linux/{socket-constants-time64,mremap-failure,mmap_info,arch-fd_to_filename}.h \
	sysdeps/unix/sysv/linux/x86/elision-conf.h sysdeps/x86/nptl/pthreaddef.h sysdeps/x86/tst-stack-align.h \
	sysdeps/x86_64/{stackinfo,eloop-threshold}.h; do
	[ -f "$h" ] && cp "$h" "$inc/"
done
cp sysdeps/generic/tst-stack-align.h "$dir/inc2/"
: > "$inc/config.h"
echo '#define TEST_COMPAT(lib, introduced, obsoleted) 0' > "$inc/shlib-compat.h"
echo 'void *allocate_once (void **, void *(*) (void *), void (*) (void *, void *), void *);' > "$inc/allocate_once.h"
printf '#include <%s>\n' sys/syscall.h unistd.h errno.h > "$inc/sysdep.h"
cat > "$inc/atomic.h" <<'X'
#define atomic_full_barrier() __sync_synchronize ()
#define atomic_read_barrier() __sync_synchronize ()
#define atomic_write_barrier() __sync_synchronize ()
#define atomic_load_relaxed(p) __atomic_load_n (p, __ATOMIC_RELAXED)
#define atomic_store_relaxed(p, v) __atomic_store_n (p, v, __ATOMIC_RELAXED)
#define atomic_load_acquire(p) __atomic_load_n (p, __ATOMIC_ACQUIRE)
#define atomic_store_release(p, v) __atomic_store_n (p, v, __ATOMIC_RELEASE)
#define atomic_fetch_add_relaxed(p, v) __atomic_fetch_add (p, v, __ATOMIC_RELAXED)
#define atomic_increment(p) ((void) __sync_fetch_and_add (p, 1))
#define atomic_exchange_and_add(p, v) __sync_fetch_and_add (p, v)
X
cat > "$inc/libc-symbols.h" <<'X'
#define _GNU_SOURCE 1
#define _ISOMAC 1
#define HAVE_CONFIG_H 0
#define PASTE_NAME1(a, b) a##b
#define PASTE_NAME(a, b) PASTE_NAME1 (a, b)
#define IS_IN(x) 0
#define attribute_hidden
#define libc_hidden_proto(x)
#define libc_hidden_def(x)
#define LIBC_SUPPORT 1
#include <limits.h>
#ifndef NAME_MAX
#define NAME_MAX 255
#endif
#ifndef PATH_MAX
#define PATH_MAX 4096
#endif
X
echo "-O2 -g -w -std=gnu11 -fgnu89-inline -include $inc/libc-symbols.h -I$inc -I$dir/inc2 -I$tree/support \
-DOBJPFX=\"$dir/\" -DTIMEOUTFACTOR=1" > "$dir/cflags"

cat > "$dir/extra.c" <<'X'
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

bool
support_path_support_time64_value (const char *path, int64_t at, int64_t mt)
{
	return true;
}

void *
allocate_once (void **place, void *(*make) (void *), void (*drop) (void *, void *), void *closure)
{
	void *old = __atomic_load_n (place, __ATOMIC_ACQUIRE), *new;

	if (old != NULL || (new = make (closure)) == NULL)
		return old;
	if (__atomic_compare_exchange_n (place, &old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return new;
	if (drop != NULL)
		drop (closure, new);
	else
		free (new);
	return old;
}
X

paths="-DSRCDIR_PATH=\"$tree\" -DOBJDIR_PATH=\"$dir\" -DOBJDIR_ELF_LDSO_PATH=\"/lib64/ld-linux-x86-64.so.2\" \
-DINSTDIR_PATH=\"/usr\" -DLIBDIR_PATH=\"/usr/lib/x86_64-linux-gnu\" -DBINDIR_PATH=\"/usr/bin\" -DSBINDIR_PATH=\"/usr/sbin\" \
-DSLIBDIR_PATH=\"/lib/x86_64-linux-gnu\" -DROOTSBINDIR_PATH=\"/sbin\" -DCOMPLOCALEDIR_PATH=\"/usr/lib/locale\""
compile() { gcc $(cat "$dir/cflags") $paths -c "$1" -o "$dir/sup/$(basename "$1" .c).o" 2> "$dir/sup/$(basename "$1" .c).err"; }
export -f compile
export dir paths
# Some need more of glibc's insides than there is here; nothing that is run needs them.
cd support || exit 1
{ sed -n '/^libsupport-routines/,/^$/p' Makefile | tr -d '\\' | grep -v = | tr -s ' \t' '\n\n' | grep . | sed 's/$/.c/'; echo "$dir/extra.c"; } |
	xargs -P "$(nproc)" -I{} bash -c 'compile {} || echo "not built: {}"' > "$dir/sup/not-built"
rm -f "$dir/libsupport.a"
ar rcs "$dir/libsupport.a" "$dir"/sup/*.o
