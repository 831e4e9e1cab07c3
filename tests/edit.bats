#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# Lines edited by gsh: what stands on the screen, what the program inside got, what is kept. The cases are in
# tools/edit-cases.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() {
	/usr/bin/python3 -c 'import pexpect, pyte' 2>/dev/null || skip "python3-pexpect and python3-pyte are not installed"
	[ -x /bin/dash ] || skip "dash is not installed"
	box_setup
}

teardown() {
	[ -z "${BOX-}" ] || box_teardown
}

edit() {
	run timeout 200 "$TESTS/tools/edit-cases" "$1"
	assert_success
}

@test "a line is edited here, and the program inside sees a terminal as ever" {
	edit edits_a_line
}
@test "prompts, lines and outputs are marked for the terminal" {
	edit lines_are_marked
}
@test "^C, ^D and what a command reads" {
	edit keys_of_signals
}
@test "what is typed ahead is not lost and can be edited" {
	edit typed_ahead
}
@test "what a sandbox hands back of a line is what was typed, and no key else" {
	edit nobody_else_types
}
@test "the lines of before are kept on the host, where nothing inside can read them" {
	edit history_is_kept
}
@test "what other programs ask for is not kept" {
	edit history_of_programs_is_not
}
@test "compound commands, blocks that are pasted, one entry each" {
	edit several_lines
}
@test "^X^E takes the line to the user's editor" {
	edit other_editor
}
@test "passwords pass by and are kept nowhere" {
	edit passwords_pass
}
@test "programs that read keys have them: vim, less, a bash inside" {
	edit raw_programs_pass
}
@test "what is printed meanwhile does not spoil the line" {
	edit output_meanwhile
}
@test "the window may change" {
	edit window_changes
}
@test "TAB asks inside: paths, commands, make's targets, git's branches, variables" {
	edit completes
}
@test "a completion that hangs costs a moment" {
	edit completion_that_hangs
}
@test "lines that begin with a colon are gsh's" {
	edit lines_for_gsh
}
@test "each line given to the shell is an op; :undo takes it back" {
	edit each_line_is_an_op
}
@test "so are the lines of a shell that edits them itself" {
	edit lines_of_other_shells_are_ops
}
@test "a command that goes over several lines is one op" {
	edit a_command_of_several_lines_is_one_op
}
@test "the status of a line is what the shell says it is" {
	edit a_shell_says_how_its_lines_went
	[ -x /bin/zsh ] || skip "zsh is not installed"
	"$GSH" stop
	"$GSH" rm -f default
	edit zsh_says_too
	"$GSH" stop
	"$GSH" rm -f default
	edit zsh_asks_a_new_user
}
@test "a line goes along when one detaches; with two who look, the terminal edits" {
	edit leaves_and_comes_back
}
@test "a client killed in the middle leaves a session to come back to" {
	edit killed_in_the_middle
}
@test "a shell with an editor of its own keeps it; what it starts is edited here" {
	edit own_editors_are_left_alone
}
@test "--edit=host: bash leaves its lines to us" {
	edit host_edits_bash
}
@test "--edit and [Shell] Edit= take three words, and native is none of it" {
	run "$GSH" --edit=no
	assert_failure 125
	assert_output --partial "none of auto, host, native"
	printf '[Shell]\nEdit=some\n' >"$GSH_CONFIG"
	run "$GSH" config check
	assert_failure
	assert_output --partial "it must be auto, native or host"
	printf '[Shell]\nEdit=native\n' >"$GSH_CONFIG"
	edit native_is_the_terminal
	run "$GSH" __complete line --edit=
	assert_output $'--edit=auto\n--edit=host\n--edit=native'
}
