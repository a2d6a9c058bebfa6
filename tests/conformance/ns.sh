#!/bin/bash
# SPDX-License-Identifier: MIT
#
# ns.sh CMD...: run a command in namespaces of its own (network with a loopback only, System V IPC, host name, processes), so
# that nothing reaches the network, two suites do not meet at a port, and kill(-1) is harmless. Needs root. All that the
# command leaves behind ends with it.
exec env --default-signal unshare --net --ipc --uts --pid --fork --kill-child --mount-proc sh -c '
	ip link set lo up multicast on
	ip route add default dev lo
	mkdir -p /dev/mqueue && mount -t mqueue none /dev/mqueue
	echo 100 > /proc/sys/fs/mqueue/msg_max
	exec "$@"' sh "$@" 2> >(grep -v -e RTNETLINK -e mqueue >&2)
