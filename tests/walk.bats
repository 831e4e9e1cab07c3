#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# A newcomer types what README and gsh-tutorial(7) say, and sees what they say (tools/walk).

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() {
	/usr/bin/python3 -c 'import pexpect' 2>/dev/null || skip "python3-pexpect is not installed"
	box_setup
	mkdir -p "$BOX/you"
	export HOME=$BOX/you
	cp /etc/skel/.bashrc /etc/skel/.profile "$HOME" 2>/dev/null || touch "$HOME/.bashrc" "$HOME/.profile"
}

teardown() {
	[ -z "${BOX-}" ] || box_teardown
}

@test "the tutorial is true" {
	cd "$HOME"
	run timeout 300 "$TESTS/tools/walk" "$TREE/contrib/man/gsh-tutorial.7"
	assert_success
	assert [ ! -e "$HOME/.tool" ]
}

@test "the first minute of README is true" {
	[ -r /dev/fuse ] && [ -w /dev/fuse ] || skip "no /dev/fuse"
	[ -e "$TREE/README.md" ] || skip "README is not here"
	run timeout 300 "$TREE/contrib/build/record" "$BOX/cast"
	assert_success
	assert_equal "$(head -n 1 "$BOX/cast" | python3 -c 'import json, sys; print(json.load(sys.stdin)["version"])')" 2
}
