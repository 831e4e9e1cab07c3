# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# For suites that work with Debian's sources: fetched from wherever this machine gets its packages.
load ../lib.bash

setup_file() {
	command -v apt-get >/dev/null || skip "no apt on this host"
	box_setup
	export BOX BOX_BEFORE
	"$TREE/tests/tools/fetch-source" "$BOX/apt" >"$BOX/apt.log" 2>&1 || {
		echo "the package lists cannot be fetched:"
		tail -5 "$BOX/apt.log"
		return 1
	}
}

teardown_file() {
	[ -z "${BOX-}" ] || box_teardown
}

# source_of PACKAGE: into work/PACKAGE, as the directory source.
source_of() {
	mkdir -p "$BOX/work/$1"
	cd "$BOX/work/$1" || return
	"$TREE/tests/tools/fetch-source" "$BOX/apt" "$1" >"$BOX/$1.apt.log" 2>&1 || {
		tail -5 "$BOX/$1.apt.log"
		return 1
	}
}
