#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# gsh at a terminal with a real sandbox behind it: the cases of terminal.bats that say what a user sees, job control of
# the user's own shell included, and full-screen programs.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() {
	/usr/bin/python3 -c 'import pexpect' 2>/dev/null || skip "python3-pexpect is not installed"
	box_setup
}

teardown() {
	[ -z "${BOX-}" ] || box_teardown
}

at_terminal() {
	run timeout 300 "$TESTS/tools/terminal" "$1"
	assert_success
}

@test "keys go in, output comes out, the terminal is left as it was" {
	at_terminal reads_and_writes
}
@test "^C is a key of the inner terminal" {
	at_terminal interrupt_is_a_key
}
@test "a try asks afterwards, and keeps or discards" {
	at_terminal try_asks
}
@test "the terminal is told where it is" {
	at_terminal the_terminal_is_told_where_it_is
}
@test "directories that a shell tells of are the host's, if there is a mount" {
	[ -r /dev/fuse ] && [ -w /dev/fuse ] || skip "no /dev/fuse"
	at_terminal directories_are_the_hosts
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
@test "attach restores screen, scrollback, colours and cursor" {
	at_terminal attach_restores_the_screen
}
@test "attach restores a full-screen program and what lies below it" {
	at_terminal attach_restores_a_full_screen
}

@test "a repetition of nothing hangs no screen" {
	at_terminal a_repetition_of_nothing_hangs_no_screen
}

@test "what a program asks its terminal is answered while nobody is attached" {
	at_terminal queries_are_answered_while_detached
}
@test "so is what it asks of colours, names and abilities" {
	at_terminal colours_and_names_are_answered_while_detached
}
@test "noise and death of the child that keeps the screen harm no session" {
	at_terminal screen_may_die
}
@test "several clients see the same session" {
	at_terminal two_clients_see_the_same
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
@test "much output and much input arrive whole" {
	at_terminal much_output_arrives_whole
	at_terminal much_input_arrives_whole
}
@test "a command that ends at once has its status" {
	at_terminal quick_ends_are_not_lost
}
@test "gsh ends with its terminal" {
	at_terminal hang_up_ends_gsh
}
@test "an interactive shell says where one is, has job control, and leaves its status" {
	at_terminal interactive_shell
}
@test "vim writes a file inside and leaves the terminal as it was" {
	at_terminal full_screen_editor
	assert [ ! -e written.txt ]
}
@test "less and top draw, follow the window, and leave" {
	at_terminal pager_inside
	at_terminal top_inside
}
@test "a long list or patch is shown by a pager, if there is one" {
	at_terminal long_answers_are_paged
}
@test "a throwaway sandbox is gone with its command" {
	at_terminal throwaway_is_removed
	wait_until 100 sh -c "[ -z \"\$('$GSH' ls)\" ]"
}
