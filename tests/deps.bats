#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# What "make run" and "make check" do before they build: contrib/build/deps with a fake dpkg, apt-get and sudo, and
# contrib/build/run-gsh with a fake gsh.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/gsh-deps.XXXXXX")
	mkdir "$DIR/bin"
	export DIR PATH=$DIR/bin:$PATH
	# Every package is installed but those named in $DIR/missing.
	fake dpkg-query 'shift 3; for p; do grep -qx "$p" $DIR/missing || echo "installed $p"; done'
	fake apt-get 'echo "$DEBIAN_FRONTEND apt-get $*" >>$DIR/calls
		case $* in
		*update*) touch $DIR/updated ;;
		*) [ -e $DIR/updated ] || [ ! -e $DIR/stale ] || exit 100; [ ! -e $DIR/broken ] || exit 100; : >$DIR/missing ;;
		esac'
	fake id 'echo 0'
	fake sudo '[ ! -e $DIR/no-sudo ] || exit 1; [ "$1" = -n ] && shift; echo "sudo $1" >>$DIR/calls; exec "$@"'
	: >"$DIR/missing"
	: >"$DIR/calls"
}

teardown() {
	rm -rf "$DIR"
}

fake() {
	printf '#!/bin/sh\n%s\n' "$2" >"$DIR/bin/$1"
	chmod +x "$DIR/bin/$1"
}

@test "with all there, nothing is done and nothing is said" {
	run "$ROOT/contrib/build/deps"
	assert_success
	assert_output ""
	assert_equal "$(cat "$DIR/calls")" ""
}

@test "what is missing is installed, without questions, and without an update if it can be had" {
	printf 'libzydis-dev\nbats-file\n' >"$DIR/missing"
	run "$ROOT/contrib/build/deps"
	assert_success
	run cat "$DIR/calls"
	assert_line --index 0 --regexp '^noninteractive apt-get .* install bats-file libzydis-dev $|install bats-file libzydis-dev'
	refute_output --partial update
}

@test "old package lists are renewed once" {
	echo gdb >"$DIR/missing"
	touch "$DIR/stale"
	run "$ROOT/contrib/build/deps"
	assert_success
	assert_equal "$(grep -c update "$DIR/calls")" 1
}

@test "what only the benchmark uses is installed if that is said" {
	echo proot >"$DIR/missing"
	run "$ROOT/contrib/build/deps"
	assert_success
	assert_equal "$(cat "$DIR/calls")" ""
	run "$ROOT/contrib/build/deps" bench
	assert_success
	assert_equal "$(grep -c 'install proot' "$DIR/calls")" 1
}

@test "what cannot be installed is named" {
	echo gdb >"$DIR/missing"
	touch "$DIR/broken"
	run "$ROOT/contrib/build/deps"
	assert_failure
	assert_output --partial "could not be installed: gdb"
}

@test "an ordinary user gets it by sudo, or a sentence with the names" {
	fake id 'echo 1000'
	echo gdb >"$DIR/missing"
	run "$ROOT/contrib/build/deps"
	assert_success
	grep -q '^sudo env' "$DIR/calls"
	echo gdb >"$DIR/missing"
	touch "$DIR/no-sudo"
	run "$ROOT/contrib/build/deps"
	assert_failure
	assert_output --partial "apt-get install gdb"
}

@test "run-gsh passes a command on as it is, and nothing of make's" {
	mkdir -p "$DIR/contrib/build" "$DIR/build/bin"
	cp "$ROOT/contrib/build/run-gsh" "$DIR/contrib/build"
	printf '#!/bin/sh\nprintf "<%%s>" "$@"; env | grep -E "^(CMD|MAKE|MFLAGS)"; exit 7\n' >"$DIR/build/bin/gsh"
	chmod +x "$DIR/build/bin/gsh"
	MAKEFLAGS=' -j2 -- CMD=x' MAKELEVEL=1 CMD='echo "a  b" $HOME' run "$DIR/contrib/build/run-gsh"
	assert_failure 7
	assert_output '<-c><echo "a  b" $HOME>'
	CMD='' run "$DIR/contrib/build/run-gsh"
	assert_output '<>'
	run "$DIR/contrib/build/run-gsh" 'true; false'
	assert_output '<-c><true; false>'
}
