#!/bin/sh
# SPDX-License-Identifier: MIT
#
# mkmap.sh: print the version script of libheddle.so, from shim/symbols.def.
#
# No version is named, so that each symbol stands in for libc's whatever version
# a program was linked against.
set -eu
cd "$(dirname "$0")/.."

names=$(printf '%s\n' '#define INTERPOSE(r, n, p, a, k) @ n' '#define INTERPOSEV(r, n, p, a, k) @ n' \
	'#define API(n) @ n' '#include "symbols.def"' |
	${CC:-cc} -E -P -Ishim - | tr '@' '\n' | tr -d ' \t' | sed '/^$/d' | sort)
dup=$(echo "$names" | uniq -d)
if [ -n "$dup" ]; then
	echo "mkmap.sh: listed twice:" $dup >&2
	exit 1
fi

echo '{'
echo 'global:'
for n in $names; do
	echo "	$n;"
done
echo 'local:'
echo '	*;'
echo '};'
