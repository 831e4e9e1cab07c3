#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# An interactive bash inside, at a terminal: job control, traps, substitution, editing, full-screen programs. Every case of
# tools/bash-cases runs on the host first and then inside.

bats_require_minimum_version 1.5.0
load lib.bash

setup_file() {
	/usr/bin/python3 -c 'import pexpect' 2>/dev/null || skip "python3-pexpect is not installed"
	box_setup
	export BOX BOX_BEFORE
	# Warm, so that no case pays for the start of the sandbox.
	box bash true
}

teardown_file() {
	[ -z "${BOX-}" ] || box_teardown
}

both() {
	local name=${1// /_}
	mkdir -p "$BOX/work/$name"
	cd "$BOX/work/$name" || return 1
	timeout 300 "$TESTS/tools/bash-cases" "$name" bash --norc --noprofile || { echo "fails on the host"; return 1; }
	timeout 300 "$TESTS/tools/bash-cases" "$name" "$GSH" run -s bash -- bash --norc --noprofile
}

@test "background jobs, kill %1" { both "background jobs"; }
@test "^C and ^\\ end the foreground job, not the shell" { both "interrupt"; }
@test "^Z, jobs, bg, fg" { both "suspend and resume"; }
@test "^Z of a pipeline" { both "suspend a pipeline"; }
@test "a background job that reads is stopped" { both "background input"; }
@test "stopped jobs hold exit back once" { both "kill stopped and exit"; }
@test "traps" { both "traps"; }
@test "process substitution" { both "process substitution"; }
@test "here-documents and continued lines" { both "here documents"; }
@test "wait, wait -n, wait PID" { both "waiting"; }
@test "coproc" { both "coprocesses"; }
@test "the window's size" { both "window size"; }
@test "read -s, read -t, select, ^D" { both "reading"; }
@test "line editing, history search, completion" { both "line editing"; }
@test "vim, stopped and taken back" { both "full screen vim"; }
@test "less" { both "full screen less"; }
@test "top" { both "full screen top"; }
@test "shells in shells, suspend" { both "nested shells"; }
@test "setsid, tty, nohup, timeout" { both "own sessions"; }
@test "much output, and ^C in the middle of it" { both "much output"; }
@test "exit with a job in the background" { both "leaving"; }
