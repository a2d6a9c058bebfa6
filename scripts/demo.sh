#!/bin/bash
# SPDX-License-Identifier: MIT
#
# demo.sh: servers of Debian's that have one thread for each connection, natively and under
# heddle in turn, with 1,000 and 10,000 connections. Run it by `make demo`. It takes less
# than two minutes and leaves nothing running.
#
#   nbdkit    a network block device server. Its worker threads, which would let one
#             connection have several requests on their way, are turned off (-t 1): else it
#             would start 16 more threads for each connection.
#   mariadb   the database server, with a database of its own in a temporary directory.
#
# The load is tests/bench/clients.c, which checks every answer.
#
# DEMO_SERVERS="nbdkit mariadb", DEMO_CONNECTIONS="1000 10000", DEMO_SECONDS=5 (measured in
# each of the runs) and DEMO_IN_FLIGHT=256 (requests on their way at a time) change it.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
servers=${DEMO_SERVERS:-nbdkit mariadb}
connections=${DEMO_CONNECTIONS:-1000 10000}
seconds=${DEMO_SECONDS:-5}
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

# For each server: the packages it needs, how to prepare it, what to run, how to load it.

nbdkit_needs='nbdkit:nbdkit'
nbdkit_prepare() { :; }
nbdkit_command() {
	command=(nbdkit -f -P "$tmp/pid" -i 127.0.0.1 -p "$1" -t 1 pattern 1T)
}
nbdkit_protocol=nbd
nbdkit_about() { echo "$(nbdkit --version): reads of 512 bytes"; }

mariadb_needs='/usr/sbin/mariadbd:mariadb-server'
mariadb_prepare() {
	say "  mariadb: preparing a database" >&2
	cat > "$tmp/init.sql" <<- 'EOS'
		create database demo;
		create table demo.t(id int primary key, v varchar(64)) engine=innodb;
		insert into demo.t select seq, concat('row ', seq) from demo.seq_1_to_10000;
	EOS
	mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$tmp/data" \
	    --auth-root-authentication-method=normal --skip-test-db > "$tmp/init.log" 2>&1 &&
	    /usr/sbin/mariadbd --no-defaults --bootstrap --user="$(id -un)" --datadir="$tmp/data" \
	    < "$tmp/init.sql" >> "$tmp/init.log" 2>&1 || { tail "$tmp/init.log" >&2; return 1; }
}
mariadb_command() {
	command=(/usr/sbin/mariadbd --no-defaults --user="$(id -un)" --datadir="$tmp/data" --socket="$tmp/socket"
	    --bind-address=127.0.0.1 --port="$1" --pid-file="$tmp/pid" --max-connections=$(($2 + 10)) --back-log=4096
	    --skip-name-resolve --skip-log-bin --performance-schema=OFF)
}
mariadb_protocol=mysql
mariadb_about() { /usr/sbin/mariadbd --version | sed 's/^.*Ver \([^ ]*\) .*/mariadb \1: rows by primary key/'; }

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
	printf '    %-8s %12.0f %10.2f %10.2f %16.1f %9.1f %11.1f %15.0f\n' "$1" "$(value rate)" \
	    "$(awk "BEGIN {print $(value latency.p50) / 1000}")" "$(awk "BEGIN {print $(value latency.p99) / 1000}")" \
	    "$(value cpu)" "$(value rss)" "$(value kernel)" "$(value threads)" >> "$tmp/table"
	value others >> "$tmp/others"
}

# measure SERVER NAME CONNECTIONS [COMMAND...]: one run of SERVER, behind COMMAND.
measure() {
	local server_name=$1 name=$2 n=$3 port why='' w=$inflight protocol=$1_protocol command
	shift 3
	[ "$w" -gt "$n" ] && w=$n
	[ -t 2 ] || say "  $server_name, $n connections, $name" >&2
	port=$(free_port)
	"${server_name}_command" "$port" "$n"
	: > "$tmp/load.out"
	if start_server "$@" "${command[@]}"; then
		"$BUILD/bench/clients" "${!protocol}" "$port" "$n" "$w" "$seconds" "$server" \
		    "  $server_name, $n connections, $name" > "$tmp/load.out" < /dev/null &
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

needs=
for s in $servers; do
	case $s in
	nbdkit | mariadb)	n=${s}_needs; needs="$needs ${!n}" ;;
	*)			say "demo.sh: no server $s; there are: nbdkit mariadb" >&2; exit 2 ;;
	esac
done
# shellcheck disable=SC2086
scripts/deps.sh gcc:gcc make:make ld:binutils /usr/include/pthread.h:libc6-dev $needs || exit 1
make -s -j"$(nproc)" all "$BUILD/bench/clients" || exit 1
ulimit -S -n "$(ulimit -H -n)"

printf '\n    %-8s %12s %10s %10s %16s %9s %11s %15s\n' '' requests/s 'p50 ms' 'p99 ms' 'CPU us/request' 'RSS MiB' \
    'kernel MiB' 'kernel threads' > "$tmp/table"
for s in $servers; do
	"${s}_prepare" || exit 1
	for n in $connections; do
		limit=$(ulimit -n)
		if [ "$limit" != unlimited ] && [ "$limit" -lt $((n + 64)) ]; then
			say "the limit of $limit descriptors allows no $n connections"
			n=$((limit - 64))
		fi
		printf '  %s, %s connections\n' "$s" "$n" >> "$tmp/table"
		measure "$s" native "$n"
		measure "$s" heddle "$n" "$BUILD/heddle" run --
	done
done
cat "$tmp/table"
say
for s in $servers; do
	say "$("${s}_about"), at most $inflight on their way at a time, on the connections in turn."
done
say "kernel MiB: page tables and kernel stacks, which RSS leaves out."
say "$seconds s measured in each run, every answer checked; load and server share $(nproc) CPUs."
sort -rn "$tmp/others" 2> /dev/null | awk 'NR == 1 && $1 > 0.2 {
	printf "Other programs kept up to %.1f CPUs busy: CPU per request is then the only fair comparison.\n", $1 }'
exit $failed
