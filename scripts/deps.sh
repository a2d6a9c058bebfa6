#!/bin/bash
# SPDX-License-Identifier: MIT
#
# deps.sh: see that what `make check` needs is there. As root, missing Debian packages
# are installed; otherwise they are named and the exit status is 1.
#
#   scripts/deps.sh [WHAT:PACKAGE...]     instead: these tools or files of these packages
set -u

# tool-or-file:package
needs="gcc:gcc g++:g++ make:make ld:binutils readelf:binutils pkg-config:pkg-config python3:python3 strace:strace pgrep:procps
/usr/include/check.h:libcheck /usr/include/libelf.h:libelf-dev /usr/include/liburing.h:liburing-dev /usr/include/pthread.h:libc6-dev
/usr/lib/x86_64-linux-gnu/libjemalloc.a:libjemalloc-dev /usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.a:libgoogle-perftools-dev
/usr/lib/x86_64-linux-gnu/libmimalloc.so:libmimalloc-dev"
[ $# -gt 0 ] && needs=$*

missing=
for n in $needs; do
	what=${n%%:*} pkg=${n#*:}
	[ "$pkg" = libcheck ] && pkg=check
	case $what in
	/*)	[ -e "$what" ] && continue ;;
	*)	command -v "$what" > /dev/null && continue ;;
	esac
	case " $missing " in *" $pkg "*) ;; *) missing="$missing $pkg" ;; esac
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
	echo "deps.sh: please install:$missing" >&2
	exit 1
fi
echo "  APT  $missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
install() { apt-get install -y --no-install-recommends $missing >> "$log" 2>&1; }
if ! install; then
	apt-get update >> "$log" 2>&1
	install || { tail -n 5 "$log" >&2; rm -f "$log"; exit 1; }
fi
rm -f "$log"
