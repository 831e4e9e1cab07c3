#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Ten minutes of mixed work inside, with invariants checked: nothing hangs, nothing is
# lost. SOAK_SECONDS changes how long.

bats_require_minimum_version 1.5.0
load ../lib.bash

setup() {
	box_setup
	SECONDS_EACH=${SOAK_SECONDS:-600}
}

teardown() {
	[ -z "${BOX-}" ] || box_teardown
}

@test "ten minutes of forks, execs, signals, pipes, memory, files and terminals" {
	BOX_TIMEOUT=$((SECONDS_EACH + 300)) run box soak "$TREE/build/tests/long/soak" "$SECONDS_EACH"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"all well"* ]]
}
