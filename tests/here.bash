# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# For suites that work in a directory of their own, mostly in sandbox s: load after lib.bash.

setup() {
	box_setup
	mkdir h
	cd h || return 1
}

teardown() {
	box_teardown
}

gsh() {
	timeout -k 5 "${BOX_TIMEOUT:-60}" "$GSH" "$@"
}

# in_box COMMAND: in sandbox s, in this directory.
in_box() {
	gsh -s s -c "$1"
}
