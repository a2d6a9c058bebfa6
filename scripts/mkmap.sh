#!/bin/sh
# SPDX-License-Identifier: MIT
#
# mkmap.sh: print the version script of libheddle.so, from shim/symbols.def.
#
#   scripts/mkmap.sh        the version script
#   scripts/mkmap.sh -t     the whole table instead: a kind and a name a line, API for heddle's own functions, URING for liburing's
#
# No version is named, so that each symbol stands in for libc's whatever version
# a program was linked against.
set -eu
cd "$(dirname "$0")/.."

# preprocess DEFINITION...: symbols.def with these; '@' begins a line.
preprocess() {
	{ printf '%s\n' "$@"; echo '#include "symbols.def"'; } | ${CC:-cc} -E -P -Ishim - |
		tr -d '\n' | tr -s ' \t' ' ' | tr '@' '\n' | sed -e 's/^ //' -e 's/ *$//' -e '/^$/d'
}

if [ "${1:-}" = -t ]; then
	preprocess '#define INTERPOSE(r, n, p, a, k) @ k n' '#define INTERPOSEV(r, n, p, a, k) @ k n' \
		'#define API(n) @ API n' '#define URING(n, p, a, x, w) @ URING n' '#define GROUP(k, why) @ GROUP k' '#define IN(n) @ IN n' |
		awk '$1 == "GROUP" { kind = $2; next } { print $1 == "IN" ? kind : $1, $2 }'
	exit
fi

names=$(preprocess '#define INTERPOSE(r, n, p, a, k) @ n' '#define INTERPOSEV(r, n, p, a, k) @ n' '#define API(n) @ n' \
	'#define URING(n, p, a, x, w) @ n' | sort)
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
