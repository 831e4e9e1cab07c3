#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Every call on every kind of name (tools/posix-cases): a sandbox's files and the mount's do as the host's own file system.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash
load mounted.bash
load posix.bash

POSIX_PART=${POSIX_PART:--e3/37}

setup_file() {
	mkdir "$BATS_FILE_TMPDIR/native"
	posix prepare "$CASES" "$BATS_FILE_TMPDIR/native"
	posix check "$CASES" "$BATS_FILE_TMPDIR/native" >"$BATS_FILE_TMPDIR/native.out"
	chmod -R u+rwX "$BATS_FILE_TMPDIR/native" # for who removes it
}

@test "in new directories" {
	box s sh -c "mkdir '$BOX/there' && $(posix_text prepare "$POSIX_PART" "$CASES" "$BOX/there") &&
		$(posix_text check "$POSIX_PART" "$CASES" "$BOX/there")" >"$BOX/t.out"
	agrees t
}

@test "on the files of the base" {
	mkdir "$BOX/there"
	posix prepare "$CASES" "$BOX/there"
	box s "$TREE/build/tests/posix" check "$POSIX_PART" "$CASES" "$BOX/there" >"$BOX/b.out"
	agrees b
}

@test "on the files of earlier ops" {
	gsh -s s -c "mkdir '$BOX/there'; $(posix_text prepare "$POSIX_PART" "$CASES" "$BOX/there")"
	gsh -s s -c "$(posix_text check "$POSIX_PART" "$CASES" "$BOX/there")" >"$BOX/s.out"
	agrees s
}

@test "through the mount of a stopped sandbox" {
	mkdir "$BOX/there"
	posix prepare "$CASES" "$BOX/there"
	gsh run -s s -- true
	gsh stop s
	gsh mount
	posix check "$CASES" "$GSH_MOUNT/s/root$BOX/there" >"$BOX/m.out"
	agrees m
}

# Steps alternate: what one side does the other sees at once.
@test "inside and through the mount in turn" {
	mkdir "$BOX/there"
	posix prepare "$CASES" "$BOX/there"
	gsh mount
	gsh run -s s -- true
	posix check -1 "$GSH run -s s -- $(posix_text serve "$BOX/there")" \
		-2 "$(posix_text serve "$GSH_MOUNT/s/root$BOX/there")" "$CASES" "$BOX/there" >"$BOX/x.out"
	agrees x
}

@test "through the mount and inside in turn, on the files of earlier ops" {
	mkdir "$BOX/there"
	gsh mount
	gsh -s s -c "$(posix_text prepare "$POSIX_PART" "$CASES" "$BOX/there")"
	posix check -1 "$(posix_text serve "$GSH_MOUNT/s/root$BOX/there")" \
		-2 "$GSH run -s s -- $(posix_text serve "$BOX/there")" "$CASES" "$BOX/there" >"$BOX/y.out"
	agrees y
}
