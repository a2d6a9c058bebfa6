#!/bin/bash
# SPDX-License-Identifier: MIT
#
# test_calls.sh: what heddle asks of the kernel for short messages on connections that threads wait for. Run at the top of the tree;
# needs build/libheddle.so and strace.
. tests/cases.sh || exit 1

# what tests/prog/net_short.c has: as many connections, and so many messages each way on each
CONNS=8 ROUNDS=100
messages=$((2 * CONNS * ROUNDS))

# counted PATTERN: the calls in the trace that match. One that is cut in two is counted at its begin.
counted() { grep -c "$1" "$T/trace"; }

# most WHAT NUMBER LIMIT
most() { [ "$2" -le "$3" ] && ok "$1: $2" || notok "$1" "$2, more than $3"; }

scripts/runprog.sh -n net_short >/dev/null || { skip "calls" "net_short does not run natively"; exit 0; }
for procs in 1 2; do
	timeout -s KILL 60 strace -f -qq -e signal=none -o "$T/trace" -e trace=recvfrom,sendto,epoll_ctl,epoll_wait,epoll_pwait2 \
	    -E HEDDLE_MAXPROCS=$procs -E LD_PRELOAD="$BUILD/libheddle.so" "$BUILD/prog/net_short" >"$T/out" 2>"$T/err" </dev/null
	rc=$?
	if [ $rc != 0 ] && ! [ -s "$T/trace" ]; then
		skip "calls" "no strace, or it may not trace"
		continue
	fi
	is "$procs Ps: it runs" "$rc $(cat "$T/out")" "0 ok $((CONNS * ROUNDS)) answers"
	# both ends of each connection, and what heddle waits with itself
	most "$procs Ps: registrations, one for a descriptor's life" "$(counted ' epoll_ctl(')" $((2 * CONNS + 4))
	is "$procs Ps: one call for a message sent" "$(counted ' sendto(')" $messages
	# at the begin of a connection, and at its end, nobody can know whether there is something
	most "$procs Ps: reads that find nothing" "$(counted 'recvfrom.*EAGAIN')" $((4 * CONNS))
	most "$procs Ps: reads" "$(counted ' recvfrom(')" $((messages + 6 * CONNS))
	# with one P all that has come meanwhile comes in one event, so that they are much fewer than messages
	[ $procs = 1 ] && most "1 P: waits for events" "$(counted ' epoll_p\?wait2\?(')" $((messages / 2))
done
total
