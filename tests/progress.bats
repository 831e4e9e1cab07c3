#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Verbs that take long: what they show meanwhile, and that ^C at any moment leaves store and host as they were. The cases
# are in tools/long-verbs.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() {
	/usr/bin/python3 -c 'import pexpect' 2>/dev/null || skip "python3-pexpect is not installed"
	box_setup
}

teardown() {
	box_teardown
}

@test "a line at a terminal, with the rate and the time left, and cleared" {
	run "$TESTS/tools/long-verbs" line_with_rate_and_time_left
	assert_success
}

@test "what is counted in all is what is done in the end" {
	run "$TESTS/tools/long-verbs" totals_are_reached
	assert_success
}

@test "^C at a random moment leaves store and host as they were" {
	run "$TESTS/tools/long-verbs" interrupt_leaves_what_was
	assert_success
}
