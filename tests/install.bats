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
	for f in bin/gsh bin/gshd bin/gfs libexec/gsh/picoprocess libexec/gsh/edit.so libexec/gsh/image.so share/man/man1/gsh.1 share/man/man1/gsh-verbs.1 share/man/man7/gsh-protocol.7 \
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

@test "an upgrade: new programs in place, gshd starts anew, sandboxes and sessions go on" {
	into install-files
	bin=$BOX/dest/usr/bin
	PATH=$bin:/usr/bin:/bin
	run gsh daemon
	assert_failure 1
	gsh -s one -c 'echo kept >file'
	gsh run -s one -- sh -c 'while [ ! -e stop ]; do sleep 0.1; done; echo saw it >seen' &
	running=$!
	wait_until 100 sh -c "gsh ps -s one | grep -q 'while '"
	gsh daemon --json >"$BOX/before"
	"$TESTS/tools/json-check" <"$BOX/before"
	pid() {
		python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])'
	}
	before=$(pid <"$BOX/before")
	monitor=$(gsh info one --json | python3 -c 'import json, sys; o = json.load(sys.stdin); print(o["pid"], o["leader"])')
	# As a package manager does: another file under the same name, while the old one runs.
	for f in gsh gshd gfs; do
		cp "$bin/$f" "$bin/.new" && mv "$bin/.new" "$bin/$f"
	done
	cp "$bin/../libexec/gsh/picoprocess" "$BOX/new" && mv "$BOX/new" "$bin/../libexec/gsh/picoprocess"
	run readlink "/proc/$before/exe"
	assert_output --partial deleted
	run gsh daemon restart
	assert_success
	after=$(gsh daemon --json | pid)
	assert [ "$after" != "$before" ]
	assert_equal "$(readlink "/proc/$after/exe")" "$bin/gshd"
	gone() { case $(cut -d ' ' -f 3 "/proc/$1/stat" 2>/dev/null) in Z | '') ;; *) return 1 ;; esac; }
	wait_until 50 gone "$before"
	# Nobody noticed inside, and what starts now starts beside it.
	assert_equal "$(gsh info one --json | python3 -c 'import json, sys; o = json.load(sys.stdin); print(o["pid"], o["leader"])')" \
		"$monitor"
	run gsh -s one -c 'cat file; touch stop'
	assert_output kept
	wait "$running"
	run gsh -s one -c 'cat seen'
	assert_output "saw it"
	run gsh -s two -c 'echo new'
	assert_output new
	# Killed, it is as if it had been asked.
	kill -KILL "$after"
	run gsh -s one -c 'cat seen'
	assert_output "saw it"
	run gsh ls
	assert_line --partial $'one\trunning'
	gsh daemon stop
	run gsh daemon show
	assert_failure 1
	run gsh -s one -c 'cat file'
	assert_output kept
	for words in wrong 'restart now' 'restart --json'; do
		# shellcheck disable=SC2086
		run gsh daemon $words
		assert_failure 2
	done
	GSH=$bin/gsh
}
