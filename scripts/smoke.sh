#!/bin/bash
# SPDX-License-Identifier: MIT
#
# smoke.sh: a few seconds' worth of `make check`, to see that a change broke nothing at large.
cd "$(dirname "$0")/.." || exit 2
LD_PRELOAD=$PWD/build/libheddle.so true || { echo "smoke: true fails under LD_PRELOAD"; exit 1; }
exec scripts/runprog.sh -p "1 4" -t 20 errno_migrate join_kinds mutex_stress cond_storm sem_stress stress_timer \
	stress_join stress_idle churn hog exit_nonmain
