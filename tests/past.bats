#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Random changes, undo, redo, snapshots, restore and joining, beside a model and the kernel's overlayfs. PAST_SEED and
# PAST_STEPS make other runs and longer ones.

bats_require_minimum_version 1.5.0
load lib.bash

setup() {
	box_setup
	mkdir w w/a
	echo base >w/a/b
	echo base >w/c
	printf '[Store]\nKeepOps=4\n' >"$BOX/gsh.conf"
	export GSH BOX
}

teardown() {
	box_teardown
}

@test "files with several names, through undo, redo, snapshots and gc" {
	"$TESTS/tools/past-model" "${PAST_SEED:-11}" "${PAST_STEPS:-20}" links "$PWD" >"$BOX/out" || { cat "$BOX/out"; false; }
	echo "# $(cat "$BOX/out")" >&3
}

@test "restore among them" {
	"$TESTS/tools/past-model" "${PAST_SEED:-12}" "${PAST_STEPS:-20}" restore "$PWD" >"$BOX/out" || { cat "$BOX/out"; false; }
	echo "# $(cat "$BOX/out")" >&3
}

@test "one call on files after the other failing or killed, of what writes the store: nothing is lost" {
	[ -z "${SAN-}" ] || skip "sanitisers are to be loaded first"
	# All verbs, at each call, with every fault: the long suite store_faults.
	export FAULT_MOST=${FAULT_MOST-1}
	mkdir w/d
	sleep 0.05
	# shellcheck disable=SC2086 # words
	"$TESTS/tools/store-faults" "$PWD/w" ${FAULT_CASES-create undo snapshot running-undo} >"$BOX/out" || { cat "$BOX/out"; false; }
	echo "# $(tail -1 "$BOX/out")" >&3
}

@test "two clients at once on one sandbox: some of all pairs of verbs" {
	"$TESTS/tools/store-pairs" "${PAIRS_SEED:-1}" "${PAIRS:-12}" "$PWD/w" >"$BOX/out" 2>&1 || { cat "$BOX/out"; false; }
	echo "# $(cat "$BOX/out")" >&3
}

@test "the client killed, and with each fault of a disk, at each step of what it writes: nothing is lost" {
	command -v strace >/dev/null || skip "strace is not installed"
	strace -qq -o /dev/null true || skip "nothing can be traced here"
	[ "${RUNG:-A}" = A ] || skip "the client's side is the same on both rungs"
	# All verbs, at each step, with every fault: HOST_VERBS= HOST_KINDS=all
	export HOST_VERBS=${HOST_VERBS-commit restore}
	"$GSH" -s keeper -c true # gshd stays
	mkdir w/d
	sleep 0.05
	"$GSH" -s s -c 'cd w; echo 1 >first'
	"$GSH" snapshot -s s begin
	"$GSH" -s s -c 'cd w; echo new >new; echo changed >c; rm a/b; ln -s x link; mkdir n; echo in >n/f; chmod 700 d'
	"$GSH" stop s
	"$TESTS/tools/host-faults" "$PWD/w" >"$BOX/out" || { cat "$BOX/out"; false; }
	echo "# $(cat "$BOX/out")" >&3
}
