#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Deaths from the host's side: nothing hangs, nothing is left, and who asks is told.

bats_require_minimum_version 1.5.0
load lib.bash

setup() {
	box_setup
}

teardown() {
	box_teardown
}

gsh() {
	timeout -k 5 "${BOX_TIMEOUT:-60}" "$GSH" "$@"
}

leader_of() {
	gsh info -s "$1" --json | sed -n 's/.*"leader" *: *\([0-9]*\).*/\1/p'
}

# Host pids of the children of one, whichever of its threads made them.
children_of() {
	cat "/proc/$1"/task/*/children 2>/dev/null
}

@test "the first process killed: all ends at once, ls, info and run say why, the next command works" {
	gsh -s s -c 'echo kept > f'
	leader=$(leader_of s)
	gsh run -s s -- sh -c 'sleep 1000 & sleep 1000' >out 2>err &
	job=$!
	wait_until 100 sh -c "[ \"\$('$GSH' ps -s s | grep -c '[s]leep 1000')\" -ge 2 ]"
	inside=$(for p in $(children_of "$leader"); do echo "$p"; children_of "$p"; done)
	[ -n "$inside" ]
	kill -KILL "$leader"
	status=0
	wait $job || status=$?
	[ "$status" -eq 137 ]
	grep -q 'sandbox s ended: its first process was killed' err
	for p in $inside; do wait_until 20 sh -c "! kill -0 $p"; done
	gsh ls >ls.out 2>ls.err
	grep -q 'sandbox s ended: its first process was killed' ls.err
	gsh info -s s | grep -q '^ended.*was killed'
	[ "$(gsh -s s -c 'cat f')" = kept ]
	refuses grep -q ended <(gsh ls 2>&1)
}

@test "many that are stopped from the host's side hold up ps once, not each time" {
	"$GSH" run -s s -- sh -c 'for i in $(seq 16); do sleep 777 & done; echo begun; wait' >begun &
	wait_until 100 grep -q begun begun
	inside=
	for p in $(children_of "$(leader_of s)"); do inside+=" $(children_of "$p")"; done
	[ "$(wc -w <<<"$inside")" = 16 ]
	kill -STOP $inside
	[ "$(gsh run -s s -- ps -ef | grep -c ' sleep 777$')" = 16 ]
	# 16 that are waited for again would take 4.8 s.
	begin=${EPOCHREALTIME/./}
	[ "$(gsh run -s s -- ps -ef | grep -c ' sleep 777$')" = 16 ]
	took=$((${EPOCHREALTIME/./} - begin))
	echo "$took us"
	[ "$took" -lt 4000000 ]
	kill -CONT $inside
	gsh run -s s -- sh -c 'for p in $(pgrep -x sleep); do until readlink /proc/$p/fd/0; do sleep 0.1; done; done' >links
	[ "$(wc -l <links)" = 16 ]
	gsh stop -s s
}

@test "a process that is stopped from the host's side is listed, and answers again when it goes on" {
	"$GSH" run -s s -- sh -c 'sleep 777 & echo begun; wait' >begun &
	wait_until 100 grep -q begun begun
	inside=
	for p in $(children_of "$(leader_of s)"); do inside+=" $(children_of "$p")"; done
	[ -n "${inside// /}" ]
	kill -STOP $inside
	for i in 1 2 3; do gsh run -s s -- ps -ef | grep -q '[s]leep 777'; done
	kill -CONT $inside
	wait_until 50 sh -c "'$GSH' run -s s -- sh -c 'readlink /proc/\$(pgrep -x sleep)/fd/0'"
	gsh stop -s s
}
