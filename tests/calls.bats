#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# How many host calls and page faults the hot paths take: counts, not seconds, so that what was won is not lost unseen.
#
# Each count is the difference between doing something 5 and 25 times, in a sandbox that only traps. A bound is what was
# counted when it was set, and a little: names that are cached for a second only may be asked for again under strace, so a
# row has three tries.

bats_require_minimum_version 1.5.0
load lib.bash

PICO=$TREE/build/tests/pico
CALLS=$TREE/build/tests/calls
STEPS=$TREE/build/tests/steps

setup_file() {
	box_setup
	export BOX BOX_BEFORE
	mkdir "$BOX/cache" "$BOX/work/d" "$BOX/work/many" "$BOX/work/crowd"
	touch "$BOX/work/d/"{a,b,c} "$BOX/work/many/"{0..30} "$BOX/work/crowd/"{0..1600}
	# The images are made here, not in what is counted.
	pico spawn 2 >/dev/null
}

teardown_file() {
	box_teardown
}

setup() {
	strace -f -o /dev/null true 2>/dev/null || skip "this host does not let strace trace (ptrace)"
}

pico() {
	timeout -k 5 100 "$PICO" --rung N --cache "$BOX/cache" -- "$CALLS" "$1" "$2" "$BOX/work/${3-d}"
}

# Host calls of all processes, and signals taken; not those by which the bases of FS and GS are set where no instruction may
# (no FSGSBASE), so that the bounds are of no machine. pico does not remove what was changed in a place that is kept.
traced() {
	rm -rf "$BOX/top"
	strace -f -o "$BOX/trace" timeout -k 5 100 "$PICO" --rung N --cache "$BOX/cache" --top "$BOX/top" -- "$CALLS" "$1" "$2" \
		"$BOX/work/${3-d}" >"$BOX/faults"
	grep -v '^[0-9]* *arch_prctl(' "$BOX/trace" | grep -cE '^[0-9]+ +([a-z0-9_]+\(|--- SIG)'
}

# at_most NAME CALLS FAULTS [DIR [TIMES]]: each time.
at_most() {
	local few many calls faults times=${5-20}
	for _ in 1 2 3; do
		few=$(traced "$1" 5 "${4-d}")
		many=$(traced "$1" $((5 + times)) "${4-d}")
		calls=$(((many - few + times / 2) / times))
		faults=$((($(pico "$1" $((5 + times)) "${4-d}") - $(pico "$1" 5 "${4-d}") + times / 2) / times))
		echo "$1: $calls host calls, $faults page faults"
		[ "$calls" -gt "$2" ] || [ "$faults" -gt "$3" ] || return 0
	done
	return 1
}

@test "fork, exit, wait" { at_most fork 11 20; }

# More is not wrong, but a page that each child copies: what is large goes to .bss.sparse (PAL_SPARSE).
@test "data that is written often is one page" {
	nm "$TREE/build/libexec/gsh/picoprocess" >"$BOX/symbols"
	run awk '$3 == "pal_data_start" {from = $1} $3 == "pal_often_end" {to = $1} END {print "(0x" to " - 0x" from ")"}' "$BOX/symbols"
	echo "$output = $((output)) bytes"
	[ "$((output))" -gt 0 ]
	[ "$((output))" -le 4096 ]
}

# Each page of text that a new process executes has to find its way into its page tables; functions that nobody put beside
# the others (contrib/build/order) lie on pages of their own.
@test "a fork's child executes few pages of the image" {
	timeout -k 5 100 "$STEPS" 8 "$BOX/steps" "$PICO" --rung N --cache "$BOX/cache" -- "$CALLS" fork 6 "$BOX/work/d" >/dev/null
	run awk '/^7800000/ {pages[substr($1, 1, 9)]} END {for (p in pages) n++; print n + 0}' "$BOX/steps"
	echo "$output pages"
	[ "$output" -gt 0 ]
	[ "$output" -le 6 ]
}

# Few, for traced it takes so long that the names age that the children have from their parent.
@test "fork, exec, wait" { at_most fork-exec 75 87 d 5; }

@test "vfork, exit, wait" { at_most vfork 11 1; }

@test "posix_spawn" { at_most spawn 118 80; }

@test "open and close" { at_most open 2 0; }

@test "stat of what is there and what is not" { at_most stat 1 0; }

@test "create and remove a file" { at_most create 7 1; }

@test "list a small directory" { at_most list 8 1; }

# Files of the base, each for the first time.

@test "stat each file of a directory" { at_most stat-each 1 1 many; }

@test "the host walks to a directory in which much is asked for only a few times" {
	local long

	traced stat-each 30 many >/dev/null
	long=$(grep -cE 'statx\([0-9]+, "[^"]+/many/' "$BOX/trace")
	echo "$long long paths"
	[ "$long" -gt 0 ] && [ "$long" -le 10 ]
}

@test "files that are asked for once take no memory" {
	local few many

	few=$(pico stat-each 600 crowd)
	many=$(pico stat-each 1600 crowd)
	echo "$few page faults for 600 files, $many for 1600"
	[ $((many - few)) -le 16 ]
}

@test "open, fstat, read and close each file of a directory" { at_most read-each 4 1 many; }

@test "remove each file of a directory" { at_most remove-each 1 1 many; }

@test "remove each file of a directory, and create it anew" { at_most replace-each 9 1 many; }

@test "open each file of a directory for writing" { at_most change-each 15 2 many; }

# Thirty of them, one look each for the number that it had before, where the host has a call for that (Linux 6.13).
@test "list a directory in which each file was changed" {
	if has_getxattrat; then
		at_most list-changed 50 1 many
	else
		at_most list-changed 180 1 many
	fi
}

@test "give each file of a directory another name" { at_most link-each 17 1 many; }

@test "replace a file by way of a lock file" { at_most update 6 1; }

has_getxattrat() {
	python3 -c 'import ctypes; ctypes.CDLL(None, use_errno=True).syscall(464, -1, 0, 0, 0, 0, 0); exit(ctypes.get_errno() == 38)'
}

# Opens of the many files by all processes of a shell's script.
opens() {
	rm -rf "$BOX/top"
	strace -f -o "$BOX/trace" timeout -k 5 100 "$PICO" --rung N --cache "$BOX/cache" --top "$BOX/top" -- \
		/bin/sh -c "$1" sh "$BOX/work/many" >/dev/null
	grep -cE '^[0-9]+ +openat2?\([0-9]+, "([^"]*many/)?[0-9]+"' "$BOX/trace"
}

@test "a file that was copied up is opened once: for what is noted at it and to be read" {
	local without with

	opens 'touch "$1"/*; : "$1"/*; cat /dev/null' >/dev/null # the images are made
	without=$(opens 'touch "$1"/*; : "$1"/*; cat /dev/null')
	with=$(opens 'touch "$1"/*; cat "$1"/*')
	echo "$without opens, and $with"
	[ $((with - without)) -ge 31 ]
	[ $((with - without)) -le 32 ]
}
