#!/bin/bash
# SPDX-License-Identifier: MIT
#
# test_fault.sh: the kernel refuses a system call of the runtime's own now and then, or always. Run at the top of the tree;
# needs build/libheddle.so.
#
# strace does that, so nothing in the library is there for it. It cannot tell the runtime's calls from the
# program's: so the programs here do not make the calls that are refused, or (futex) only by way of heddle. Each must
# print what it prints natively. A case in which strace refused nothing is not counted as passed.
#
#   FAULTS=all tests/test_fault.sh     the whole matrix, for `make soak`
. tests/cases.sh || exit 1

# traced OUT ARG...: strace with them, in a process group that a time-out ends as a whole.
traced() {
	local out=$1
	shift
	timeout -s KILL 60 strace -f -qq -e signal=none "$@" >"$out" 2>"$T/err" </dev/null
}

# fault PROGRAM CALL ERROR WHEN: under heddle, with that call failing so.
fault() {
	local prog=$1 name="$1, $2 says $3 ($4)" rc hits
	[ -x "$BUILD/prog/$prog" ] && [ -e "$T/$prog" ] || {
		scripts/runprog.sh -n "$prog" >/dev/null && timeout 60 "$BUILD/prog/$prog" >"$T/$prog" 2>/dev/null </dev/null ||
		    { skip "$name" "it does not run natively"; return; }
	}
	traced "$T/out" -o "$T/trace" -e trace="$2" -e inject="$2:error=$3:when=$4" -E HEDDLE_MAXPROCS=2 \
	    -E LD_PRELOAD="$BUILD/libheddle.so" "$BUILD/prog/$prog"
	rc=$?
	hits=$(grep -c INJECTED "$T/trace")
	if [ $rc != 0 ]; then
		notok "$name" "status $rc after $hits faults: $(tail -n 1 "$T/err" | head -c 300)"
	elif ! cmp -s "$T/$prog" "$T/out"; then
		notok "$name" "another output than natively, after $hits faults"
	elif [ "$hits" = 0 ]; then
		skip "$name" "the call was not made"
	else
		ok "$name"
	fi
}

if ! traced /dev/null -o "$T/trace" -e trace=getpid -e inject=getpid:error=EPERM true; then
	skip "faults" "no strace, or it may not trace"
	exit 0
fi

# Registration and waiting for descriptors.
fault net_echo epoll_create1 EMFILE 1
fault net_echo epoll_create1 ENFILE 1+
fault net_echo eventfd2 ENOMEM 1
fault net_echo epoll_ctl ENOSPC 1
fault net_echo epoll_ctl ENOSPC 3+2
fault net_echo epoll_ctl ENOMEM 2+
fault net_echo epoll_wait EINTR 1+2
# Memory, barriers, threads' properties.
fault churn madvise ENOMEM 1+2
fault churn mprotect ENOMEM 5+2
# the first registers; those after it are sysmon's, who takes the hogs' Ps
fault hog membarrier ENOMEM 2+2
fault stress_timer membarrier EPERM 1+
fault stress_timer prctl EPERM 1+
fault cond_storm futex EINTR 2+2
fault churn clone3 EAGAIN 3+

# matrix "PROGRAM..." "CALL:ERROR..." "WHEN...": each with each.
matrix() {
	local prog f when
	for prog in $1; do
		for f in $2; do
			for when in $3; do
				fault "$prog" "${f%:*}" "${f#*:}" "$when"
			done
		done
	done
}

# Each call with programs that make it. Always is not among the times for those without which nothing can go on: a futex(2) that
# is never woken but by a signal, waits for events that never bring one, no barrier at all after one was granted.
if [ "${FAULTS-}" = all ]; then
	net="net_echo net_stream net_accept"
	matrix "$net" "epoll_create1:EMFILE epoll_create1:ENOMEM epoll_create1:EPERM eventfd2:ENFILE" 1
	matrix "$net" "epoll_ctl:ENOSPC epoll_ctl:ENOMEM" "1 2+2 2+3 3+"
	matrix "$net" epoll_wait:EINTR "1 2+2 2+3"
	matrix net_accept epoll_pwait2:EINTR "1 2+2"
	matrix "$net stress_timer stress_mix churn cond_storm hog" "madvise:ENOMEM madvise:EAGAIN madvise:EINVAL" "1 2+2 2+3 3+"
	matrix "$net stress_timer stress_mix churn cond_storm hog" futex:EINTR "1 2+2 2+3"
	matrix "$net stress_timer stress_mix churn cond_storm hog" "prctl:EPERM sched_getaffinity:EPERM" 1
	matrix "hog hog_calls spin unknown_block" membarrier:ENOMEM "1 2+2 2+3"
	matrix hog rt_tgsigqueueinfo:EAGAIN "1 2+2 2+3 3+"
fi
total
