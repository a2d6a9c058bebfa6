#!/bin/bash
# SPDX-License-Identifier: MIT
#
# demo.sh: nbdkit, a network block device server that is in Debian and has one thread for
# each connection, natively and under heddle in turn, with 1,000 and 10,000 connections.
# Run it by `make demo`. It takes less than two minutes and leaves nothing running.
#
# nbdkit's worker threads, which would let one connection have several requests on their
# way, are turned off (-t 1): else it would start 16 more threads for each connection.
# The load is tests/bench/nbd.c, which checks every answer.
#
# DEMO_CONNECTIONS="1000 10000", DEMO_SECONDS=8 (measured in each of the runs),
# DEMO_IN_FLIGHT=256 (requests on their way at a time) change it.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
connections=${DEMO_CONNECTIONS:-1000 10000}
seconds=${DEMO_SECONDS:-8}
inflight=${DEMO_IN_FLIGHT:-256}
failed=0 server='' load=''

tmp=$(mktemp -d) || exit 1
cleanup() {
	[ -n "$load" ] && kill -KILL "$load" 2> /dev/null
	[ -n "$server" ] && kill -KILL "$server" 2> /dev/null
	wait 2> /dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() { printf '%s\n' "$*"; }

# A port of 127.0.0.1 on which nobody listens.
free_port() {
	local p
	for p in $(shuf -i 20000-29999 -n 50); do
		(exec 9<> "/dev/tcp/127.0.0.1/$p") 2> /dev/null || { echo "$p"; return; }
	done
}

# start_server COMMAND...: runs it as $server until it listens, which its PID file tells.
start_server() {
	rm -f "$tmp/pid"
	"$@" > "$tmp/server.log" 2>&1 < /dev/null &
	server=$!
	for _ in $(seq 100); do
		[ -s "$tmp/pid" ] && return 0
		kill -0 "$server" 2> /dev/null || break
		sleep 0.1
	done
	return 1
}

# The server must end by SIGTERM with status 0 within 20 seconds; else $stopped says what it did.
stop_server() {
	kill -TERM "$server" 2> /dev/null
	for _ in $(seq 200); do
		kill -0 "$server" 2> /dev/null || break
		sleep 0.1
	done
	if kill -KILL "$server" 2> /dev/null; then
		wait "$server" 2> /dev/null
		stopped='no exit within 20 s of SIGTERM'
	else
		wait "$server"
		stopped="exit status $?"
	fi
	server=''
	[ "$stopped" = 'exit status 0' ]
}

value() { awk -F '\t' -v k="$1" '$1 == k {print $2}' "$tmp/load.out"; }

# row NAME: the line of the table for the run just made.
row() {
	printf '    %-8s %12.0f %10.2f %10.2f %16.1f %9.1f %15.0f\n' "$1" "$(value rate)" \
	    "$(awk "BEGIN {print $(value latency.p50) / 1000}")" "$(awk "BEGIN {print $(value latency.p99) / 1000}")" \
	    "$(value cpu)" "$(value rss)" "$(value threads)" >> "$tmp/table"
}

# measure NAME CONNECTIONS [COMMAND...]: one run of nbdkit, behind COMMAND.
measure() {
	local name=$1 n=$2 port why='' w=$inflight
	shift 2
	[ "$w" -gt "$n" ] && w=$n
	[ -t 2 ] || say "  $name, $n connections" >&2
	port=$(free_port)
	: > "$tmp/load.out"
	if start_server "$@" nbdkit -f -P "$tmp/pid" -i 127.0.0.1 -p "$port" -t 1 pattern 1T; then
		"$BUILD/bench/nbd" "$port" "$n" "$w" "$seconds" "$server" "  $name, $n connections" \
		    > "$tmp/load.out" < /dev/null &
		load=$!
		wait "$load" || why='failed under load'
		load=''
	else
		why='did not start'
	fi
	stop_server || why="${why:-does not stop: $stopped}"
	if [ -z "$why" ]; then
		row "$name"
	else
		failed=1
		printf '    %-8s %s; see above\n' "$name" "$why" >> "$tmp/table"
		tail -n 20 "$tmp/server.log" >&2
	fi
}

scripts/deps.sh gcc:gcc make:make ld:binutils /usr/include/pthread.h:libc6-dev nbdkit:nbdkit || exit 1
make --no-print-directory -j"$(nproc)" all "$BUILD/bench/nbd" || exit 1
ulimit -S -n "$(ulimit -H -n)"

printf '\n    %-8s %12s %10s %10s %16s %9s %15s\n' '' requests/s 'p50 ms' 'p99 ms' 'CPU us/request' 'RSS MiB' 'kernel threads' > "$tmp/table"
for n in $connections; do
	limit=$(ulimit -n)
	if [ "$limit" != unlimited ] && [ "$limit" -lt $((n + 64)) ]; then
		say "the limit of $limit descriptors allows no $n connections"
		n=$((limit - 64))
	fi
	printf '  %s connections\n' "$n" >> "$tmp/table"
	measure native "$n"
	measure heddle "$n" "$BUILD/heddle" run --
done
cat "$tmp/table"
say
say "nbdkit $(nbdkit --version | awk '{print $2}'), $inflight reads of 512 bytes on their way at a time, on the connections in turn;"
say "$seconds s measured in each run, every answer checked; load and server share $(nproc) CPUs."
exit $failed
