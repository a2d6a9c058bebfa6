#!/bin/bash
# SPDX-License-Identifier: MIT
#
# layering.sh: core knows nothing of the libc that is being wrapped. Every symbol that the
# objects of core/ and asm/ leave undefined, and do not define for one another, must stand in
# scripts/layering.allow, which holds functions that heddle does not interpose and that
# neither block nor allocate. A call from core into shim shows up here too.
set -u
cd "$(dirname "$0")/.." || exit 2
BUILD=${BUILD:-build}

objs=$(find "$BUILD/core" "$BUILD/asm" -name '*.o' 2>/dev/null)
if [ -z "$objs" ]; then
	echo "layering.sh: no objects in $BUILD/core: run make" >&2
	exit 2
fi
defined=$(nm --defined-only $objs | awk 'NF == 3 { print $3 }' | sort -u)
bad=$(nm -u $objs | awk '$1 ~ /^[Uwv]$/ { print $2 }' | sort -u |
	comm -23 - <(echo "$defined") |
	comm -23 - <(sed 's/#.*//' scripts/layering.allow | tr -s ' \t' '\n' | sed '/^$/d' | sort -u))
if [ -n "$bad" ]; then
	for s in $bad; do
		echo "  layering: $s is not core's to call; used by$(for o in $objs; do
			nm -u "$o" | grep -q " $s\$" && printf ' %s' "$(basename "$o")"; done)"
	done
	exit 1
fi

# What heddle interposes may not be on the list, whoever put it there.
if [ -e "$BUILD/libheddle.map" ]; then
	both=$(comm -12 <(scripts/exports.sh -m) \
		<(sed 's/#.*//' scripts/layering.allow | tr -s ' \t' '\n' | sed '/^$/d' | sort -u))
	[ -z "$both" ] || { echo "  layering: allowed and interposed:" $both; exit 1; }
fi

# tests/sanitize.c stands for core/tls*.c under the sanitizers: it has all that the rest of core uses of them.
tls=$(find "$BUILD/core" -name 'tls*.o')
for s in $(comm -12 <(nm --defined-only $tls | awk 'NF == 3 { print $3 }' | sort -u) \
	<(nm -u $(echo "$objs" | grep -v '/tls[^/]*$') | awk '$1 == "U" { print $2 }' | sort -u)); do
	grep -qw "$s" tests/sanitize.c || { echo "  layering: tests/sanitize.c lacks $s"; exit 1; }
done
