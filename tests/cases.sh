# SPDX-License-Identifier: MIT
# cases.sh: what tests/test_*.sh, which source it at the top of the tree, have in common: $BUILD as an absolute path, an
# environment without heddle's variables, a directory $T that goes when they end, and cases that are counted.
BUILD=$(readlink -f "${BUILD:-build}")
CC=${CC:-cc}
TOP=$PWD
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
chmod 755 "$T" # for cases that run as another user
unset HEDDLE HEDDLE_MAXPROCS LD_PRELOAD
n=0 failed=0

ok() { n=$((n + 1)); echo "ok $n - $1"; }
notok() { n=$((n + 1)); failed=$((failed + 1)); echo "not ok $n - $1: $2"; }
skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
is() { [ "$2" = "$3" ] && ok "$1" || notok "$1" "got '$2', not '$3'"; }

# ends NAME STATUS PATTERN COMMAND...: it ends with that status, and its output of both kinds has a match of the extended
# regular expression.
ends() {
	local name=$1 status=$2 pattern=$3 out rc
	shift 3
	out=$("$@" </dev/null 2>&1)
	rc=$?
	if [ $rc -ne "$status" ]; then
		notok "$name" "status $rc, not $status: $out"
	elif ! grep -Eq -- "$pattern" <<<"$out"; then
		notok "$name" "output does not match '$pattern': $out"
	else
		ok "$name"
	fi
}

# total, last of all: the shell's status is that of the cases.
total() {
	echo "$n cases, $failed failed"
	[ $failed = 0 ]
}
