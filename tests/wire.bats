#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# gshd and a monitor against clients that break the wire: each is told, or closed, and nobody else notices. The cases are
# in tools/wire-abuse.

bats_require_minimum_version 1.5.0
load lib.bash

# of COMM [WORD]: our process of that name, with that word among its arguments.
of() {
	box_pids | while read -r p; do
		if [ "$(cat "/proc/$p/comm")" = "$1" ] && { [ -z "${2-}" ] || grep -qzx -e "$2" "/proc/$p/cmdline"; }; then echo "$p"; fi
	done
}

setup() {
	box_setup
	timeout 60 "$GSH" run -s other -- sh -c 'echo kept >mine'
	timeout 60 "$GSH" run -s s -- true
	daemon=$(of gshd)
	monitor=$(of gsh-monitor s)
	[ -n "$daemon" ] && [ -n "$monitor" ]
}

teardown() {
	box_teardown
}

# abuse CASE: of both; afterwards they are what they were, and hold no more descriptors.
abuse() {
	local who pid before
	for who in gshd.sock box/s.sock; do
		pid=$daemon
		[ "$who" = gshd.sock ] || pid=$monitor
		before=$(find "/proc/$pid/fd" -mindepth 1 | wc -l)
		timeout 120 "$TESTS/tools/wire-abuse" "$BOX/run/$who" "$1"
		kill -0 "$daemon" && kill -0 "$monitor"
		[ "$(timeout 20 "$GSH" run -s other -- cat mine)" = kept ]
		[ "$(timeout 20 "$GSH" run -s s -- echo up)" = up ]
		wait_until 50 at_most "$before" "$pid"
	done
}

at_most() {
	[ "$(find "/proc/$2/fd" -mindepth 1 | wc -l)" -le "$1" ]
}

@test "messages without an end, and ones that are too long" {
	abuse too_long
}
@test "half a message on many connections" {
	abuse halves
}
@test "JSON that is deep, wide, or none" {
	abuse no_json
}
@test "descriptors that nobody asked for" {
	abuse descriptors
}
@test "every method with parameters of wrong types and sizes" {
	abuse wrong_types
}
@test "calls whose answers nobody reads" {
	abuse deaf
}
