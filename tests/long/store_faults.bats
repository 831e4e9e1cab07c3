#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# The store and what is done with it, with faults at every step, random pasts and all pairs of verbs at once: what past.bats
# takes a part of. Each test tells how many steps it tried.

bats_require_minimum_version 1.5.0
load ../lib.bash

setup() {
	box_setup
	mkdir w w/a w/d
	echo base >w/a/b
	echo base >w/c
	printf '[Store]\nKeepOps=4\n' >"$BOX/gsh.conf"
	export GSH BOX
	sleep 0.05
}

teardown() {
	box_teardown
}

# CASE...: each fault at each of their calls, as far as FAULT_MOST says (of calls of one name).
faults() {
	[ -z "${SAN-}" ] || skip "sanitisers are to be loaded first"
	FAULT_KINDS=${FAULT_KINDS-all} FAULT_MOST=${FAULT_MOST-6} FAULT_AFTER=yes FAULT_READS=yes \
		"$TESTS/tools/store-faults" "$PWD/w" "$@" >"$BOX/out" || { cat "$BOX/out"; false; }
	echo "# $(tail -1 "$BOX/out")" >&3
}

@test "faults: sandboxes made, given up, copied and renamed" {
	faults create rm clone rename import allow
}

@test "faults: undo, redo, snapshots, restore and gc of a sandbox that does not run" {
	faults undo redo snapshot restore gc
}

@test "faults: the same of one that runs, its start and its end" {
	faults running-undo running-redo running-snapshot running-restore running-stop running-command start
}

@test "faults: files brought in and out" {
	faults export commit uncommit copy-out copy-in edit discard
}

@test "faults: what is written through the mount" {
	[ -w /dev/fuse ] || skip "there is no /dev/fuse to open"
	faults mount-write mount-rename mount-unlink mount-mkdir mount-link mount-running-write
}

@test "faults: the client traced, at each call of each verb" {
	command -v strace >/dev/null || skip "strace is not installed"
	strace -qq -o /dev/null true || skip "nothing can be traced here"
	[ "${RUNG:-A}" = A ] || skip "the client's side is the same on both rungs"
	export HOST_VERBS='' HOST_KINDS=all
	"$GSH" -s keeper -c true # gshd stays
	"$GSH" -s s -c 'cd w; echo 1 >first'
	"$GSH" snapshot -s s begin
	"$GSH" -s s -c 'cd w; echo new >new; echo changed >c; rm a/b; ln -s x link; mkdir n; echo in >n/f; chmod 700 d'
	"$GSH" stop s
	"$TESTS/tools/host-faults" "$PWD/w" >"$BOX/out" || { cat "$BOX/out"; false; }
	echo "# $(cat "$BOX/out")" >&3
}

@test "random pasts beside a model and the kernel's overlayfs" {
	local mode i
	for mode in links restore; do
		for i in $(seq "${PAST_RUNS:-4}"); do
			rm -rf "$BOX/model" "$BOX/states"
			timeout -k 5 60 "$GSH" rm -f s 2>/dev/null || true
			"$TESTS/tools/past-model" "${PAST_SEED:-$((RANDOM + i))}" "${PAST_STEPS:-150}" $mode "$PWD" >"$BOX/out" ||
				{ cat "$BOX/out"; false; }
			echo "# $(cat "$BOX/out")" >&3
		done
	done
}

@test "two clients at once on one sandbox: all pairs of verbs" {
	local i
	for i in $(seq "${PAIRS_RUNS:-3}"); do
		timeout -k 5 60 "$GSH" rm -f s 2>/dev/null || true
		"$TESTS/tools/store-pairs" "${PAIRS_SEED:-$((RANDOM + i))}" 1000 "$PWD/w" >"$BOX/out" 2>&1 || { cat "$BOX/out"; false; }
		echo "# $(cat "$BOX/out")" >&3
	done
}
