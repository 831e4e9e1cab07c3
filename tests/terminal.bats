#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# gsh at a terminal, alone: keys, window size, detach and return, job control of the user's own shell, and what is left
# of the terminal afterwards. The cases are in tools/terminal; the daemon is a fake that runs commands on the host.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

setup() {
	python=/usr/bin/python3
	"$python" -c 'import pexpect' 2>/dev/null || skip "python3-pexpect is not installed"
	ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/gsh-terminal.XXXXXX")
	mkdir "$DIR/bin"
	cp "${BUILD:-$ROOT/build}/bin/gsh" "$DIR/bin/gsh"
	cp "$ROOT/tests/tools/fake-gshd" "$DIR/bin/gshd"
	export GSH_RUNTIME=$DIR/run GSH_STORE=$DIR/store GSH_MOUNT=$DIR/mnt GSH_CONFIG=$DIR/gsh.conf
	PATH=$DIR/bin:$PATH
	cd "$DIR" || return
}

teardown() {
	if [ -e "$GSH_RUNTIME/pid" ]; then
		kill "$(cat "$GSH_RUNTIME/pid")" 2>/dev/null || true
	fi
	rm -rf "$DIR"
}

at_terminal() {
	run "$ROOT/tests/tools/terminal" "$1"
	assert_success
}

@test "keys go in, output comes out, the terminal is left as it was" {
	at_terminal reads_and_writes
}
@test "^C is a key of the inner terminal" {
	at_terminal interrupt_is_a_key
}
@test "a try asks afterwards, and keeps or discards" {
	FAKE=yes at_terminal try_asks
}
@test "the clipboard cannot be asked for" {
	at_terminal clipboard_is_not_read
}
@test "--timeout ends a command at a terminal" {
	at_terminal timeout_ends_the_command
}
@test "the window's size follows" {
	at_terminal window_size_follows
}
@test "^] three times detaches, puts modes back, and attach returns" {
	at_terminal detaches_and_returns
}
@test "^] typed slowly is a key as any other" {
	at_terminal slow_keys_do_not_detach
}
@test "a killed client gives the terminal back" {
	at_terminal killed_client_gives_the_terminal_back
}
@test "a pager behind gsh keeps the keyboard" {
	at_terminal pager_keeps_the_keyboard
}
@test "in a pipeline whole lines go in, and ^C is passed on" {
	at_terminal pipe_takes_lines
}
@test "with input from a pipe, output is still a terminal" {
	at_terminal output_alone_is_a_terminal
}
@test "in the background gsh keeps off the terminal until it is in the foreground" {
	at_terminal background_and_foreground
}
@test "^Z stops gsh and its command, fg continues both" {
	at_terminal stops_with_its_client
}
@test "timeout(1) ends the command" {
	at_terminal timeout_reaches_the_command
}
@test "much output arrives whole" {
	at_terminal much_output_arrives_whole
}
@test "much input arrives whole" {
	at_terminal much_input_arrives_whole
}
@test "frames in pieces are put together" {
	export FAKE_FRAMES=split
	at_terminal reads_and_writes
}
@test "frames that are too large, unknown or cut off end gsh with 125, the terminal restored" {
	for how in huge unknown die; do
		FAKE_FRAMES=$how at_terminal broken_frames_are_said
		kill "$(cat "$GSH_RUNTIME/pid")"
		rm -rf "$GSH_RUNTIME"
	done
}
@test "a command that ends at once has its status" {
	at_terminal quick_ends_are_not_lost
}
@test "gsh ends with its terminal" {
	at_terminal hang_up_ends_gsh
}
