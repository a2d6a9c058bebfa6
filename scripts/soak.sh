#!/bin/bash
# SPDX-License-Identifier: MIT
#
# soak.sh: all test programs with longer loops and under stress, the whole matrix of faults, and the servers, natively and under
# stress: `make soak`, which first has `make fuzz` look for FUZZ_SECONDS (300).
#
#   ROUNDS=n      so many rounds (10), each with another seed
#   MINUTES=n     no step is begun after so many minutes; the one then going on is ended. Without it: until the rounds are done,
#                 some hours each. A round's order is random, so that a short run is a sample of it
#   SOAK="NAME.." these programs only, and nothing else
#   SOAK_SCALE=n  how much longer the loops are (20: churn_hour makes as many threads as a server that starts a thousand a
#                 second does in an hour)
#   SEED=n        repeats a run: order, stress, and what programs do at random (the time; round i of a run has SEED + i)
#
# Stops at the first step that fails, with the command that repeats it. The last line is `N passed, N failed, N skipped`.
set -u
cd "$(dirname "$0")/.." || exit 2
export BUILD=${BUILD:-build}
rounds=${ROUNDS:-10} minutes=${MINUTES:-0} names=${SOAK:-} scale=${SOAK_SCALE:-20} seed=${SEED:-$(date +%s)}
batch=6
passed=0 skipped=0

# shuffled SEED: the lines of stdin in an order that the seed decides.
shuffled() {
	shuf --random-source=<(seq "$1" $(($1 + 100000)))
}

# allprograms: their names.
allprograms() {
	ls tests/prog/*.c tests/prog/*.cc tests/prog/*.rs | sed 's|.*/||; s|\.[a-z]*$||'
}

# steps SEED: a round's, one a line, as it is run.
steps() {
	local s=$1
	{
		if [ -n "$names" ]; then tr -s ' ' '\n' <<< "$names"; else allprograms; fi | shuffled "$s" | xargs -n $batch |
		    while read -r some; do
			echo "TEST_SEED=$s TEST_SCALE=$scale scripts/runprog.sh -p '1 2 4 16' -t 600 $some"
			echo "TEST_SEED=$s scripts/runprog.sh -p '1 2 4 16' -s $s -t 120 $some"
		done
		if [ -z "$names" ]; then
			echo "FAULTS=all scripts/check.sh fault"
			echo "scripts/check.sh servers"
			echo "STRESS=$s scripts/check.sh servers"
		fi
	} | shuffled "$s"
}

# finish FAILED: the last line.
finish() {
	echo "$passed passed, $1 failed, $skipped skipped"
	[ "$1" = 0 ]
	exit
}

out=$(mktemp) || exit 2
trap 'rm -f "$out"' EXIT
for ((i = 1; i <= rounds; i++)); do
	mapfile -t todo < <(steps $((seed + i)))
	for ((k = 0; k < ${#todo[@]}; k++)); do
		if [ "$minutes" != 0 ] && [ $SECONDS -ge $((minutes * 60)) ]; then
			echo "soak: $((SECONDS / 60)) minutes, ended in round $i after $k of ${#todo[@]} steps, SEED=$seed"
			finish 0
		fi
		eval "${todo[k]}" > "$out" 2>&1
		rc=$?
		last=$(tail -n 1 "$out")
		[[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]] || { rc=2; [[ "0 1 0" =~ (.)\ (.)\ (.) ]]; }
		passed=$((passed + BASH_REMATCH[1])) skipped=$((skipped + BASH_REMATCH[3]))
		if [ $rc != 0 ]; then
			sed '$d' "$out"
			printf 'soak: failed in round %d after %d s: %s\n%s\n' $i $SECONDS "${todo[k]}" "$last"
			finish "${BASH_REMATCH[2]}"
		fi
	done
	echo "round $i of $rounds: ${#todo[@]} steps, $((SECONDS / 60)) minutes, $passed passed"
done
finish 0
