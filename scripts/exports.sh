#!/bin/bash
# SPDX-License-Identifier: MIT
#
# exports.sh: libheddle.so must need only libc and ld.so, export exactly what its version script
# says (which mkmap.sh makes from shim/symbols.def), have no executable stack, no text relocation and
# no segment that is both writable and executable.
#
#   scripts/exports.sh      checks build/libheddle.so
#   scripts/exports.sh -m   prints the names that build/libheddle.map exports
set -u
cd "$(dirname "$0")/.." || exit 2
export LC_ALL=C
BUILD=${BUILD:-build}
lib=$BUILD/libheddle.so
map=$BUILD/libheddle.map

# The words between each `global:` and the next `local:` or `}`.
mapnames() {
	sed -e 's|/\*.*\*/||' -e 's/#.*//' "$map" | tr ';{}' '\n\n\n' | awk '
		/global:/ { on = 1; sub(/.*global:/, "") }
		/local:/  { on = 0 }
		on { for(i = 1; i <= NF; i++) print $i }' | sort -u
}
if [ "${1:-}" = -m ]; then
	mapnames
	exit
fi

bad=0
say() { echo "  exports: $*"; bad=1; }

for n in $(readelf -d "$lib" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
	case $n in
	libc.so.6 | ld-linux-x86-64.so.2 | ld-linux-aarch64.so.1) ;;
	*) say "$lib needs $n" ;;
	esac
done

# Num: Value Size Type Bind Vis Ndx Name[@version]; the version nodes themselves are absolute.
got=$(readelf -W --dyn-syms "$lib" | awk '$1 ~ /^[0-9]+:$/ && $7 != "UND" && $7 != "ABS" && $5 != "LOCAL" {
	sub(/@.*/, "", $8); print $8 }' | sort -u)
extra=$(comm -23 <(echo "$got") <(mapnames))
gone=$(comm -13 <(echo "$got") <(mapnames))
[ -z "$extra" ] || say "exported but not in $map:" $extra
[ -z "$gone" ] || say "in $map but not exported:" $gone
[ -n "$got" ] || say "$lib exports nothing"

readelf -d "$lib" | grep -q TEXTREL && say "$lib has text relocations"
readelf -lW "$lib" | grep -Eq '(LOAD|GNU_STACK).*RWE' && say "$lib has a segment that is writable and executable"
tls=$(($(readelf -lW "$lib" | awk '$1 == "TLS" {print $6}')))
[ "$tls" -le 128 ] || say "$lib has $tls bytes of thread-local storage: more than 128 cost each thread another cache line"
exit $bad
