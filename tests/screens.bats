#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Programs in a session, by what tmux has on the screen: shells and their job control, editors, viewers, terminals in
# terminals. The cases are in tools/screens.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() {
	command -v tmux >/dev/null || skip "tmux is not installed"
	box_setup
	export BOX TERM=xterm
	unset TMUX
}

teardown() {
	[ -z "${BOX-}" ] || box_teardown
}

on_screen() {
	local program
	for program in ${2-}; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
	run timeout 400 "$TESTS/tools/screens" "$1"
	assert_success
}

@test "zsh, fish, dash, bash and busybox: commands, ^Z, jobs, fg, ^C" {
	on_screen shells_have_job_control "zsh fish dash busybox"
}
@test "vim and nano write a file, and the window may change" {
	on_screen editors_write "vim.tiny nano"
}
@test "less, htop, top and man follow the window" {
	on_screen viewers_follow_the_window "less htop top"
}
@test "tmux runs inside, is left and found" {
	on_screen tmux_runs_inside
}
@test "python asks for the rest of a function, gdb draws its source" {
	on_screen python_and_gdb "python3 gdb cc"
}
@test "an editor is left and found, by detaching and by a killed client" {
	on_screen an_editor_is_left_and_found vim.tiny
}
@test "a paste of 100 kB arrives whole" {
	on_screen a_large_paste_arrives_whole vim.tiny
}
