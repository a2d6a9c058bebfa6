#!/bin/bash
# SPDX-License-Identifier: MIT
#
# runprog.sh: build and run the programs of tests/prog natively and under heddle.
#
#   scripts/runprog.sh [-j JOBS] [-p "1 2 4 8"] [-s "SEED..."] [-t SECONDS] [-r ROUNDS] [-n] [-k] [NAME...]
#
#   -j  programs at a time (2)          -p  values of HEDDLE_MAXPROCS to try
#   -t  time limit of one run (30)      -r  run all of it so many times (1)
#   -n  natively only                   -k  keep the outputs of runs that passed
#   -s  under HEDDLE=stress=, once for each of these values (a seed, or what stress= takes; a later
#       round adds its number to a seed)
#
# Each tests/prog/NAME.c, .cc or .rs is built once and run natively: that run is the
# oracle. It must exit with 0, or 77 for "cannot run here". Then it is run under
# LD_PRELOAD=build/libheddle.so for each number of processors, and stdout and exit
# status must be those of the native run; where it says 77 now, it is for the native
# run again to say whether that is so. A source may say in comments of one line
#
#   /* build: FLAGS */        more flags for the compiler
#   /* timeout: SECONDS */    a longer time limit; -t may give a still longer one
#   /* procs: 1 2 */          other values of HEDDLE_MAXPROCS
#   /* status: N */           the exit status that means success (128+N: signal N)
#   /* stress: no, REASON */   not under stress
#   /* native: no */          more than a kernel thread a thread can do: only under heddle, against NAME.out
#
# and files beside it may say: NAME.out what stdout must be, natively too; NAME.env
# variables for the run under heddle, one a line; NAME.err extended regular
# expressions, one a line, each of which must match stderr of the run under heddle.
# tests/prog/lib/NAME.c become build/prog/NAME.so, for programs that load libraries.
#
# A run that takes too long has the stacks of all its threads written to its log
# (if there is gdb) and is killed with its children. For each failure a line is printed, and below it what tells
# why; the last line is `N passed, N failed, N skipped`; exit status 1 if any failed.

set -u
cd "$(dirname "$0")/.." || exit 2
top=$PWD
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$top/$BUILD ;; esac
CC=${CC:-gcc}
CXX=${CXX:-g++}
jobs=2 procs="1 2 4 8" seeds= limit=30 rounds=1 native= keep= one=
while getopts "j:p:s:t:r:nk1:" o; do
	case $o in
	j) jobs=$OPTARG ;;
	p) procs=$OPTARG ;;
	s) seeds=$OPTARG ;;
	t) limit=$OPTARG ;;
	r) rounds=$OPTARG ;;
	n) native=1 ;;
	k) keep=1 ;;
	1) one=$OPTARG ;;	# internal: run this one source
	*) sed -n '4,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))

bin=$BUILD/prog
log=$BUILD/prog/log
lib=$BUILD/libheddle.so
mkdir -p "$bin" "$log"

# directive NAME FILE: the text of a `/* NAME: text */` line.
directive() {
	sed -n "s|^/\* $1: \(.*\) \*/\$|\1|p" "$2" | head -n 1
}

# verdict RESULT TEXT [MORE]: one line of the result file, and a line to the user if it failed, with more below it.
verdict() {
	printf '%s %s\n' "$1" "$2" >> "$log/results"
	[ "$1" = pass ] || printf '  %-4s  %s\n%s' "$1" "$2" "${3:+$3
}"
}

# cause RUN [ORACLE]: what a failed run left that tells why, in a few lines: the end of stderr, where stdout
# begins to differ from the oracle's, and where its threads stood. The logs may be out of the reader's reach.
cause() {
	{
		tail -n 3 "$log/$1.err"
		[ -z "${2-}" ] || diff "$2" "$log/$1.out" | head -n 4
		[ ! -e "$log/$1.bt" ] || grep -E '^(Thread |#[0-4] )' "$log/$1.bt" | head -n 40
	} 2> /dev/null | cut -c 1-160 | sed 's/^/          | /'
}

# build SRC: compiles a program if it is older than its source. 77: no compiler for it.
build() {
	local src=$1 name out flags
	name=$(basename "${src%.*}")
	out=$bin/$name
	[ -e "$out" ] && [ -z "$(find tests/prog -maxdepth 1 \( -name "*.h" -o -path "$src" \) -newer "$out")" ] && return 0
	flags=$(directive build "$src")
	case $src in
	*.c)	$CC -O2 -g -Wall -Wextra -Wno-unused-parameter -Wno-infinite-recursion -pthread -o "$out" "$src" $flags ;;
	*.cc)	command -v "$CXX" >/dev/null || return 77
		$CXX -O2 -g -Wall -Wextra -Wno-unused-parameter -Wno-infinite-recursion -std=c++17 -pthread -o "$out" "$src" $flags ;;
	*.rs)	command -v rustc >/dev/null && rustc --version >/dev/null 2>&1 || return 77
		rustc -O -g -o "$out" "$src" $flags ;;
	esac > "$log/$name.build" 2>&1
}

# dump PID FILE: the stacks of all threads of the process group, but of no more than eight processes.
dump() {
	local p
	command -v gdb >/dev/null || return
	for p in $(pgrep -g "$1" | head -n 8); do
		timeout -s KILL 60 gdb -q -nx -batch -p "$p" -ex 'set pagination off' \
		    -ex 'info threads' -ex 'thread apply all bt 40' 2>&1 < /dev/null
	done > "$2"
}

# run LOG SECONDS COMMAND...: runs it in a process group of its own, with a time limit.
# Sets rc: the exit status as the shell has it, or `timeout`.
run() {
	local out=$1 sec=$2 pid dog
	shift 2
	rm -f "$out.bt"
	set -m
	"$@" > "$out.out" 2> "$out.err" < /dev/null &
	pid=$!
	(
		trap 'kill $nap 2>/dev/null; exit 0' TERM
		sleep "$sec" & nap=$!
		wait $nap || exit 0
		: > "$out.bt"
		dump $pid "$out.bt"
		kill -KILL -- -$pid
	) > /dev/null 2>&1 &
	dog=$!
	set +m
	wait $pid 2>/dev/null
	rc=$?
	if [ -e "$out.bt" ]; then
		wait $dog 2>/dev/null
		rc=timeout
	else
		kill -TERM $dog 2>/dev/null
		wait $dog 2>/dev/null
		kill -KILL -- -$pid 2>/dev/null	# children that it left
	fi
}

# sweep MARK: kills what a failed run left outside its process group; MARK is in its environment.
sweep() {
	local e
	for e in $(grep -lsz "^PROG_RUN=$1\$" /proc/[0-9]*/environ); do
		e=${e#/proc/}
		kill -KILL "${e%/environ}" 2>/dev/null
	done
}

# The patterns of NAME.err that stderr does not match.
unmatched() {
	while IFS= read -r re; do
		grep -Eq -- "$re" "$2" || printf '%s\n' "$re"
	done < "$1"
}

# native NAME BASE SECONDS STATUS: the native run; false if there is nothing more to do.
native() {
	local name=$1 base=$2 want=$4
	run "$log/$name.native" "$3" env -u LD_PRELOAD -u HEDDLE -u HEDDLE_MAXPROCS "$bin/$name"
	if [ "$rc" = 77 ]; then
		verdict skip "$name: $(head -n 1 "$log/$name.native.err")"
	elif [ "$rc" != "$want" ]; then
		verdict fail "$name natively: exit status $rc, not $want; see $log/$name.native.*" "$(cause "$name.native")"
	elif [ -e "$base.out" ] && ! cmp -s "$base.out" "$log/$name.native.out"; then
		verdict fail "$name natively: stdout differs from $base.out" "$(cause "$name.native" "$base.out")"
	elif [ -n "$native" ]; then
		verdict pass "$name natively"
	else
		return 0
	fi
	return 1
}

# heddle RUN NAME SECONDS VARIABLE...: the run under heddle. One that says 77 though the native run went has found something
# gone meanwhile, which another program has or had: true if the native run says so too, else it is run again.
heddle() {
	local run=$1 name=$2 sec=$3 try
	shift 3
	for try in 1 2 3; do
		run "$log/$run" "$sec" env -u HEDDLE PROG_RUN=$$.$run "$@" LD_PRELOAD="$lib" "$bin/$name"
		[ "$rc" = 77 ] || return 1
		[ "$(directive native "$src")" != no ] || return 0
		run "$log/$run.again" "$sec" env -u LD_PRELOAD -u HEDDLE -u HEDDLE_MAXPROCS "$bin/$name"
		rm -f "$log/$run.again".{out,err,bt}
		[ "$rc" != 77 ] || return 0
	done
	rc=77
	return 1
}

# withstress STRESS VARS: the variables of a run under stress.
withstress() {
	case $2 in
	*HEDDLE=*) printf '%s\n' "$2" | sed "s/^HEDDLE=/&stress=$1,/" ;;
	*) printf '%s\nHEDDLE=stress=%s\n' "$2" "$1" ;;
	esac
}

# testone SRC: builds it, runs it natively and then for each number of processors.
testone() {
	local src=$1 name base sec want plist p rc why miss
	base=${src%.*}
	name=$(basename "$base")
	build "$src"
	rc=$?
	if [ $rc = 77 ]; then
		verdict skip "$name: no compiler for it"
		return
	elif [ $rc != 0 ]; then
		verdict fail "$name: does not build, see $log/$name.build" "$(head -n 3 "$log/$name.build" | cut -c 1-160)"
		return
	fi
	sec=$(directive timeout "$src"); sec=${sec:-0}
	[ "$sec" -ge "$limit" ] || sec=$limit
	want=$(directive status "$src"); want=${want:-0}
	if [ -n "$seeds" ] && [ -n "$(directive stress "$src")" ]; then
		verdict skip "$name: under stress $(directive stress "$src")"
		return
	fi
	plist=$(directive procs "$src"); plist=${plist:-$procs}

	if [ "$(directive native "$src")" != no ]; then
		native "$name" "$base" "$sec" "$want" || return
	elif [ -n "$native" ]; then
		return
	else
		cp "$base.out" "$log/$name.native.out" || exit 2
	fi
	for p in $plist; do for seed in ${seeds:-no}; do
		run="$name.$p" how="$name MAXPROCS=$p"
		vars=$(cat "$base.env" 2>/dev/null)
		if [ "$seed" != no ]; then
			run+=.$seed how+=" stress=$seed"
			vars=$(withstress "$seed" "$vars")
		fi
		if heddle "$run" "$name" "$sec" HEDDLE_MAXPROCS=$p $vars; then
			verdict skip "$how: $(tail -n 1 "$log/$run.err")"
			continue
		fi
		why=
		if [ "$rc" != "$want" ]; then
			why="exit status $rc, not $want"
			[ "$rc" = timeout ] && why="still running after $sec s"
		elif ! cmp -s "$log/$name.native.out" "$log/$run.out"; then
			why="stdout differs from the native run's"
		elif [ -e "$base.err" ]; then
			miss=$(unmatched "$base.err" "$log/$run.err")
			[ -n "$miss" ] && why="stderr has no match for: $miss"
		fi
		if [ -n "$why" ]; then
			verdict fail "$how: $why; see $log/$run.*" "$(cause "$run" "$log/$name.native.out")"
			sweep "$$.$run"
			# A later round must not overwrite what a rare failure left.
			for f in "$log/$run".{out,err,bt}; do
				[ -e "$f" ] && cp "$f" "$log/FAILED.$run.${f##*.}"
			done
		else
			verdict pass "$how"
			[ -n "$keep" ] || rm -f "$log/$run".{out,err,bt}
		fi
	done; done
	[ -n "$keep" ] || rm -f "$log/$name.native".{out,err,bt}
}

if [ -n "$one" ]; then
	testone "$one"
	exit 0
fi

# Programs that change their priority start from the usual one, also when the tests as a whole were started with less.
renice -n 0 -p $$ > /dev/null 2>&1

# The list of sources: all, or those named.
sources=()
if [ $# = 0 ]; then
	for s in tests/prog/*.c tests/prog/*.cc tests/prog/*.rs; do
		[ -e "$s" ] && sources+=("$s")
	done
else
	for n in "$@"; do
		found=
		for s in tests/prog/$(basename "$n").{c,cc,rs} ; do
			[ -e "$s" ] && sources+=("$s") && found=1
		done
		[ -n "$found" ] || { echo "runprog.sh: no program $n" >&2; exit 2; }
	done
fi
if [ -z "$native" ] && [ ! -e "$lib" ]; then
	echo "runprog.sh: $lib is not there: run make, or use -n" >&2
	exit 2
fi
rm -f "$log"/results "$log"/FAILED.*
: > "$log/results"
for s in tests/prog/lib/*.c; do
	[ -e "$s" ] || continue
	so=$bin/$(basename "${s%.c}").so
	[ "$so" -nt "$s" ] || $CC -O2 -g -Wall -shared -fPIC -pthread -o "$so" "$s" $(directive build "$s") || exit 2
done

while [ "$rounds" -gt 0 ]; do
	printf '%s\n' "${sources[@]}" |
	    BUILD=$BUILD CC=$CC CXX=$CXX xargs -P "$jobs" -I SRC \
		"$0" -p "$procs" -s "$seeds" -t "$limit" ${native:+-n} ${keep:+-k} -1 SRC
	rounds=$((rounds - 1))
	seeds=$(for s in $seeds; do case $s in *[!0-9]*) echo "$s" ;; *) echo $((s + 1)) ;; esac; done | tr '\n' ' ')
done

count() { grep -c "^$1 " "$log/results"; }
failed=$(count fail)
echo "$(count pass) passed, $failed failed, $(count skip) skipped"
[ "$failed" = 0 ]
