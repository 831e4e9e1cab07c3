#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# What "make install" lays down, that it works where it lies, that "make uninstall" takes all of it back; the units of
# systemd, and gshd started by its socket.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load lib.bash

setup() {
	box_setup
}

teardown() {
	box_teardown
}

into() {
	make -s -C "$TREE" "$1" DESTDIR="$BOX/dest" PREFIX=/usr
}

@test "make install lays down programs, pages, completions, schemas and units, and uninstall takes them back" {
	into install-files
	cd "$BOX/dest/usr"
	for f in bin/gsh bin/gshd bin/gfs libexec/gsh/picoprocess share/man/man1/gsh.1 share/man/man1/gsh-verbs.1 \
		share/man/man7/gsh-errors.7 share/man/man8/gshd.8 share/bash-completion/completions/gsh \
		share/zsh/site-functions/_gsh share/fish/vendor_completions.d/gsh.fish share/gsh/schemas/gsh.ls.json share/gsh/profiles/default.conf \
		lib/systemd/user/gshd.socket lib/systemd/user/gshd.service; do
		assert [ -s "$f" ]
	done
	run find . -perm /7000 -o -type f -perm /022
	assert_output ""
	run grep ExecStart= lib/systemd/user/gshd.service
	assert_output "ExecStart=/usr/bin/gshd --foreground"
	for page in share/man/man*/*; do
		grep -q '^\.Dt' "$page"
	done
	cd "$BOX"
	into uninstall
	run find "$BOX/dest" ! -type d
	assert_output ""
}

@test "what is installed works where it lies" {
	into install-files
	GSH=$BOX/dest/usr/bin/gsh
	PATH=$BOX/dest/usr/bin:/usr/bin:/bin run gsh -c 'echo inside'
	assert_success
	assert_output inside
}

@test "the units are what systemd takes" {
	command -v systemd-analyze >/dev/null || skip "systemd-analyze is not installed"
	into install-files
	mkdir "$BOX/units"
	cp "$BOX/dest/usr/lib/systemd/user/gshd.socket" "$BOX/units"
	sed "s|=/usr/bin/gshd|=$TREE/build/bin/gshd|" "$BOX/dest/usr/lib/systemd/user/gshd.service" >"$BOX/units/gshd.service"
	run env SYSTEMD_UNIT_PATH="$BOX/units:" XDG_RUNTIME_DIR="$BOX/run" systemd-analyze --user verify --man=no \
		"$BOX/units/gshd.socket" "$BOX/units/gshd.service"
	refute_output --partial gshd
}

@test "gshd is started by its socket at the first question, and gone after the last" {
	command -v systemd-socket-activate >/dev/null || skip "systemd-socket-activate is not installed"
	systemd-socket-activate -l "$GSH_RUNTIME/gshd.sock" -E GSH_STORE -E GSH_RUNTIME -E GSH_MOUNT -E GSH_CONFIG \
		-E HOME -E PATH "$TREE/build/bin/gshd" --foreground 2>"$BOX/activate.log" &
	activator=$!
	wait_until 100 test -S "$GSH_RUNTIME/gshd.sock"
	assert_equal "$(cat "/proc/$activator/comm")" systemd-socket-
	run timeout 60 "$GSH" -s one -c 'echo inside'
	assert_success
	assert_output inside
	# It became gshd: nobody else started one.
	assert_equal "$(cat "/proc/$activator/comm")" gshd
	run timeout 60 "$GSH" ls -q
	assert_output one
	kill "$activator"
	wait "$activator" || true
	run test -S "$GSH_RUNTIME/gshd.sock"
	assert_success
	rm "$GSH_RUNTIME/gshd.sock"
	# The sandbox runs on, and the next gshd finds it.
	run timeout 60 "$GSH" ls
	assert_output --partial $'one\trunning'
}
