#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# What a sandbox is granted beside its layers: profiles, directories of the host, places of the network, variables; asked
# for while it runs, and taken back.
bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() { box_setup; }
teardown() { box_teardown; }

setting() { # NAME KEY: what holds for a sandbox
	timeout 20 "$GSH" config show -s "$1" | sed -n "s/^$2	//p"
}

@test "a profile is a set of settings by name, kept with the sandbox that it was given to" {
	mkdir profiles
	mv profiles "$BOX/profiles"
	printf '[Limits]\nTasksMax=64\n[Sandbox]\nHostname=little\n' >"$BOX/profiles/tiny.conf"
	run gsh run -s p --profile tiny -- hostname
	assert_output little
	run gsh config show -s p --origin
	assert_line "Limits.TasksMax	64	$BOX/profiles/tiny.conf:2"
	assert_line "Sandbox.Profile	tiny	$BOX/store/boxes/p/gsh.conf:2"
	# Said again it is nothing new; another one is not for a sandbox that runs.
	gsh run -s p --profile tiny -- true
	run gsh run -s p --profile default -- true
	assert_failure 125
	assert_output --partial "it runs, with other settings"
	gsh stop p
	gsh run -s p --profile default -- true
	assert_equal "$(setting p Limits.TasksMax)" 4096
	# Of the settings for all, what stands beside the name of a profile differs from it; for one sandbox it comes after them.
	printf '[Sandbox]\nProfile=tiny\n[Limits]\nTasksMax=99\n' >"$GSH_CONFIG"
	run gsh config show
	assert_line "Limits.TasksMax	99"
	assert_line "Sandbox.Hostname	little"
	run gsh run -x --profile tiny -- hostname
	assert_output little
	gsh create q --profile=tiny
	assert_equal "$(setting q Limits.TasksMax)" 64
	run gsh create q
	assert_failure 4
	run gsh doctor --policy -s q
	assert_line --partial "profile	tiny"
}

@test "an unknown profile is an error that knows a better name, and makes nothing" {
	run gsh run -s n --profile defualt -- true
	assert_failure 125
	assert_output --partial "there is no profile 'defualt', did you mean 'default'?"
	run gsh create n --profile ../x
	assert_failure 2
	run gsh ls
	refute_output --partial n
	printf '[Sandbox]\nProfile=nonesuch\n' >"$GSH_CONFIG"
	run gsh run -s n -- true
	assert_failure 125
	assert_output --partial "there is no profile 'nonesuch'"
	mkdir "$BOX/profiles"
	printf '[Sandbox]\nProfile=default\n' >"$BOX/profiles/loop.conf"
	run gsh create n --profile loop
	assert_failure 2
	rm "$GSH_CONFIG"
	run gsh create n --profile loop
	assert_failure 2
	assert_output --partial "a profile cannot have a profile"
	run gsh __complete line create --profile lo
	assert_output loop
}
