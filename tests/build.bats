#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# A whole build inside: make -j2 of a generated project, its test program, an incremental rebuild, the jobserver; what
# comes out equals the native build byte for byte.

bats_require_minimum_version 1.5.0
load lib.bash

setup_file() {
	box_setup
	export BOX BOX_BEFORE SOURCE_DATE_EPOCH=1700000000
	"$TESTS/project/generate" "$BOX/work/project"
	cp -a "$BOX/work/project" "$BOX/pristine"
}

teardown_file() {
	box_teardown
}

setup() {
	cd "$BOX/work/project" || return 1
}

inside() {
	BOX_TIMEOUT=150 box build "$@"
}

sums() {
	find . -type f \( -name '*.o' -o -name '*.a' -o -name '*.h' -o -name program -o -name selftest \) | sort | xargs sha256sum
}

@test "make -j2 and make check pass on the host" {
	make -j2 >"$BOX/native.make" 2>&1
	make check >"$BOX/native.check"
	sums >"$BOX/native.sums"
	cp program.out "$BOX/native.out"
	cd ..
	rm -rf project
	cp -a "$BOX/pristine" project
	tree_hash "$BOX/work/project" >"$BOX/tree.before"
}

@test "make -j2 passes inside" {
	run inside make -j2
	echo "$output" | tail -20
	[ "$status" -eq 0 ]
	[[ "$output" != *jobserver* ]]
	[[ "$output" != *warning:* ]]
	[[ "$output" != *"Clock skew"* ]]
}

@test "make check passes inside" {
	run inside make check
	echo "$output" | tail
	[ "$status" -eq 0 ]
	inside cat program.out | cmp - "$BOX/native.out"
}

@test "objects, archives, headers and programs equal the native ones" {
	inside bash -c "$(declare -f sums); sums" >"$BOX/inside.sums"
	diff "$BOX/native.sums" "$BOX/inside.sums"
	[ "$(grep -c . "$BOX/inside.sums")" -ge 40 ]
}

@test "nothing is rebuilt when nothing changed" {
	run inside make -j2
	[ "$status" -eq 0 ]
	refuses grep -E '^(cc|ar) ' <<<"$output"
}

@test "a touched source is rebuilt, and only what hangs on it" {
	inside touch lib/alpha/alpha_3.c
	run inside make -j2
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -cE '^cc .* -c .*alpha_3' <<<"$output")" -eq 1 ]
	[ "$(grep -cE '^cc .* -c ' <<<"$output")" -eq 1 ]
	grep -q 'ar Drcs libalpha.a' <<<"$output"
	refuses grep -q 'libbeta.a beta' <<<"$output"
	grep -q 'cc -o program' <<<"$output"
}

@test "a changed setting rebuilds the headers and all, with another result" {
	inside sed -i s/seed=12345/seed=999/ gen/settings
	run inside make -j2
	[ "$status" -eq 0 ]
	[ "$(grep -cE '^cc .* -c ' <<<"$output")" -eq 33 ]
	inside make check
	refuses cmp -s <(inside cat program.out) "$BOX/native.out"
}

@test "an error in a source stops make with status 2, and mending it is enough" {
	inside sh -c 'cp app/part1.c keep.txt; echo "int broken(" >> app/part1.c'
	run inside make -j2
	[ "$status" -eq 2 ]
	[[ "$output" == *"app/part1.c"*"error"* ]]
	inside sh -c 'cp keep.txt app/part1.c'
	run inside make -j2
	[ "$status" -eq 0 ]
}

@test "the jobserver lets exactly two jobs run, across sub-makes" {
	inside make clean
	cat >"$BOX/work/job" <<-'END'
	#!/bin/bash
	# Mark begin and end of a job in an append-only log.
	echo begin >>"$JOBLOG"
	"$@"
	status=$?
	sleep 0.02
	echo end >>"$JOBLOG"
	exit $status
	END
	chmod +x "$BOX/work/job"
	inside env JOBLOG="$BOX/work/joblog" make -j2 LOG="$BOX/work/job "
	inside cat "$BOX/work/joblog" | awk '/begin/{n++; if (n > max) max = n} /end/{n--} END {print max, NR; exit !(max == 2 && n == 0)}'
}

@test "the host's tree is as it was" {
	[ "$(tree_hash "$BOX/work/project")" = "$(cat "$BOX/tree.before")" ]
	[ ! -e "$BOX/work/joblog" ]
	[ ! -e program ]
}
