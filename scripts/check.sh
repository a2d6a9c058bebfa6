#!/bin/bash
# SPDX-License-Identifier: MIT
#
# check.sh: run heddle's tests and end with what was skipped and why, and one line, `N passed, N failed, N skipped`.
#
#   scripts/check.sh [PART...]     parts: warnings unit prog stress fault calls cmd check env layering exports coverage conformance (all); servers
#
# Everything must have been built: use `make check`, `make check-unit` or `make check-prog`.
set -u
cd "$(dirname "$0")/.." || exit 2
export BUILD=${BUILD:-build}
passed=0 failed=0 skips=()

# add PASSED FAILED
add() {
	passed=$((passed + $1)) failed=$((failed + $2))
}

# skip "WHAT: WHY": a test that could not be tried. All of them are told at the end.
skip() {
	skips+=("$1")
}

# skipsin FILE SED-COMMAND: the lines of it that the command prints, as "WHAT: WHY".
skipsin() {
	local line
	while IFS= read -r line; do
		skip "$line"
	done < <(sed -n "$2" "$1")
}

# A Check program counts as many tests as its last line says; one that dies before it says so, or
# whose line says that all is well though it exits with another status, counts one failure more.
unit() {
	local t log line n f e rc
	mkdir -p "$BUILD/tests"
	for t in "$BUILD"/tests/check_*; do
		case $t in *.* | *'*') continue ;; esac
		log=$t.log
		CK_VERBOSITY=normal CK_DEFAULT_TIMEOUT=60 timeout -s KILL 300 "$t" > "$log" 2>&1 < /dev/null
		rc=$?
		line=$(grep -E '^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+' "$log" | tail -n 1)
		if [ -z "$line" ]; then
			printf '  fail  %s: exit status %s before its end; see %s\n' "$(basename "$t")" $rc "$log"
			add 0 1
			continue
		fi
		read -r n f e <<< "$(sed 's/.*Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/' <<< "$line")"
		add $((n - f - e)) $((f + e))
		if [ $((f + e)) != 0 ]; then
			grep -E '^[^ ]+:[0-9]+:[FE]:' "$log" | sed 's/^/  fail  /'
		elif [ $rc != 0 ]; then
			printf '  fail  %s: exit status %s; see %s\n' "$(basename "$t")" $rc "$log"
			add 0 1
		fi
	done
}

# programs PART [ARGUMENTS]: runprog.sh with these, its result counted.
programs() {
	local log=$BUILD/$1.log last
	shift
	scripts/runprog.sh "$@" | tee "$log" | sed -e '$d' -e '/^  skip  /d'
	last=$(tail -n 1 "$log")
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
		add "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
		skipsin "$log" 's/^  skip  //p'
	else
		echo "  fail  runprog.sh: $last"
		add 0 1
	fi
}

prog() {
	programs prog
}

# Under stress, with seeds that are always the same; `make soak` runs all programs, with others.
stress() {
	programs stress -p "1 4" -s "1 2" cond_storm mutex_stress sem_stress rwlock_stress stress_timer stress_join \
	    stress_steal stress_mix net_echo poll_poll cancel_race join_kinds fork_exit sync_foreign once sig_chld setxid
}

# cases NAME: tests/test_NAME.sh prints "ok" or "not ok" for each case, "# SKIP" behind one not tried.
cases() {
	local log=$BUILD/$1.log rc
	"tests/test_$1.sh" > "$log" 2>&1
	rc=$?
	grep -E '^not ok' "$log" | sed "s/^/  fail  $1: /"
	add "$(grep -E '^ok' "$log" | grep -vc '# SKIP')" "$(grep -c '^not ok' "$log")"
	skipsin "$log" "s/^ok [0-9]* - \(.*\) # SKIP \(.*\)/$1: \1: \2/p"
	if [ $rc != 0 ] && ! grep -q '^not ok' "$log"; then
		echo "  fail  $1: exit status $rc; see $log"
		add 0 1
	fi
}

# script NAME: a check that is one test.
script() {
	if "scripts/$1.sh"; then add 1 0; else add 0 1; fi
}

# A part of the suites that others wrote, two minutes of them. Skipped where their sources cannot be had.
conformance() {
	local log=$BUILD/conformance.log rc
	QUICK=1 tests/conformance/conformance.py > "$log" 2>&1
	rc=$?
	if [ $rc = 77 ]; then
		skip "conformance: $(tail -n 1 "$log")"
	elif [ $rc != 0 ] && ! grep -q '^FAILS' "$log"; then
		printf '  fail  conformance: exit status %s; see %s\n' $rc "$log"
		add 0 1
	else
		grep '^FAIL' "$log" | sed 's/^/  conformance: /'
		add "$(awk '/^(glibc|python|redis|memcached|stressng) /{n += $3} END{print n + 0}' "$log")" "$(grep -c '^FAILS' "$log")"
	fi
}

# No compiler that is here may warn: one test each.
warnings() {
	local cc log objs
	objs=$(ls core/*.c shim/*.c shim/cmd/*.c asm/*.S | sed 's/\.[cS]$/.o/')
	for cc in gcc clang; do
		command -v $cc > /dev/null || { skip "warnings of $cc: it is not installed"; continue; }
		log=$BUILD/warnings.$cc.log
		if make -s -k -j2 CC=$cc BUILD="$BUILD/warnings.$cc" CFLAGS='-O2 -Werror' \
			$(printf "$BUILD/warnings.$cc/%s " $objs) > "$log" 2>&1; then
			add 1 0
		else
			printf '  fail  warnings of %s: %s; see %s\n' $cc "$(grep -m 1 -E 'error|warning' "$log")" "$log"
			add 0 1
		fi
	done
}

# A network namespace begins with its loopback down; half of the programs talk over it.
(: > /dev/udp/127.0.0.1/9) 2> /dev/null || ip link set lo up 2> /dev/null || ifconfig lo up 2> /dev/null ||
    echo "check.sh: the loopback is down and may not be brought up here: what talks over it fails" >&2

mkdir -p "$BUILD"
[ $# -gt 0 ] || set -- warnings layering exports coverage cmd check env fault calls unit prog stress conformance
for part; do
	case $part in
	unit | prog | stress | warnings | conformance)	$part ;;
	cmd | check | env | fault | calls | servers)	cases "$part" ;;
	layering | exports | coverage)	script "$part" ;;
	*)			echo "check.sh: no part $part" >&2; exit 2 ;;
	esac
done
if [ $((passed + failed + ${#skips[@]})) = 0 ]; then
	echo "check.sh: nothing was there to be tested: build it first, as make check does" >&2
	failed=1
fi
[ ${#skips[@]} = 0 ] || printf '  skip  %s\n' "${skips[@]}"
echo "$passed passed, $failed failed, ${#skips[@]} skipped"
[ $failed = 0 ]
