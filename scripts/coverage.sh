#!/bin/bash
# SPDX-License-Identifier: MIT
#
# coverage.sh: nothing of libc's is forgotten. Each function that the libc.so.6 of this machine exports must be either in
# shim/symbols.def, with what heddle does about it, or among the patterns of shim/libc_harmless.list; never in
# both. Each one that is said to be wrapped must be exported by libheddle.so, and nothing else.
#
# The lists were made for one version of glibc. With another, functions that are unknown or gone are named, but are no
# failure: what nobody knows sysmon notices.
set -u
cd "$(dirname "$0")/.." || exit 2
export LC_ALL=C
BUILD=${BUILD:-build}
lib=$BUILD/libheddle.so
made=2.36

bad=0
say() { echo "  coverage: $*"; bad=1; }
version=$(getconf GNU_LIBC_VERSION | sed 's/.* //')
changed() {
	if [ "$version" = "$made" ]; then say "$@"; else echo "  note: glibc $version: $*"; fi
}

libc=$(ldd "$lib" | awk '$1 == "libc.so.6" { print $3 }')
[ -r "$libc" ] || { echo "  coverage: no libc.so.6 found for $lib" >&2; exit 2; }

# exports FILE: what it exports, as type, name and version. Num: Value Size Type Bind Vis Ndx Name@version
exports() {
	readelf -W --dyn-syms "$1" | awk '
		$1 ~ /^[0-9]+:$/ && $7 != "UND" && $7 != "ABS" && $5 != "LOCAL" {
			name = version = $8
			sub(/@.*/, "", name)
			sub(/.*@/, "", version)
			print ($4 == "OBJECT" || $4 == "TLS" ? "object" : "function"), name, version }'
}
functions() {
	exports "$1" | sed -n 's/^function //p'
}

all=$(functions "$libc" | cut -d ' ' -f 1 | sort -u)
public=$(functions "$libc" | awk '$2 != "GLIBC_PRIVATE" { print $1 }' | sort -u)	# the rest no program can import
objects=$(exports "$libc" | sed -n 's/^object //p' | awk '$2 != "GLIBC_PRIVATE" { print $1 }' | sort -u)
table=$(scripts/mkmap.sh -t) || exit 2
rows=$(awk '$1 != "API" && $1 != "URING" { print $2 }' <<< "$table" | sort)
wrapped=$(awk '$1 ~ /^(PARK|POLL|HANDOFF|OUTSIDE|BLOCK|PLAIN)$/ { print $2 }' <<< "$table" | sort)

# The patterns as regular expressions, one a line.
patterns=$(sed 's/#.*//' shim/libc_harmless.list | tr -s ' \t' '\n\n' | sed -e '/^$/d' -e 's/\[!/[^/g' -e 's/\*/.*/g')

# unknown: those of the names on standard input that are in neither list.
unknown() {
	comm -23 - <(echo "$rows") | grep -vxE -f <(echo "$patterns")
}
[ "$(echo a_function_that_nobody_knows | unknown)" = a_function_that_nobody_knows ] ||
	say "the patterns of libc_harmless.list take in everything"

dup=$(uniq -d <<< "$rows")
[ -z "$dup" ] || say "in symbols.def twice:" $dup
both=$(grep -xE -f <(echo "$patterns") <<< "$rows")
[ -z "$both" ] || say "in symbols.def, and a pattern of libc_harmless.list takes it in:" $both
while read -r p; do
	grep -qxE -- "$p" <<< "$public"$'\n'"$objects" || changed "nothing that libc exports is like $p of libc_harmless.list"
done <<< "$patterns"

new=$(unknown <<< "$public")
[ -z "$new" ] || changed "neither in symbols.def nor in libc_harmless.list:" $new
new=$(unknown <<< "$objects")
[ -z "$new" ] || changed "variables that are not in libc_harmless.list:" $new
gone=$(comm -13 <(echo "$all") <(echo "$rows"))
[ -z "$gone" ] || changed "in symbols.def, but not in $libc:" $gone

kinds=$(cut -d ' ' -f 1 <<< "$table" | sort -u | grep -vxE 'PARK|POLL|HANDOFF|BLOCK|PLAIN|API|URING|INSIDE|BRIEF|UNTREATED|OUTSIDE|PASSED')
[ -z "$kinds" ] || say "symbols.def has kinds that it does not explain:" $kinds

exported=$(functions "$lib" | cut -d ' ' -f 1 | sort -u)
want=$({ echo "$wrapped"; awk '$1 == "API" || $1 == "URING" { print $2 }' <<< "$table"; } | sort -u)
extra=$(comm -23 <(echo "$exported") <(echo "$want"))
[ -z "$extra" ] || say "exported by $lib, but not wrapped in symbols.def:" $extra
lost=$(comm -13 <(echo "$exported") <(echo "$want"))
[ -z "$lost" ] || say "wrapped in symbols.def, but not exported by $lib:" $lost

[ $(wc -l <<< "$public") -gt 1500 ] || say "only $(wc -l <<< "$public") functions found in $libc"
exit $bad
